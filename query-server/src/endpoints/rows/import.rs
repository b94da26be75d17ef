//! `POST /v1/import/…`: a file into the store, all of it or nothing.
//!
//! ```text
//! body ─▶ bounded queue ─▶ file without a name ─▶ decompressed ─▶ one transaction ─▶ report
//!  └ cut off, too long, too slow ─▶ nothing is imported
//! ```
//! The transaction begins when the body is whole, so that a slow client does not hold up other writes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use hyper::{Response, StatusCode};
use store::{Encoding, FileFormat, ImportReport, ImportRequest, Spool, SpoolError, Store, StoreError};
use tokio::sync::mpsc;

use super::change::{bounds, token_of};
use super::conditions::check_no_key;
use super::content::{CSV, Imported, LINES};
use super::read::store;
use crate::answer;
use crate::answer::import::ReportBody;
use crate::body::Body;
use crate::connection_state::ConnectionState;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::{Problem, RowProblem};

/// Pieces of a body that wait for the disk.
const PIECES_MAX: usize = 8;

/// A piece of a body on its way to the disk.
enum Piece {
    Data(Bytes),
    /// The body is whole.
    End,
}

/// Imports the file in the body.
pub(super) async fn import<C: Imported>(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    request: Request,
) -> Result<Response<Body>, Problem> {
    let (store, bounds) = (store(&operations)?.clone(), bounds(&operations)?);
    let (parts, body) = request.into_parts();
    check_no_key(&parts.headers)?;
    let (format, encoding) = (format(&parts.headers, C::BODY)?, encoding(&parts.headers)?);
    let Parameters { transfer, .. } = parameters;
    let bytes_max = operations.settings.import_bytes_max;
    if body.size_hint().lower() > bytes_max {
        return Err(too_long(bytes_max));
    }
    if body.size_hint().exact() == Some(0) {
        return Err(Problem::Row(RowProblem::UnreadableFile("it is empty".into())));
    }
    let permit = operations.transfers.take().ok_or(Problem::Busy("imports and exports"))?;
    let import = ImportRequest {
        content: C::CONTENT,
        mode: transfer.mode,
        format,
        map: transfer.map,
        dry_run: transfer.dry_run,
        bounds,
    };
    let (pieces_in, pieces) = mpsc::channel(PIECES_MAX);
    let importing = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        run(&*store, &import, encoding, bytes_max, pieces)
    });
    let timeout = Duration::from_millis(operations.settings.body_timeout_ms);
    let connection = parts.extensions.get::<Arc<ConnectionState>>();
    let is_whole = send(body, timeout, pieces_in, connection).await?;
    if let Some(connection) = connection.filter(|_| is_whole) {
        connection.set_unread(false);
    }
    let report = importing.await.expect("an import does not panic")?;
    if report.bad > 0 && !transfer.dry_run {
        return Err(Problem::Row(RowProblem::BadFile(Some(Box::new(report)))));
    }
    let token = report.written.then(|| token_of(&operations, report.change)).transpose()?;
    let text = serde_json::to_vec(&ReportBody::new(&report, token)).expect("a report is plain data");
    Ok(answer::whole(StatusCode::OK, answer::JSON, text.into()))
}

/// Sends the body piece by piece; whether it was sent to its end. If the body ends early, its end is not sent. If the
/// importing side does not take the pieces any more, it says why.
async fn send(
    mut body: axum::body::Body,
    timeout: Duration,
    pieces: mpsc::Sender<Piece>,
    connection: Option<&Arc<ConnectionState>>,
) -> Result<bool, Problem> {
    loop {
        let frame = tokio::time::timeout(timeout, body.frame()).await.map_err(|_| Problem::BodyTimeout)?;
        let piece = match frame {
            // The body of a connection that this side has closed looks as if it had ended.
            None if connection.is_some_and(|connection| connection.is_aborted()) => return Err(Problem::BodyBroken),
            None => Piece::End,
            // No endpoint reads trailers.
            Some(frame) => match frame.map_err(|_| Problem::BodyBroken)?.into_data() {
                Ok(piece) => Piece::Data(piece),
                Err(_) => continue,
            },
        };
        let is_last = matches!(piece, Piece::End);
        if pieces.send(piece).await.is_err() {
            return Ok(false);
        }
        if is_last {
            return Ok(true);
        }
    }
}

