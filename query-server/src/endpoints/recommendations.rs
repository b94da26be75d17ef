//! `GET /v1/users/{user}/recommendations`: best sellers for this user, or the general ones.

use dataflow::freshness::InputKind;
use hyper::Response;
use hyper::header::HeaderMap;

use crate::answer;
use crate::answer::schemas::RecommendationList;
use crate::answer::user_shelf::{self, Shape};
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope, Verb};
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::{self, Problem};
use crate::read_state::ReadState;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "recommendations",
    paths: &["/v1/users/{user}/recommendations"],
    owner: Owner::User,
    operations: &[Operation {
        verb: Verb::Get,
        scope: Scope::Read,
        summary: "Best sellers of the categories that a user viewed last, or of all products",
        parameters: ParameterSet::List,
        answers: &[Answer::json::<RecommendationList>(
            200,
            "The recommendations; the general ones for an unknown user",
        )],
        problems: &[problem::OF_LISTS],
        ..Operation::PLAIN
    }],
};

/// The recommendations as they are now.
pub(crate) fn read(
    read: &ReadState,
    headers: HeaderMap,
    user: &str,
    parameters: &Parameters,
) -> Result<Response<Body>, Problem> {
    answer(read, headers, user, parameters, false)
}

/// The recommendations in the shape of version 1 or in the legacy one.
pub(super) fn answer(
    read: &ReadState,
    headers: HeaderMap,
    user: &str,
    parameters: &Parameters,
    legacy: bool,
) -> Result<Response<Body>, Problem> {
    let reader = &read.reader;
    buffers::with(|AnswerBuffers { out, as_of, names, .. }| {
        let key = reader.dictionary().find_user(user);
        let view = reader.view(key);
        let age = read.admit(view.as_of(), &InputKind::ALL, parameters)?;
        let mut made = view.recommendations(key);
        made.picks.truncate(parameters.limit);
        let shape = Shape::asked(legacy, parameters.explain, as_of.text(age.as_of));
        user_shelf::recommendations(out, user, &made, (names, reader.dictionary()), shape);
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
