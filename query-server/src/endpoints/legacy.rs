//! The two addresses that other shops already call: the same lists, with ids in header fields.

use dataflow::ids::ID_BYTES_MAX;
use hyper::Response;
use hyper::header::{HeaderMap, HeaderName};

use super::{history, recommendations};
use crate::answer::schemas::LegacyList;
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope, Verb};
use crate::parameters::Parameters;
use crate::problem::{self, Problem};
use crate::read_state::ReadState;

const USER: HeaderName = HeaderName::from_static("user-id");
const PRODUCT: HeaderName = HeaderName::from_static("product-id");

pub(crate) static HISTORY: Endpoint = Endpoint {
    label: "legacy_history",
    paths: &["/api/v1/user_nav_history_latest_products/", "/api/v1/user_nav_history_latest_products"],
    owner: Owner::User,
    operations: &[
        Operation {
            verb: Verb::Get,
            scope: Scope::Read,
            summary: "The products a user viewed last, newest first",
            headers: &[("user-id", "The user")],
            answers: &[Answer::json::<LegacyList>(200, "The history; empty for an unknown user")],
            problems: &[problem::OF_LISTS],
            ..Operation::PLAIN
        },
        Operation {
            verb: Verb::Delete,
            scope: Scope::Write,
            summary: "Remove a product from a user's history",
            headers: &[("user-id", "The user"), ("product-id", "The product")],
            answers: &[Answer::empty(204, "The removal is durable and visible")],
            problems: &[problem::OF_LISTS, problem::OF_REMOVALS],
            ..Operation::PLAIN
        },
    ],
};

pub(crate) static RECOMMENDATIONS: Endpoint = Endpoint {
    label: "legacy_recommendations",
    paths: &["/api/v1/user_history_recommendations/", "/api/v1/user_history_recommendations"],
    owner: Owner::User,
    operations: &[Operation {
        verb: Verb::Get,
        scope: Scope::Read,
        summary: "Best sellers of the categories that a user viewed last, or of all products",
        headers: &[("user-id", "The user")],
        answers: &[Answer::json::<LegacyList>(200, "The recommendations; the general ones for an unknown user")],
        problems: &[problem::OF_LISTS],
        ..Operation::PLAIN
    }],
};

/// The history as it is now.
pub(crate) fn history(
    read: &ReadState,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response<Body>, Problem> {
    history::answer(read, HeaderMap::new(), user(headers)?, parameters, true)
}

/// The recommendations as they are now.
pub(crate) fn recommendations(
    read: &ReadState,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Response<Body>, Problem> {
    recommendations::answer(read, HeaderMap::new(), user(headers)?, parameters, true)
}

/// The user that a request names.
pub(crate) fn user(headers: &HeaderMap) -> Result<&str, Problem> {
    id(headers, &USER, "user-id")
}

/// The user and the product that a request names.
pub(crate) fn user_and_product(headers: &HeaderMap) -> Result<(String, String), Problem> {
    Ok((user(headers)?.to_owned(), id(headers, &PRODUCT, "product-id")?.to_owned()))
}

/// The id in the header field `name`, which must be there once.
fn id<'h>(headers: &'h HeaderMap, field: &HeaderName, name: &'static str) -> Result<&'h str, Problem> {
    let mut values = headers.get_all(field).iter();
    let value = values.next().ok_or(Problem::MissingHeader(name))?;
    if values.next().is_some() {
        return Err(Problem::BadHeader { name, fault: "is given more than once" });
    }
    let id = std::str::from_utf8(value.as_bytes()).map_err(|_| Problem::BadHeader { name, fault: "is not UTF-8" })?;
    match id.len() {
        1..=ID_BYTES_MAX => Ok(id),
        _ => Err(Problem::BadHeader { name, fault: "must have 1 to 256 bytes" }),
    }
}
