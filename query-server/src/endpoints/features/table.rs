//! `POST /v1/features`: features of many users, by rows or by columns.
//!
//! ```text
//! users ─┬▶ all held here ───────▶ read from one view, each row written into the answer as it is read
//!        ├▶ those held here ─────▶ read from one view ────────┐
//!        └▶ those held elsewhere ─▶ one request a process ────┴▶ one table, as of the earliest part
//! ```
//! Each part is as of one tick. A table of several processes holds everything up to the earliest of these ticks. A serving thread
//! reads a table itself, unless so much is stored of its users that other requests would wait: another thread reads that.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use bytes::Bytes;
use dataflow::ids::UserKey;
use dataflow::index_reader::{FoundUsers, ProductFeatures};
use dataflow::time::Time;
use http_body_util::BodyExt;
use hyper::header::HeaderMap;
use hyper::{Method, Response, Uri};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::events::split::Framing;
use super::plan::FeaturePlan;
use super::question::Question;
use super::{check_on, demographics};
use crate::answer::features::table::{Cells, Layout, Table, TableParts};
use crate::answer::features::{FeatureColumn, ValueWriter, Values};
use crate::answer::{self, instant};
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::forward::{self, BROKEN, Patience};
use crate::header_names::MISSING_SOURCES;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::read_state::{ListAge, ReadState};
use crate::request_body::RequestBody;

/// The most users that are read in the serving thread itself, and the most rows that are stored of them: some hundreds of
/// microseconds.
const USERS_AT_ONCE_MAX: usize = 256;
const ROWS_AT_ONCE_MAX: usize = 4096;

/// The bytes that a row of an answer usually needs.
const ROW_BYTES: usize = 512;

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
    if passed_on(&read, &headers).is_some() {
        forward::stamp(response.headers_mut(), read.waits.shown_tick());
    }
    Ok(response)
}

/// The table, with the demographics of its rows if there are some; or the refusal of another process. The path and the header
/// fields are those of requests to other processes.
pub(super) async fn answer(
    read: &Arc<ReadState>,
    question: &Arc<Question>,
    parameters: Parameters,
    request: (&Uri, &HeaderMap),
    demographics: Option<Vec<String>>,
) -> Result<Response<Body>, Problem> {
    let keys: Vec<UserKey> = question.users.iter().map(|user| read.reader.dictionary().find_user(user)).collect();
    let (here, elsewhere) = by_owner(read, &keys);
    let shown = passed_on(read, request.1);
    if shown.is_some() && !elsewhere.is_empty() {
        return Err(Problem::Misrouted);
    }
    let plan = FeaturePlan::of_users(&question.features);
    let asked = ask_owners(read, question, &elsewhere, &plan, (request, parameters.wait))?;
    if let Some(positions) = &parameters.after {
        read.waits.wait_for(positions, parameters.wait).await?;
    }
    if let Some(shown) = shown {
        read.waits.wait_for_tick(shown, read.wait_max()).await?;
    }
    let whole = elsewhere.is_empty() && question.layout == Layout::Rows;
    let own = OwnRows { read: read.clone(), question: question.clone(), plan, keys, rows: here, parameters };
    if whole {
        let make = move |own: &OwnRows, most: usize| rows_answer(own, most, demographics.as_deref());
        return at_once_or_later(own, make).await;
    }
    let mut places = vec![(0, 0); question.users.len()];
    own.rows.iter().enumerate().for_each(|(nth, row)| places[*row] = (0, nth));
    let plan = own.plan.clone();
    let mut parts = vec![at_once_or_later(own, own_part).await?];
    for (part, (asked, rows)) in (1..).zip(asked.into_iter().zip(elsewhere.values())) {
        match asked.await.expect("asking another process does not panic")? {
            Told::Part(told) => parts.push(told),
            Told::Refusal(refusal) => return Ok(refusal),
        }
        rows.iter().enumerate().for_each(|(nth, row)| places[*row] = (part, nth));
    }
    Ok(write(question, &plan, parts, &places, demographics.as_deref()))
}

/// The newest tick that another process had shown when it passed the request on.
fn passed_on(read: &ReadState, headers: &HeaderMap) -> Option<Time> {
    read.forward.as_ref()?.passed_on(headers)
}

