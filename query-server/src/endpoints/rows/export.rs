//! `GET /v1/export/…`: every row of a kind, as a stream. An export that fails in the middle ends the connection, so that a
//! client never takes a part for the whole.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::{Extension, State};
use bytes::Bytes;
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response};
use store::{FileFormat, Kind, RowWriter, Store, StoreError};
use tokio::sync::mpsc;

use super::Resource;
use super::content::{CSV, LINES};
use super::read::store;
use crate::body::Body;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::{Problem, RowProblem};

/// Bytes of a piece.
const PIECE_BYTES: usize = 1 << 16;

/// Pieces that wait for the client.
const PIECES_MAX: usize = 2;

/// A piece of an export; none at its end.
type Piece = Result<Option<Bytes>, StoreError>;

/// Answers with every row.
pub(super) async fn export<R: Resource>(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    method: Method,
) -> Result<Response<Body>, Problem> {
    let (store, format) = (store(&operations)?.clone(), parameters.transfer.format);
    let permit = operations.transfers.take().ok_or(Problem::Busy("imports and exports"))?;
    let mut exported = Exported { first: None, pieces: None };
    if method != Method::HEAD {
        let (pieces_in, mut pieces) = mpsc::channel(PIECES_MAX);
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            run(&*store, R::KIND, format, &pieces_in);
        });
        // A store that is away is answered as such, and not with a stream that ends at once.
        let first = pieces.recv().await.unwrap_or_else(|| Err(ended()));
        exported.first = Some(first.map_err(|error| RowProblem::of_reading(error, R::KIND.singular()))?);
        exported.pieces = Some(pieces);
    }
    let mut response = Response::new(Body::Routed(axum::body::Body::new(exported)));
    let media_type = match format {
        FileFormat::Csv => CSV,
        FileFormat::JsonLines => LINES,
    };
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Sends every row, until the client is gone.
fn run(store: &dyn Store, kind: Kind, format: FileFormat, pieces: &mpsc::Sender<Piece>) {
    let out = PieceWriter { piece: Vec::with_capacity(PIECE_BYTES), pieces };
    // The only failure of the writer is that the client is gone.
    let Ok(mut rows) = RowWriter::new(kind, format, out) else { return };
    match store.export(kind, &mut |row| rows.write(&row).is_ok()) {
        Ok(()) => {
            if rows.finish().is_ok() {
                let _ = pieces.blocking_send(Ok(None));
            }
        }
        Err(error) => {
            let _ = pieces.blocking_send(Err(error));
        }
    }
}

/// Gathers what is written into pieces.
struct PieceWriter<'p> {
    piece: Vec<u8>,
    pieces: &'p mpsc::Sender<Piece>,
}

impl Write for PieceWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.pieces.blocking_send(Ok(Some(piece.into()))).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The body of an export. Without pieces it is empty.
struct Exported {
    first: Option<Option<Bytes>>,
    pieces: Option<mpsc::Receiver<Piece>>,
}

impl hyper::body::Body for Exported {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        let this = self.get_mut();
        let Some(pieces) = &mut this.pieces else { return Poll::Ready(None) };
        let piece = match this.first.take() {
            Some(first) => Ok(first),
            None => ready!(pieces.poll_recv(context)).unwrap_or_else(|| Err(ended())),
        };
        Poll::Ready(match piece {
            Ok(Some(piece)) => Some(Ok(Frame::data(piece))),
            Ok(None) => {
                this.pieces = None;
                None
            }
            Err(error) => {
                tracing::warn!(%error, "an export has failed in the middle; its connection is closed");
                this.pieces = None;
                Some(Err(error))
            }
        })
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("the export has ended unexpectedly".to_owned())
}
