//! Writing one row: add, replace, change some fields, delete.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use dataflow::feed::Position;
use hyper::header::{HeaderMap, HeaderValue, LOCATION};
use hyper::{Response, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use store::{Action, Bounds, Condition, Kind, Repeatable, Row, Write, WriteRequest, Written};

use super::Resource;
use super::conditions::{check_json, condition, condition_of_change, lacks_tag, only_adds, repeatable};
use super::read::{ID, id_in, row, store};
use crate::answer;
use crate::body::Body;
use crate::header_names::VITRINE_TOKEN;
use crate::operations::Operations;
use crate::problem::{Problem, RowProblem};
use crate::request_body::RequestBody;
use crate::token;

/// The characters of a path that stand for themselves.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Adds a row.
pub(super) async fn create<R: Resource>(
    State(operations): State<Arc<Operations>>,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    let bounds = bounds(&operations)?;
    check_json(&headers, false)?;
    let row = Row::from_json(R::KIND, None, &body.bytes, &bounds).map_err(invalid)?;
    let repeatable = repeatable(&headers, &uri, &body.bytes)?;
    let (id, action) = (row.id().to_owned(), Action::Create(row));
    let write = Write { kind: R::KIND, id: id.clone(), action, condition: Condition::Nothing };
    answered(&operations, R::KIND, &id, one(&operations, write, repeatable).await?)
}

/// Adds a row, or replaces the one that is there.
pub(super) async fn put<R: Resource>(
    State(operations): State<Arc<Operations>>,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    let bounds = bounds(&operations)?;
    check_json(&headers, false)?;
    let id = id_in(&uri, ID)?;
    let row = Row::from_json(R::KIND, Some(&id), &body.bytes, &bounds).map_err(invalid)?;
    let only_adds = only_adds(&headers)?;
    let (action, condition) = match only_adds || lacks_tag(&operations, &headers) {
        true => (Action::Create(row), Condition::Nothing),
        false => (Action::Put(row), condition(&headers)?),
    };
    let write = Write { kind: R::KIND, id: id.clone(), action, condition };
    let written = one(&operations, write, None).await.map_err(|problem| match problem {
        Problem::Row(RowProblem::Present(_)) if only_adds => Problem::Row(RowProblem::NotNew),
        Problem::Row(RowProblem::Present(_)) => Problem::Row(RowProblem::TagNeeded),
        other => other,
    });
    answered(&operations, R::KIND, &id, written?)
}

/// Changes the fields that a merge patch names.
pub(super) async fn patch<R: Resource>(
    State(operations): State<Arc<Operations>>,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    store(&operations)?;
    check_json(&headers, true)?;
    let (id, action) = (id_in(&uri, ID)?, Action::Patch(body.bytes.to_vec()));
    let write = Write { kind: R::KIND, id: id.clone(), action, condition: condition_of_change(&operations, &headers)? };
    answered(&operations, R::KIND, &id, change(&operations, &headers, write, None).await?)
}

/// Deletes a row.
pub(super) async fn delete<R: Resource>(
    State(operations): State<Arc<Operations>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    store(&operations)?;
    let id = id_in(&uri, ID)?;
    let write = Write {
        kind: R::KIND,
        id: id.clone(),
        action: Action::Delete,
        condition: condition_of_change(&operations, &headers)?,
    };
    answered(&operations, R::KIND, &id, change(&operations, &headers, write, None).await?)
}

/// The bounds of rows written now.
pub(super) fn bounds(operations: &Operations) -> Result<Bounds, Problem> {
    let price_digits = store(operations)?.price_digits();
    Ok(Bounds { price_digits, now: now(operations) })
}

fn now(operations: &Operations) -> i64 {
    i64::try_from(operations.app.clock.now()).unwrap_or(i64::MAX)
}

fn invalid(faults: Vec<store::Fault>) -> Problem {
    Problem::Row(RowProblem::invalid([(None, faults)]))
}

/// Does one write.
pub(super) async fn one(
    operations: &Operations,
    write: Write,
    repeatable: Option<Repeatable>,
) -> Result<Written, Problem> {
    let singular = write.kind.singular();
    let written = writes(operations, vec![write], repeatable).await?;
    written.map_err(|error| RowProblem::of(error, singular, false))
}

/// Does a change of a row that is there, on its [`condition_of_change`].
pub(super) async fn change(
    operations: &Operations,
    headers: &HeaderMap,
    write: Write,
    repeatable: Option<Repeatable>,
) -> Result<Written, Problem> {
    one(operations, write, repeatable).await.map_err(|problem| match problem {
        Problem::Row(RowProblem::Changed) if lacks_tag(operations, headers) => Problem::Row(RowProblem::TagNeeded),
        other => other,
    })
}

/// Does writes, within the time that a write may take.
pub(super) async fn writes(
    operations: &Operations,
    writes: Vec<Write>,
    repeatable: Option<Repeatable>,
) -> Result<Result<Written, store::StoreError>, Problem> {
    let request = WriteRequest { writes, repeatable, now: now(operations) };
    let timeout = Duration::from_millis(operations.settings.intake_timeout_ms);
    let writing = store(operations)?.write(request);
    tokio::time::timeout(timeout, writing).await.map_err(|_| Problem::WriteTimeout)
}

/// The value for `after` that waits for a change.
pub(super) fn token_of(operations: &Operations, change: i64) -> Result<String, Problem> {
    Ok(token::encode(vec![position_of(operations, change)?]))
}

/// The position up to which the store's source has seen a change.
pub(super) fn position_of(operations: &Operations, change: i64) -> Result<Position, Problem> {
    Ok(Position::new(store(operations)?.stream(), 0, change + 1))
}

/// The answer to a write of one row.
pub(super) fn answered(
    operations: &Operations,
    kind: Kind,
    id: &str,
    written: Written,
) -> Result<Response<Body>, Problem> {
    let token = HeaderValue::from_str(&token_of(operations, written.change)?).expect("a token is ASCII");
    let wrote = written.rows.into_iter().next();
    let (created, stored) = wrote.map_or((false, None), |wrote| (wrote.created, wrote.stored));
    let mut response = match stored {
        Some(stored) if created => {
            let mut response = row(StatusCode::CREATED, &stored);
            let location = format!("/v1/{}/{}", kind.name(), utf8_percent_encode(id, PATH));
            let location = HeaderValue::from_str(&location).expect("an encoded path is ASCII");
            response.headers_mut().insert(LOCATION, location);
            response
        }
        Some(stored) => row(StatusCode::OK, &stored),
        None => answer::no_content(),
    };
    response.headers_mut().insert(VITRINE_TOKEN, token);
    Ok(response)
}
