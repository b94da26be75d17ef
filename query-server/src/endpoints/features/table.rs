//! `POST /v1/features`: features of many users, by rows or by columns.
//!
//! ```text
//! users ─┬▶ those held here ─────▶ read from one view ────────┐
//!        └▶ those held elsewhere ─▶ one request a process ────┴▶ one table, as of the earliest part
//! ```
//! Each part is as of one tick. A table of several processes holds everything up to the earliest of these ticks.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::{Extension, State};
use bytes::Bytes;
use dataflow::features::Feature;
use dataflow::index_reader::ProductFeatures;
use http_body_util::BodyExt;
use hyper::header::HeaderMap;
use hyper::{Method, Response, Uri};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::events::split::Framing;
use super::question::Question;
use super::{check_on, chosen, demographics, inputs, sums};
use crate::answer::features::Values;
use crate::answer::features::table::{Cells, Table};
use crate::answer::{self, MISSING, instant};
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::forward::{self, BROKEN};
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::{OwnerFailure, Problem};
use crate::read_state::ReadState;
use crate::request_body::RequestBody;

/// Users that are read in the serving thread itself: some dozens of microseconds each at most.
const READ_AT_ONCE_MAX: usize = 8;

/// Some rows of a table.
struct Part {
    cells: Cells,
    as_of: String,
    missing: Option<String>,
}

pub(super) async fn handle(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
    headers: HeaderMap,
    framing: Framing,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    if framing == Framing::Lines {
        return Err(Problem::MediaType("the body must be application/json, in UTF-8"));
    }
    let read = operations.read.clone();
    check_on(&read)?;
    let question = Arc::new(Question::read(&body.bytes)?);
    let demographics = demographics::of_users(&operations, &question, &headers).await?;
    let mut response = answer(&read, &question, parameters, (&uri, &headers), demographics).await?;
    if forward::shown(&headers).is_some() {
        forward::stamp(response.headers_mut(), read.waits.shown_tick());
    }
    Ok(response)
}

/// The table, with the demographics of its rows if there are some. The path and the header fields are those of requests to other
/// processes.
pub(super) async fn answer(
    read: &Arc<ReadState>,
    question: &Arc<Question>,
    parameters: Parameters,
    request: (&Uri, &HeaderMap),
    demographics: Option<Vec<String>>,
) -> Result<Response<Body>, Problem> {
    let (here, elsewhere) = by_owner(read, question);
    let shown = forward::shown(request.1);
    if shown.is_some() && !elsewhere.is_empty() {
        return Err(Problem::Misrouted);
    }
    let features = chosen(&question.features, |_| true);
    let asked = ask_owners(read, question, &elsewhere, &features, request)?;
    if let Some(positions) = &parameters.after {
        read.waits.wait_for(positions, parameters.wait).await?;
    }
    if let Some(shown) = shown {
        read.waits.wait_for_tick(shown, read.wait_max()).await?;
    }
    let mut places = vec![(0, 0); question.users.len()];
    here.iter().enumerate().for_each(|(nth, row)| places[*row] = (0, nth));
    let mut parts = vec![own_part(read, question, here, &features, parameters).await?];
    for (part, (asked, rows)) in (1..).zip(asked.into_iter().zip(elsewhere.values())) {
        parts.push(asked.await.expect("asking another process does not panic")?);
        rows.iter().enumerate().for_each(|(nth, row)| places[*row] = (part, nth));
    }
    Ok(write(question, &features, parts, &places, demographics.as_deref()))
}

/// The rows whose users this process holds, and those of each other process.
pub(super) fn by_owner(read: &ReadState, question: &Question) -> (Vec<usize>, BTreeMap<usize, Vec<usize>>) {
    let (mut here, mut elsewhere) = (Vec::new(), BTreeMap::<usize, Vec<usize>>::new());
    for (row, user) in question.users.iter().enumerate() {
        match read.reader.owner_elsewhere(read.reader.dictionary().find_user(user)) {
            None => here.push(row),
            Some(owner) => elsewhere.entry(owner).or_default().push(row),
        }
    }
    (here, elsewhere)
}

type Asked = tokio::task::JoinHandle<Result<Part, Problem>>;

