//! Purchases that do not count any more: a cancelled one, and a line that was returned.

use std::sync::Arc;

use axum::extract::State;
use hyper::header::HeaderMap;
use hyper::{Response, Uri};
use store::{Action, Kind, LINES_MAX, Write};

use super::change::{answered, change};
use super::conditions::{condition_of_change, repeatable};
use super::read::{ID, id_in, store};
use crate::body::Body;
use crate::operations::Operations;
use crate::problem::Problem;
use crate::request_body::RequestBody;

/// The segment of `/v1/purchases/ID/lines/LINE/return` that is the line.
const LINE: usize = 5;

/// Cancels a purchase.
pub(super) async fn cancel(
    State(operations): State<Arc<Operations>>,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    mark(&operations, &uri, &headers, &body, Action::Cancel).await
}

/// Marks a line as returned.
pub(super) async fn give_back(
    State(operations): State<Arc<Operations>>,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    store(&operations)?;
    let line = id_in(&uri, LINE)?.parse().ok().filter(|line| (1..=LINES_MAX).contains(line));
    let line = line.ok_or(Problem::BadPath("a line in the path must be a number from 1 on"))?;
    mark(&operations, &uri, &headers, &body, Action::Return(line)).await
}

async fn mark(
    operations: &Operations,
    uri: &Uri,
    headers: &HeaderMap,
    body: &RequestBody,
    action: Action,
) -> Result<Response<Body>, Problem> {
    store(operations)?;
    let (id, repeatable) = (id_in(uri, ID)?, repeatable(headers, uri, &body.bytes)?);
    let write =
        Write { kind: Kind::Purchases, id: id.clone(), action, condition: condition_of_change(operations, headers)? };
    answered(operations, Kind::Purchases, &id, change(operations, headers, write, repeatable).await?)
}
