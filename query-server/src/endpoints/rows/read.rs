//! Reading rows: a page, or one.

use std::sync::Arc;

use axum::extract::{Extension, State};
use hyper::header::{ETAG, HeaderMap, HeaderValue};
use hyper::{Response, StatusCode, Uri};
use serde::Serialize;
use store::{ListRequest, Row, Store, Stored};

use super::Resource;
use super::conditions::is_known;
use crate::answer;
use crate::body::Body;
use crate::ids;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::{Problem, RowProblem};
use crate::row_parameters;

#[derive(Serialize)]
struct Page {
    items: Vec<Row>,
    next_cursor: Option<String>,
}

/// The store, where there is one.
pub(super) fn store(operations: &Operations) -> Result<&Arc<dyn Store>, Problem> {
    operations.app.store.as_ref().ok_or(Problem::Row(RowProblem::Off))
}

/// The id in this segment of a path.
pub(super) fn id_in(uri: &Uri, segment: usize) -> Result<String, Problem> {
    let segment = uri.path().split('/').nth(segment).unwrap_or_default();
    Ok(ids::id(segment)?.into_owned())
}

/// The segment of `/v1/KIND/ID` that is the id.
pub(super) const ID: usize = 3;

/// Answers with a page of rows.
pub(super) async fn page<R: Resource>(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
) -> Result<Response<Body>, Problem> {
    let store = store(&operations)?;
    let Parameters { limit, rows, .. } = parameters;
    let request = ListRequest { kind: R::KIND, after: rows.after, limit: limit + 1, filter: rows.filter };
    let mut items = store.list(request).await.map_err(|error| RowProblem::of_reading(error, R::KIND.singular()))?;
    let next_cursor = (items.len() > limit).then(|| row_parameters::cursor(items[limit - 1].id()));
    items.truncate(limit);
    let text = serde_json::to_vec(&Page { items, next_cursor }).expect("rows are plain data");
    Ok(answer::json(HeaderMap::new(), &text, None))
}

/// Answers with a row.
pub(super) async fn one<R: Resource>(
    State(operations): State<Arc<Operations>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let (store, kind) = (store(&operations)?, R::KIND);
    let found = store.get(kind, id_in(&uri, ID)?).await;
    let found = found.map_err(|error| RowProblem::of_reading(error, kind.singular()))?;
    let stored = found.ok_or(Problem::Row(RowProblem::Absent(kind.singular())))?;
    if is_known(&headers, &stored.tag)? {
        let mut response = answer::no_content();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(ETAG, etag(&stored));
        return Ok(response);
    }
    Ok(row(StatusCode::OK, &stored))
}

/// An answer with a row and its tag.
pub(super) fn row(status: StatusCode, stored: &Stored) -> Response<Body> {
    let mut response = answer::whole(status, answer::JSON, stored.json.clone().into());
    response.headers_mut().insert(ETAG, etag(stored));
    response
}

fn etag(stored: &Stored) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{}\"", stored.tag)).expect("a tag is hexadecimal")
}
