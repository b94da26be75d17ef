//! `GET /v1/users/{user}/history`: the products a user viewed last, newest first.

use dataflow::freshness::InputKind;
use dataflow::graph::History;
use hyper::Response;
use hyper::header::HeaderMap;

use crate::answer;
use crate::answer::schemas::HistoryList;
use crate::answer::user_shelf::{self, Shape};
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope, Verb};
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::{self, Problem};
use crate::read_state::ReadState;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "history",
    paths: &["/v1/users/{user}/history"],
    owner: Owner::User,
    operations: &[Operation {
        verb: Verb::Get,
        scope: Scope::Read,
        summary: "The products a user viewed last, newest first",
        parameters: ParameterSet::List,
        answers: &[Answer::json::<HistoryList>(200, "The history; empty for an unknown user")],
        problems: &[problem::OF_LISTS],
        ..Operation::PLAIN
    }],
};

/// The history as it is now.
pub(crate) fn read(
    read: &ReadState,
    headers: HeaderMap,
    user: &str,
    parameters: &Parameters,
) -> Result<Response<Body>, Problem> {
    answer(read, headers, user, parameters, false)
}

/// The history in the shape of version 1 or in the legacy one.
pub(super) fn answer(
    read: &ReadState,
    headers: HeaderMap,
    user: &str,
    parameters: &Parameters,
    legacy: bool,
) -> Result<Response<Body>, Problem> {
    let reader = &read.reader;
    buffers::with(|AnswerBuffers { out, viewed, as_of, names, .. }| {
        let key = reader.dictionary().find_user(user);
        let view = reader.view(key);
        let age = read.admit(view.as_of(), &[InputKind::Views], parameters)?;
        view.list::<History>(&key, viewed);
        viewed.truncate(parameters.limit);
        let shape = Shape::asked(legacy, parameters.explain, as_of.text(age.as_of));
        user_shelf::history(out, user, viewed, (names, reader.dictionary()), shape);
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
