//! A connection's bytes: reports them to the connection's state, gives hyper's bare refusals a body, and lingers.
//!
//! hyper answers bytes that are not a request with a status line and no body, and writes nothing after it. Here a problem
//! replaces that answer. If the server closed a connection while the client still sends, the client's system would discard
//! the answer; so the server closes its writing half first, and drains the rest for a while.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::transport::{self, Transport};
use crate::answer::problem::unparsed;
use crate::connection_state::ConnectionState;
use crate::counters::Counters;

/// The longest answer of hyper's own: a status line, a date and two short fields.
const BARE_MAX: usize = 256;

/// Bytes drained at a time.
const DRAIN: usize = 4096;

/// A stream that reports to the state of its connection.
pub(crate) struct LingeringStream<S> {
    stream: S,
    connection: Arc<ConnectionState>,
    counters: Counters,
    /// The unwritten rest of the problem that replaces a bare refusal.
    problem: Bytes,
    saw_end: bool,
    is_shut: bool,
}

impl<S: Transport> LingeringStream<S> {
    pub(crate) fn new(stream: S, connection: Arc<ConnectionState>, counters: Counters) -> Self {
        LingeringStream { stream, connection, counters, problem: Bytes::new(), saw_end: false, is_shut: false }
    }

    fn poll_problem(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.problem.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(context, &self.problem))?;
            self.problem.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and discards until the client has closed, or the reaper ends the connection.
    fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut discarded = [0; DRAIN];
        while !self.saw_end {
            let mut buffer = ReadBuf::new(&mut discarded);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            self.saw_end = buffer.filled().is_empty();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncRead for LingeringStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        if buffer.filled().len() == before {
            this.saw_end = true;
        } else {
            this.connection.read(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: Transport> AsyncWrite for LingeringStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let bytes = match bare_refusal(bytes) {
            Some((0, status)) => {
                // hyper answers 431 for a target that is too long, too.
                let status = if status == 431 && this.connection.is_in_target() { 414 } else { status };
                this.problem = unparsed(status);
                this.connection.set_unread(true);
                this.counters.unparsed(status);
                return Poll::Ready(Ok(bytes.len()));
            }
            Some((start, _)) => &bytes[..start],
            None => bytes,
        };
        if this.connection.takes_push() {
            transport::bound_unsent(this.stream.socket());
        }
        match Pin::new(&mut this.stream).poll_write(context, bytes) {
            Poll::Ready(Ok(written)) => {
                if written == bytes.len() {
                    this.connection.written();
                } else {
                    this.connection.progressed();
                }
                Poll::Ready(Ok(written))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                this.connection.blocked();
                Poll::Pending
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_problem(context))?;
        if !S::BUFFERS {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        match flushed {
            Poll::Pending => this.connection.blocked(),
            Poll::Ready(_) => this.connection.unblocked(),
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_problem(context))?;
        if !this.is_shut {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            this.is_shut = true;
        }
        if !this.connection.is_unread() {
            return Poll::Ready(Ok(()));
        }
        this.connection.lingering();
        this.poll_drain(context)
    }
}

/// Where hyper's own refusal starts at the end of `bytes`, and its status.
///
/// Answers of the endpoints with these statuses are never empty, so they are not taken for refusals.
fn bare_refusal(bytes: &[u8]) -> Option<(usize, u16)> {
    if !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let skipped = bytes.len().saturating_sub(BARE_MAX);
    let tail = &bytes[skipped..];
    let start = tail.windows(7).rposition(|window| window == b"HTTP/1.")?;
    let head = std::str::from_utf8(&tail[start..]).ok()?;
    if !head.contains("\r\ncontent-length: 0\r\n") {
        return None;
    }
    match head.get(9..12)? {
        "400" => Some((skipped + start, 400)),
        "414" => Some((skipped + start, 414)),
        "431" => Some((skipped + start, 431)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_refusals_are_found() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\
            content-length: 0\r\ndate: Fri, 20 Nov 2026 10:15:00 GMT\r\n\r\n";
        assert_eq!(bare_refusal(bare), Some((0, 431)));
        let after = [b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".as_slice(), bare].concat();
        assert_eq!(bare_refusal(&after), Some((40, 431)));
        for other in [
            "HTTP/1.1 204 No Content\r\ndate: Fri, 20 Nov 2026 10:15:00 GMT\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 120\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n{}",
            "\r\n\r\n",
        ] {
            assert_eq!(bare_refusal(other.as_bytes()), None, "{other}");
        }
    }
}
