//! `GET /v1/users/{user}/history`: the products a user viewed last, newest first.

use dataflow::freshness::InputKind;
use dataflow::graph::History;
use hyper::Response;

use crate::answer;
use crate::answer::schemas::HistoryList;
use crate::answer::user_lists::{self, Shape};
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::parameters::ParameterSet;
use crate::problem::{self, Problem};
use crate::read_state::ReadState;
use crate::request::ListRequest;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "history",
    paths: &["/v1/users/{user}/history"],
    owner: Owner::User,
    operations: &[Operation {
        parameters: ParameterSet::List,
        answers: &[Answer::json::<HistoryList>(200, "The history; empty for an unknown user")],
        problems: &[problem::OF_LISTS],
        read_list: Some(|read, request| answer(read, request, false)),
        ..Operation::get(Scope::Read, "The products a user viewed last, newest first")
    }],
};

/// The history in the shape of version 1 or in the legacy one.
pub(super) fn answer(read: &ReadState, request: ListRequest<'_>, legacy: bool) -> Result<Response<Body>, Problem> {
    let (reader, ListRequest { headers, of: user, parameters, .. }) = (&read.reader, request);
    buffers::with(|AnswerBuffers { out, viewed, as_of, names, .. }| {
        let key = reader.dictionary().find_user(user);
        let view = reader.view(key);
        let age = read.admit(view.as_of(), &[InputKind::Views], parameters)?;
        view.list::<History>(&key, viewed);
        viewed.truncate(parameters.limit);
        let shape = Shape::asked(legacy, parameters.explain, as_of.text(age.as_of));
        user_lists::history(out, user, viewed, (names, reader.dictionary()), shape);
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
