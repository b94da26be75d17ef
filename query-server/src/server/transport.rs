//! The streams that connections use: TCP as it is, or TLS over it.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection's stream. Servers with and without TLS have code of their own, so that a server without TLS pays nothing.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// Whether the stream may hold bytes that were written to it: only a flush then shows that they are sent.
    const BUFFERS: bool;
}

impl Transport for TcpStream {
    const BUFFERS: bool = false;
}

impl Transport for TlsStream<TcpStream> {
    const BUFFERS: bool = true;
}
