//! `GET /v1/users/{user}/buy-again`: the products that a user bought before.

use dataflow::freshness::InputKind;
use dataflow::index_reader::Kind;
use dataflow::merchandising::MerchList;
use hyper::Response;
use recommend::SourceName;

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
    label: "buy_again",
    paths: &["/v1/users/{user}/buy-again"],
    owner: Owner::User,
    operations: &[Operation {
        parameters: ParameterSet::LongList,
        answers: &[Answer::json::<RecommendationList>(200, "The products; none for an unknown user")],
        problems: &[problem::OF_LISTS, problem::OF_MODELS],
        read_list: Some(answer),
        ..Operation::get(Scope::Read, "The products that a user bought before, the likely ones first")
    }],
};

/// The products as they are now.
fn answer(read: &ReadState, request: ListRequest<'_>) -> Result<Response<Body>, Problem> {
    let (reader, ListRequest { headers, of: user, parameters, is_shown }) = (&read.reader, request);
    let rules = reader.rules();
    if let Some(switch) = SourceName::BuyAgain.switch().filter(|_| !rules.buy_again.enabled) {
        return Err(Problem::ModelOff(switch));
    }
    buffers::with(|AnswerBuffers { out, as_of, names, answer_ids, .. }| {
        let key = reader.dictionary().find_user(user);
        let view = reader.wide_view(key);
        let age = read.admit(view.as_of(), &[InputKind::Shop], parameters)?;
        let find = |size| view.buy_again(key, &[], size, |_| true);
        let list = view.arranged(MerchList::BuyAgain, parameters.limit, find, |repeat| repeat.product);
        let ending = Ending::Whole { as_of: as_of.text(age.as_of), id: answer_ids.next() };
        let page = Page {
            subject: Subject::User(user),
            rows: &list.rows,
            moves: &list.moves,
            kind: Kind::Personalized,
            ending,
        };
        if let Some(online) = read.online.as_ref().filter(|_| is_shown) {
            page.count(online, Some(key), read.recommender.variant(key));
        }
        page.write(out, (names, reader.dictionary()), parameters.explain.then_some(&view));
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