/// The rows whose users this process holds, and those of each other process.
fn by_owner(read: &ReadState, keys: &[UserKey]) -> (Vec<usize>, BTreeMap<usize, Vec<usize>>) {
    let (mut here, mut elsewhere) = (Vec::with_capacity(keys.len()), BTreeMap::<usize, Vec<usize>>::new());
    for (row, user) in keys.iter().enumerate() {
        match read.reader.owner_elsewhere(*user) {
            None => here.push(row),
            Some(owner) => elsewhere.entry(owner).or_default().push(row),
        }
    }
    (here, elsewhere)
}

/// Whether another process holds a user of a question.
pub(super) fn has_users_elsewhere(read: &ReadState, question: &Question) -> bool {
    let mut keys = question.users.iter().map(|user| read.reader.dictionary().find_user(user));
    keys.any(|user| read.reader.owner_elsewhere(user).is_some())
}

/// What another process answers.
enum Told {
    Part(Part),
    /// Its refusal, which the client gets as it is.
    Refusal(Response<Body>),
}

type Asked = tokio::task::JoinHandle<Result<Told, Problem>>;

/// Asks all other processes at the same time.
fn ask_owners(
    read: &ReadState,
    question: &Question,
    elsewhere: &BTreeMap<usize, Vec<usize>>,
    plan: &Arc<FeaturePlan>,
    ((uri, headers), wait): ((&Uri, &HeaderMap), Duration),
) -> Result<Vec<Asked>, Problem> {
    if elsewhere.is_empty() {
        return Ok(Vec::new());
    }
    let forward = read.forward.as_ref().ok_or(Problem::Misrouted)?;
    let ask = |(owner, rows): (&usize, &Vec<usize>)| {
        let (patience, body) = (Patience::Read(wait), Bytes::from(question.part(rows)));
        let answer = forward.send(*owner, patience, &Method::POST, uri, headers, body);
        let (plan, rows) = (plan.clone(), rows.len());
        tokio::spawn(async move { told(answer.await?, &plan, rows).await })
    };
    Ok(elsewhere.iter().map(ask).collect())
}

/// Reads the answer of another process.
async fn told(answer: Response<Body>, plan: &FeaturePlan, rows: usize) -> Result<Told, Problem> {
    #[derive(Deserialize)]
    struct Answered<'a> {
        #[serde(borrow)]
        columns: HashMap<&'a str, Vec<&'a RawValue>>,
        as_of: &'a str,
    }
    if !answer.status().is_success() {
        return Ok(Told::Refusal(answer));
    }
    let missing = answer.headers().get(MISSING_SOURCES).and_then(|names| names.to_str().ok()).map(str::to_owned);
    let bytes = answer.into_body().collect().await.map_err(|_| BROKEN)?.to_bytes();
    let answered: Answered<'_> = serde_json::from_slice(&bytes).map_err(|_| BROKEN)?;
    let columns: Option<Vec<&Vec<&RawValue>>> =
        plan.columns.iter().map(|column| answered.columns.get(column.feature.name)).collect();
    let columns = columns.filter(|columns| columns.iter().all(|column| column.len() == rows)).ok_or(BROKEN)?;
    let mut cells = Cells::default();
    for row in 0..rows {
        columns.iter().for_each(|column| cells.push(|out| out.extend_from_slice(column[row].get().as_bytes())));
    }
    Ok(Told::Part(Part { cells, as_of: answered.as_of.to_owned(), missing }))
}

/// The rows whose users this process holds, and all that is needed to read them.
struct OwnRows {
    read: Arc<ReadState>,
    question: Arc<Question>,
    plan: Arc<FeaturePlan>,
    /// The users of all rows of the question.
    keys: Vec<UserKey>,
    /// The numbers of the rows.
    rows: Vec<usize>,
    parameters: Parameters,
}

/// Reads in this thread, or in another one if too much is stored of the users. `make` is given the most stored rows that it may
/// read, and makes nothing if there are more.
async fn at_once_or_later<T: Send + 'static>(
    own: OwnRows,
    make: impl Fn(&OwnRows, usize) -> Result<Option<T>, Problem> + Send + 'static,
) -> Result<T, Problem> {
    if own.rows.len() <= USERS_AT_ONCE_MAX
        && let Some(made) = make(&own, ROWS_AT_ONCE_MAX)?
    {
        return Ok(made);
    }
    let making = tokio::task::spawn_blocking(move || make(&own, usize::MAX));
    Ok(making.await.expect("reading features does not panic")?.expect("any number of rows may be read"))
}

/// The rows that are read.
struct RowReader<'r, 'v> {
    own: &'v OwnRows,
    found: FoundUsers<'r, 'v>,
    writer: ValueWriter<'r>,
}

