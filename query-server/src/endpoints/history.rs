//! `GET /v1/users/{user}/history`: the products a user viewed last, newest first.

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
    let shelf = &shared.app.shelf;
    scratch::with(|Scratch { out, viewed, as_of, names, .. }| {
        let key = shelf.dictionary().find_user(user);
        let glance = shelf.glance(key);
        let age = shared.admit(glance.as_of(), &[Part::Views], parameters)?;
        glance.history(key, viewed);
        if viewed.len() < shelf.rules().items_min {
            viewed.clear();
        }
        viewed.truncate(parameters.limit);
        let shape = Shape::asked(legacy, parameters.explain, as_of.text(age.as_of));
        user_shelf::history(out, user, viewed, (names, shelf.dictionary()), shape);
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