/// Asks all other processes at the same time.
fn ask_owners(
    read: &ReadState,
    question: &Question,
    elsewhere: &BTreeMap<usize, Vec<usize>>,
    features: &[&'static Feature],
    (uri, headers): (&Uri, &HeaderMap),
) -> Result<Vec<Asked>, Problem> {
    if elsewhere.is_empty() {
        return Ok(Vec::new());
    }
    let forward = read.forward.as_ref().ok_or(Problem::Misrouted)?;
    let ask = |(owner, rows): (&usize, &Vec<usize>)| {
        let answer = forward.send(*owner, &Method::POST, uri, headers, Bytes::from(question.part(rows)));
        let (features, rows) = (features.to_vec(), rows.len());
        tokio::spawn(async move { part_of(answer.await?, &features, rows).await })
    };
    Ok(elsewhere.iter().map(ask).collect())
}

/// The answer of another process.
async fn part_of(answer: Response<Body>, features: &[&Feature], rows: usize) -> Result<Part, Problem> {
    #[derive(Deserialize)]
    struct Answered<'a> {
        #[serde(borrow)]
        columns: HashMap<&'a str, Vec<&'a RawValue>>,
        as_of: &'a str,
    }
    if !answer.status().is_success() {
        return Err(Problem::OwnerAway(OwnerFailure::Refused(answer.status().as_u16())));
    }
    let missing = answer.headers().get(MISSING).and_then(|names| names.to_str().ok()).map(str::to_owned);
    let bytes = answer.into_body().collect().await.map_err(|_| BROKEN)?.to_bytes();
    let answered: Answered<'_> = serde_json::from_slice(&bytes).map_err(|_| BROKEN)?;
    let columns: Option<Vec<&Vec<&RawValue>>> =
        features.iter().map(|feature| answered.columns.get(feature.name)).collect();
    let columns = columns.filter(|columns| columns.iter().all(|column| column.len() == rows)).ok_or(BROKEN)?;
    let mut cells = Cells::default();
    for row in 0..rows {
        columns.iter().for_each(|column| cells.push(|out| out.extend_from_slice(column[row].get().as_bytes())));
    }
    Ok(Part { cells, as_of: answered.as_of.to_owned(), missing })
}

/// The rows whose users this process holds. Many rows are read outside the serving threads.
async fn own_part(
    read: &Arc<ReadState>,
    question: &Arc<Question>,
    rows: Vec<usize>,
    features: &[&'static Feature],
    parameters: Parameters,
) -> Result<Part, Problem> {
    if rows.len() <= READ_AT_ONCE_MAX {
        return read_rows(read, question, &rows, features, &parameters);
    }
    let (read, question, features) = (read.clone(), question.clone(), features.to_vec());
    let reading = tokio::task::spawn_blocking(move || read_rows(&read, &question, &rows, &features, &parameters));
    reading.await.expect("reading features does not panic")
}

fn read_rows(
    read: &ReadState,
    question: &Question,
    rows: &[usize],
    features: &[&Feature],
    parameters: &Parameters,
) -> Result<Part, Problem> {
    let dictionary = read.reader.dictionary();
    let view = read.reader.wide_view_any();
    let age = read.admit(view.as_of(), &inputs(features), parameters)?;
    let mut cells = Cells::default();
    buffers::with(|AnswerBuffers { names, .. }| {
        for row in rows {
            let of = view.features_of(dictionary.find_user(&question.users[*row]), sums(&read.reader, features));
            let product = question.products.get(*row).map(|id| {
                let product = dictionary.find_product(id);
                product.map_or_else(ProductFeatures::unknown, |product| of.of_product(product))
            });
            let values = Values { of: &of, product: product.as_ref(), limit: question.limit };
            for feature in features {
                cells.push(|out| values.write(out, feature, (&mut *names, dictionary)));
            }
        }
    });
    Ok(Part { cells, as_of: instant::text(age.as_of), missing: age.missing.map(|names| names.to_string()) })
}

fn write(
    question: &Question,
    features: &[&Feature],
    parts: Vec<Part>,
    places: &[(usize, usize)],
    demographics: Option<&[String]>,
) -> Response<Body> {
    let missing = parts.iter().find_map(|part| part.missing.clone());
    // Texts of one form: the earliest is the least.
    let as_of = parts.iter().map(|part| part.as_of.clone()).min().unwrap_or_default();
    let names: Vec<&str> = features.iter().map(|feature| feature.name).collect();
    let ids: [(&str, &[String]); 2] = [("user-id", &question.users), ("product-id", &question.products)];
    let ids = if question.products.is_empty() { &ids[..1] } else { &ids[..] };
    let cells: Vec<Cells> = parts.into_iter().map(|part| part.cells).collect();
    let table = Table { ids, names: &names, parts: &cells, places, demographics };
    buffers::with(|AnswerBuffers { out, .. }| {
        table.write(out, question.layout, &as_of);
        answer::json(HeaderMap::new(), out, missing.as_deref())
    })
}
