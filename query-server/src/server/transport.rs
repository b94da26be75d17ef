//! The streams that connections use: TCP as it is, or TLS over it.

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection's stream. Servers with and without TLS have code of their own, so that a server without TLS pays nothing.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Whether the stream may hold bytes that were written to it: only a flush then shows that they are sent.
    const BUFFERS: bool;

    fn socket(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    const BUFFERS: bool = false;

    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    const BUFFERS: bool = true;

    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// The bytes of a stream of events that the system holds before it sends them.
const UNSENT_MAX: u32 = 16 << 10;

/// Lets the system hold few bytes that are not sent. Otherwise it holds megabytes for a client that does not read, and the
/// client then gets all of these old events first. What is on the way to the client is not bounded by this, so later answers on
/// the same connection are not slower.
pub(crate) fn bound_unsent(socket: &TcpStream) {
    if let Err(error) = SockRef::from(socket).set_tcp_notsent_lowat(UNSENT_MAX) {
        tracing::debug!(%error, "the system does not bound the unsent bytes of a stream");
    }
}
