//! TLS for a replication session.
//!
//! ```text
//! replication client ─▶ a port of loopback ─▶ a task of the same thread ─▶ TLS ─▶ server
//! ```
//! The client library opens its connection itself, so the bytes pass on to it through a connection within the machine. The
//! port takes one client and is closed then; a stranger who comes first gets a connection to the server, which asks who he
//! is as ever, and the session of Vitrine fails and is opened again.

use std::net::{Ipv4Addr, SocketAddr};

use postgres_tls::{Connector, NegotiationFailure};
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

use crate::postgres::session::hosts::HostAddress;

/// Bytes in each direction on their way between the two connections.
const BUFFER: usize = 128 << 10;

/// Connects to the server by TLS. Returns the address at which the session begins; to be used once.
///
/// Must be called within the runtime that the session uses.
///
/// # Errors
/// When the server cannot be reached, or the two do not agree on TLS.
pub(crate) async fn open(
    connector: Connector,
    host: &str,
    place: &HostAddress,
) -> Result<SocketAddr, NegotiationFailure> {
    let lost = NegotiationFailure::Lost;
    let connected = match place.address {
        Some(address) => TcpStream::connect((address, place.port)).await,
        None => TcpStream::connect((host, place.port)).await,
    };
    let socket = connected.map_err(lost)?;
    socket.set_nodelay(true).map_err(lost)?;
    let mut server = connector.negotiate(host, socket).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(lost)?;
    let local = listener.local_addr().map_err(lost)?;
    tokio::spawn(async move {
        let Ok((mut client, _)) = listener.accept().await else { return };
        drop(listener);
        // A connection that refuses the option is slower, and works.
        let _ = client.set_nodelay(true);
        if let Err(error) = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await {
            tracing::debug!(%error, "the encrypted replication session has ended");
        }
    });
    Ok(local)
}
