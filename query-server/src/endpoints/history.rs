//! `GET /v1/users/{user}/history`: the products a user viewed last, newest first.

use dataflow::graph::History;
use dataflow::hearing::Part;
use hyper::Response;
use hyper::header::HeaderMap;

use crate::answer;
use crate::answer::user_shelf::{self, Shape};
use crate::body::Body;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::scratch::{self, Scratch};
use crate::shared::Shared;

/// The history as it is now.
pub(crate) fn read(
    shared: &Shared,
    headers: HeaderMap,
    user: &str,
    parameters: &Parameters,
    legacy: bool,
) -> Result<Response<Body>, Problem> {
    let reader = &shared.app.reader;
    scratch::with(|Scratch { out, viewed, as_of, names, .. }| {
        let key = reader.dictionary().find_user(user);
        let view = reader.view(key);
        let age = shared.admit(view.as_of(), &[Part::Views], parameters)?;
        view.list::<History>(&key, viewed);
        viewed.truncate(parameters.limit);
        let shape = Shape::asked(legacy, parameters.explain, as_of.text(age.as_of));
        user_shelf::history(out, user, viewed, (names, reader.dictionary()), shape);
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