impl OwnRows {
    /// Reads the rows as of now; nothing if more than `most` rows are stored of their users.
    fn read(&self, most: usize, read: impl FnOnce(&mut RowReader<'_, '_>)) -> Result<Option<ListAge>, Problem> {
        let reader = &self.read.reader;
        let view = reader.wide_view_any();
        let age = self.read.admit(view.as_of(), self.plan.inputs, &self.parameters)?;
        buffers::with(|AnswerBuffers { names, features, entries, .. }| {
            let users = self.rows.iter().map(|row| self.keys[*row]);
            let found = features.find_wide(&view, users, self.plan.wanted(reader));
            if found.rows() > most {
                return Ok(None);
            }
            let writer = ValueWriter { names, dictionary: reader.dictionary(), entries };
            read(&mut RowReader { own: self, found, writer });
            Ok(Some(age))
        })
    }
}

impl RowReader<'_, '_> {
    /// Calls `write` with each column and its values; `nth` is the row's number among those that this process holds.
    fn each_column(&mut self, nth: usize, mut write: impl FnMut(&mut ValueWriter<'_>, &FeatureColumn, Values<'_>)) {
        let OwnRows { question, plan, rows, .. } = self.own;
        let of = self.found.features(nth);
        let product = question.products.get(rows[nth]).map(|id| {
            let product = self.writer.dictionary.find_product(id);
            product.map_or_else(ProductFeatures::unknown, |product| of.of_product(product))
        });
        let values = Values { of, product: product.as_ref(), limit: question.limit };
        plan.columns.iter().for_each(|column| write(&mut self.writer, column, values));
    }
}

/// The answer of a process that holds all users, by rows.
fn rows_answer(own: &OwnRows, most: usize, demographics: Option<&[String]>) -> Result<Option<Response<Body>>, Problem> {
    let ids = own.question.ids();
    let table = Table { ids: &ids, columns: &own.plan.columns, demographics };
    let mut out = Vec::with_capacity((own.rows.len() + 1) * ROW_BYTES);
    table.begin_rows(&mut out);
    let age = own.read(most, |reader| {
        // Where the values of a user are written of whom nothing is stored: they are those of every such user.
        let mut of_stranger: Option<Range<usize>> = None;
        for (nth, row) in own.rows.iter().enumerate() {
            let is_known = reader.found.is_known(nth);
            table.row(&mut out, *row, |out| match of_stranger.clone() {
                Some(written) if !is_known => out.extend_from_within(written),
                _ => {
                    let start = out.len();
                    reader.each_column(nth, |writer, column, values| {
                        column.name(out);
                        writer.write(out, column.feature, values);
                    });
                    if !is_known {
                        of_stranger = Some(start..out.len());
                    }
                }
            });
        }
    })?;
    Ok(age.map(|age| {
        table.end_rows(&mut out, &instant::text(age.as_of));
        answer::json_of(HeaderMap::new(), out.into(), age.missing.as_deref())
    }))
}

/// The values of the rows that this process holds.
fn own_part(own: &OwnRows, most: usize) -> Result<Option<Part>, Problem> {
    let mut cells = Cells::default();
    let age = own.read(most, |reader| {
        for nth in 0..own.rows.len() {
            reader.each_column(nth, |writer, column, values| {
                cells.push(|out| writer.write(out, column.feature, values));
            });
        }
    })?;
    Ok(age.map(|ListAge { as_of, missing }| Part {
        cells,
        as_of: instant::text(as_of),
        missing: missing.map(|names| names.to_string()),
    }))
}

fn write(
    question: &Question,
    plan: &FeaturePlan,
    parts: Vec<Part>,
    places: &[(usize, usize)],
    demographics: Option<&[String]>,
) -> Response<Body> {
    let missing = parts.iter().find_map(|part| part.missing.clone());
    // Texts of one form: the earliest is the least.
    let as_of = parts.iter().map(|part| part.as_of.clone()).min().unwrap_or_default();
    let cells: Vec<Cells> = parts.into_iter().map(|part| part.cells).collect();
    let table = Table { ids: &question.ids(), columns: &plan.columns, demographics };
    let mut out = Vec::with_capacity((places.len() + 1) * ROW_BYTES);
    table.write(&mut out, question.layout, &TableParts { parts: &cells, places }, &as_of);
    answer::json_of(HeaderMap::new(), out.into(), missing.as_deref())
}
