//! `GET /v1/users/{user}/recommendations`: what `rules.recommendations` says, best sellers for this user by default.

use dataflow::freshness::InputKind;
use dataflow::rules::RecommendationRule;
use hyper::Response;

use super::for_you;
use crate::answer;
use crate::answer::recommended_schemas::RecommendationList;
use crate::answer::user_lists::{self, Shape};
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::parameters::ParameterSet;
use crate::problem::{self, Problem};
use crate::read_state::ReadState;
use crate::request::ListRequest;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "recommendations",
    paths: &["/v1/users/{user}/recommendations"],
    owner: Owner::User,
    operations: &[Operation {
        parameters: ParameterSet::List,
        answers: &[Answer::json::<RecommendationList>(
            200,
            "The recommendations; the general ones for an unknown user",
        )],
        problems: &[problem::OF_LISTS],
        read_list: Some(|read, request| answer(read, request, false)),
        ..Operation::get(
            Scope::Read,
            "Recommendations for a user: best sellers of the categories viewed last, unless the rules say otherwise",
        )
    }],
};

/// The recommendations in the shape of version 1 or in the legacy one.
pub(super) fn answer(read: &ReadState, request: ListRequest<'_>, legacy: bool) -> Result<Response<Body>, Problem> {
    if read.reader.rules().recommendations == RecommendationRule::ForYou {
        return for_you::answer(read, request, legacy);
    }
    let (reader, ListRequest { headers, of: user, parameters, .. }) = (&read.reader, request);
    buffers::with(|AnswerBuffers { out, as_of, names, .. }| {
        let key = reader.dictionary().find_user(user);
        let view = reader.view(key);
        let age = read.admit(view.as_of(), &InputKind::ALL, parameters)?;
        let mut made = view.recommendations(key);
        made.picks.truncate(parameters.limit);
        let shape = Shape::asked(legacy, parameters.explain, as_of.text(age.as_of));
        user_lists::recommendations(out, user, &made, (names, reader.dictionary()), shape);
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
