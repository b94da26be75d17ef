//! `POST /v1/KIND:batch`: add or replace many rows, all of them or none.

use std::sync::Arc;

use axum::extract::State;
use hyper::header::HeaderMap;
use hyper::{Response, StatusCode, Uri};
use serde_json::value::RawValue;
use store::{Action, Bounds, Condition, FAULTS_MAX, Fault, Kind, Row, Write};

use super::Resource;
use super::change::{bounds, token_of, writes};
use super::conditions::{check_json, repeatable};
use super::schemas::{BATCH_ROWS_MAX, BatchDone};
use crate::answer;
use crate::body::Body;
use crate::operations::Operations;
use crate::problem::{Problem, RowProblem};
use crate::request_body::RequestBody;

/// Writes the rows of a JSON array.
pub(super) async fn batch<R: Resource>(
    State(operations): State<Arc<Operations>>,
    uri: Uri,
    headers: HeaderMap,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    let bounds = bounds(&operations)?;
    check_json(&headers, false)?;
    let repeatable = repeatable(&headers, &uri, &body.bytes)?;
    // A long body is read outside the serving threads.
    let reading = tokio::task::spawn_blocking(move || rows(R::KIND, &body.bytes, &bounds)).await;
    let rows = reading.expect("reading rows does not panic")?;
    let written = writes(&operations, rows, repeatable).await?;
    let written = written.map_err(|error| RowProblem::of(error, R::KIND.singular(), true))?;
    let created = written.rows.iter().filter(|row| row.created).count();
    let done = BatchDone { written: written.rows.len(), created, token: token_of(&operations, written.change)? };
    let text = serde_json::to_vec(&done).expect("an answer is plain data");
    Ok(answer::whole(StatusCode::OK, answer::JSON, text.into()))
}

fn rows(kind: Kind, body: &[u8], bounds: &Bounds) -> Result<Vec<Write>, Problem> {
    let given: Option<Vec<&RawValue>> = serde_json::from_slice(body).ok();
    let given = given.filter(|rows| (1..=BATCH_ROWS_MAX).contains(&rows.len())).ok_or_else(|| {
        let reason = format!("must be an array of 1 to {BATCH_ROWS_MAX} rows");
        Problem::Row(RowProblem::invalid([(None, vec![Fault { field: String::new(), reason }])]))
    })?;
    let (mut writes, mut invalid, mut fault_count) = (Vec::with_capacity(given.len()), Vec::new(), 0);
    for (index, raw) in given.into_iter().enumerate() {
        match Row::from_json(kind, None, raw.get().as_bytes(), bounds) {
            Ok(row) => {
                let id = row.id().to_owned();
                writes.push(Write { kind, id, action: Action::Put(row), condition: Condition::Nothing });
            }
            Err(faults) => {
                fault_count += faults.len();
                invalid.push((Some(index), faults));
            }
        }
        if fault_count >= FAULTS_MAX {
            break;
        }
    }
    if invalid.is_empty() { Ok(writes) } else { Err(Problem::Row(RowProblem::invalid(invalid))) }
}
