//! The two addresses other shops already call: the same shelves, with ids in header fields.

use std::sync::Arc;

use dataflow::ids::ID_BYTES_MAX;
use hyper::header::{HeaderMap, HeaderName};

use super::{Reply, history, recommendations, removal};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::shared::Shared;

const USER: HeaderName = HeaderName::from_static("user-id");
const PRODUCT: HeaderName = HeaderName::from_static("product-id");

/// `GET /api/v1/user_nav_history_latest_products/`
pub(crate) fn history(shared: &Arc<Shared>, headers: HeaderMap, parameters: Parameters) -> Result<Reply, Problem> {
    let user = user(&headers)?;
    history::read(shared, HeaderMap::new(), user, &parameters, true).map(Reply::Now)
}

/// `DELETE /api/v1/user_nav_history_latest_products/`
pub(crate) fn removal(shared: &Arc<Shared>, headers: &HeaderMap, parameters: Parameters) -> Result<Reply, Problem> {
    let user = user(headers)?;
    let product = id(headers, &PRODUCT, "product-id")?;
    Ok(removal::answer(shared, user.into(), product.into(), parameters))
}

/// `GET /api/v1/user_history_recommendations/`
pub(crate) fn recommendations(
    shared: &Arc<Shared>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Reply, Problem> {
    let user = user(&headers)?;
    recommendations::read(shared, HeaderMap::new(), user, &parameters, true).map(Reply::Now)
}

/// The user that a request names.
pub(crate) fn user(headers: &HeaderMap) -> Result<&str, Problem> {
    id(headers, &USER, "user-id")
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
