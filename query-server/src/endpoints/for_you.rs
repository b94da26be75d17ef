//! `GET /v1/users/{user}/for-you`: recommendations from the sources of the page.

use dataflow::freshness::InputKind;
use dataflow::index_reader::Kind;
use hyper::Response;
use recommend::{Workspace, is_personal};

use crate::answer;
use crate::answer::recommended::{Ending, Page, Subject};
use crate::answer::recommended_schemas::RecommendationList;
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::parameters::ParameterSet;
use crate::problem::{self, Problem};
use crate::read_state::ReadState;
use crate::request::ListRequest;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "for_you",
    paths: &["/v1/users/{user}/for-you"],
    owner: Owner::User,
    operations: &[Operation {
        parameters: ParameterSet::ForYou,
        answers: &[Answer::json::<RecommendationList>(
            200,
            "The recommendations; for an unknown user those of the sources that need no history",
        )],
        problems: &[problem::OF_LISTS, problem::OF_MODELS],
        read_list: Some(read),
        ..Operation::get(Scope::Read, "Recommendations for a user, from the sources of the page")
    }],
};

fn read(read: &ReadState, request: ListRequest<'_>) -> Result<Response<Body>, Problem> {
    let variant = read.recommender.variant(read.reader.dictionary().find_user(request.of));
    match read.recommender.chain(request.parameters.page, variant).switch() {
        Some(switch) => Err(Problem::ModelOff(switch)),
        None => answer(read, request, false),
    }
}

/// The recommendations in the shape of version 1 or in the legacy one.
pub(super) fn answer(read: &ReadState, request: ListRequest<'_>, legacy: bool) -> Result<Response<Body>, Problem> {
    let (reader, ListRequest { headers, of: user, parameters, is_shown }) = (&read.reader, request);
    buffers::with(|AnswerBuffers { out, as_of, names, workspace, answer_ids, .. }| {
        let workspace = workspace.get_or_insert_with(|| Workspace::new(reader.rules()));
        let key = reader.dictionary().find_user(user);
        let view = reader.wide_view(key);
        let age = read.admit(view.as_of(), &InputKind::ALL, parameters)?;
        let variant = read.recommender.variant(key);
        let list = read.recommender.chain(parameters.page, variant).for_user(&view, key, parameters.limit, workspace);
        let kind = if is_personal(list.own()) { Kind::Personalized } else { Kind::NonPersonalized };
        let ending = match legacy {
            true => Ending::Legacy,
            false => Ending::Whole { as_of: as_of.text(age.as_of), id: answer_ids.next() },
        };
        let page = Page { subject: Subject::User(user), rows: &list.rows, moves: &list.moves, kind, ending };
        if let Some(online) = read.online.as_ref().filter(|_| is_shown) {
            page.count(online, Some(key), variant);
        }
        page.write(out, (names, reader.dictionary()), parameters.explain.then_some(&view));
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
