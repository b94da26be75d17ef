//! The two addresses that other shops already call: the same lists, with ids in header fields.

use dataflow::ids::ID_BYTES_MAX;
use hyper::header::{HeaderMap, HeaderName};

use super::{history, recommendations};
use crate::answer::schemas::LegacyList;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::problem::{self, Problem};

const USER: HeaderName = HeaderName::from_static("user-id");
const PRODUCT: HeaderName = HeaderName::from_static("product-id");

pub(crate) static HISTORY: Endpoint = Endpoint {
    label: "legacy_history",
    paths: &["/api/v1/user_nav_history_latest_products/", "/api/v1/user_nav_history_latest_products"],
    owner: Owner::User,
    operations: &[
        Operation {
            headers: &[("user-id", "The user")],
            answers: &[Answer::json::<LegacyList>(200, "The history; empty for an unknown user")],
            problems: &[problem::OF_LISTS],
            read_list: Some(|read, request| history::answer(read, request, true)),
            ..Operation::get(Scope::Read, "The products a user viewed last, newest first")
        },
        Operation {
            headers: &[("user-id", "The user"), ("product-id", "The product")],
            answers: &[Answer::empty(204, "The removal is durable and visible")],
            problems: &[problem::OF_LISTS, problem::OF_REMOVALS],
            audited_as: Some("history.remove"),
            ..Operation::delete(Scope::Delete, "Remove a product from a user's history")
        },
    ],
};

pub(crate) static RECOMMENDATIONS: Endpoint = Endpoint {
    label: "legacy_recommendations",
    paths: &["/api/v1/user_history_recommendations/", "/api/v1/user_history_recommendations"],
    owner: Owner::User,
    operations: &[Operation {
        headers: &[("user-id", "The user")],
        answers: &[Answer::json::<LegacyList>(200, "The recommendations; the general ones for an unknown user")],
        problems: &[problem::OF_LISTS],
        read_list: Some(|read, request| recommendations::answer(read, request, true)),
        ..Operation::get(
            Scope::Read,
            "Recommendations for a user: best sellers of the categories viewed last, unless the rules say otherwise",
        )
    }],
};

/// The user that a request names.
pub(crate) fn user(headers: &HeaderMap) -> Result<&str, Problem> {
    id(headers, &USER, "user-id")
}

/// The product that a request names.
pub(crate) fn product(headers: &HeaderMap) -> Result<&str, Problem> {
    id(headers, &PRODUCT, "product-id")
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