/// Keeps the pieces until the body is whole, and imports it.
fn run(
    store: &dyn Store,
    import: &ImportRequest,
    encoding: Encoding,
    bytes_max: u64,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<ImportReport, Problem> {
    let mut spool = Spool::create(bytes_max).map_err(|error| not_kept(&error))?;
    loop {
        match pieces.blocking_recv() {
            Some(Piece::Data(piece)) => spool.push(&piece).map_err(|error| not_kept(&error))?,
            Some(Piece::End) => break,
            None => return Err(Problem::BodyBroken),
        }
    }
    let file = spool.finish().map_err(|error| not_kept(&error))?;
    let decoded = encoding.decoded(file, bytes_max);
    let mut decoded = decoded.map_err(|error| Problem::Row(RowProblem::Unavailable(error.to_string())))?;
    store.import(import, &mut *decoded).map_err(|error: StoreError| RowProblem::of(error, "row", false))
}

fn not_kept(error: &SpoolError) -> Problem {
    match error {
        SpoolError::TooLong(bytes_max) => too_long(*bytes_max),
        SpoolError::Io(_) => Problem::Row(RowProblem::Unavailable(error.to_string())),
    }
}

fn too_long(bytes_max: u64) -> Problem {
    Problem::BodyTooLarge(usize::try_from(bytes_max).unwrap_or(usize::MAX))
}

/// How the body holds its rows, by its media type; CSV when there is none.
fn format(headers: &HeaderMap, known: &[&str]) -> Result<FileFormat, Problem> {
    let wrong =
        || Problem::MediaType("the body must be text/csv or, for rows of one kind, application/x-ndjson, in UTF-8");
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(given) = types.next() else { return Ok(FileFormat::Csv) };
    let (Ok(given), None) = (given.to_str(), types.next()) else { return Err(wrong()) };
    let mut parts = given.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let fits = parts.all(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let is = |text: &str, other: &str| text.trim_matches('"').eq_ignore_ascii_case(other);
        is(name, "charset") && is(value, "utf-8") || is(name, "header") && is(value, "present")
    });
    let found = known.iter().find(|known| fits && media_type.eq_ignore_ascii_case(known));
    match found {
        Some(&CSV) => Ok(FileFormat::Csv),
        Some(&LINES) => Ok(FileFormat::JsonLines),
        _ => Err(wrong()),
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let mut given = headers.get_all(CONTENT_ENCODING).iter();
    let Some(encoding) = given.next() else { return Ok(Encoding::Identity) };
    let known = encoding.to_str().ok().and_then(Encoding::find).filter(|_| given.next().is_none());
    known.ok_or(Problem::MediaType("the body can be compressed by gzip or zstd"))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;
    use crate::connection_state::{Clock, ConnectionCommand};

    #[test]
    fn a_body_is_not_whole_where_its_connection_was_closed() {
        let connection = Arc::new(ConnectionState::new(Arc::new(Clock::default())));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let sent = || {
            let (pieces_in, mut pieces) = mpsc::channel(PIECES_MAX);
            let sending = send("product_id".into(), Duration::from_secs(60), pieces_in, Some(&connection));
            (runtime.block_on(sending), std::iter::from_fn(|| pieces.try_recv().ok()).count())
        };
        assert_eq!(sent(), (Ok(true), 2));
        connection.order(ConnectionCommand::Abort);
        assert_eq!(sent(), (Err(Problem::BodyBroken), 1));
    }

    #[test]
    fn media_types_and_encodings() {
        let header = |name, value: &'static str| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        let media_type = |value| format(&header(CONTENT_TYPE, value), &[CSV, LINES]);
        for table in ["text/csv", "Text/CSV; charset=utf-8", "text/csv;header=present;charset=\"UTF-8\""] {
            assert_eq!(media_type(table), Ok(FileFormat::Csv), "{table}");
        }
        assert_eq!(media_type(LINES), Ok(FileFormat::JsonLines));
        assert_eq!(format(&HeaderMap::new(), &[CSV]), Ok(FileFormat::Csv));
        assert!(format(&header(CONTENT_TYPE, LINES), &[CSV]).is_err());
        for wrong in ["", "text/plain", "text/csv;charset=latin1", "text/csv;header=absent", "application/json"] {
            assert!(media_type(wrong).is_err(), "{wrong}");
        }
        assert_eq!(encoding(&header(CONTENT_ENCODING, "zstd")), Ok(Encoding::Zstd));
        assert!(encoding(&header(CONTENT_ENCODING, "br")).is_err());
        assert!(encoding(&header(CONTENT_ENCODING, "gzip, gzip")).is_err());
    }
}
