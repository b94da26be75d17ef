//! Links the processes: each process calls those with lower numbers, and is called by those with higher numbers.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context as _;
use dataflow::cluster::Link;

use super::handshake::{self, End, Keyless, LinkRefusal};
use super::hosts::{self, Host, Reach};
use super::patience::{PeerWait, Repeated};
use super::{Links, Start, calls};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Links this process with all others, and waits for them. Returns process 0's information about this start.
pub(super) fn join(hosts: &[Host], reach: Reach, mut own: End<'_>) -> anyhow::Result<(Links, Option<Start>)> {
    let mut links: Links = hosts.iter().map(|_| None).collect();
    let address = own_address(&hosts[own.process].peer, reach, own.process)?;
    // Listen before calling: later processes can connect, and wait for the answer.
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address} for peers"))?;
    listener.set_nonblocking(true)?;
    for other in 0..own.process {
        let (link, known) = call(&hosts[other].peer, reach, &own, other)?;
        own.start = own.start.or(known);
        links[other] = Some(link);
    }
    calls::answer(&listener, &own, &mut links)?;
    Ok((links, own.start))
}

/// The address to listen on. If names are assigned to machines as they start, this process's own name may resolve late.
fn own_address(name: &str, reach: Reach, process: usize) -> anyhow::Result<SocketAddr> {
    let mut patience = PeerWait::new();
    loop {
        match hosts::resolve(name, reach) {
            Err(error) if !hosts::is_refused(&error) => {
                tracing::debug!(reason = %format!("{error:#}"), "this process's own address is not known yet");
                patience.wait(process);
            }
            resolved => return resolved,
        }
    }
}

/// Calls a process until it answers.
fn call(address: &str, reach: Reach, own: &End<'_>, other: usize) -> anyhow::Result<(Link, Option<Start>)> {
    let (mut patience, mut refused) = (PeerWait::new(), Repeated::default());
    loop {
        match attempt(address, reach, own, other) {
            Ok(linked) => return Ok(linked),
            Err(LinkRefusal::Unlike(unlike)) => return Err(unlike.into()),
            Err(LinkRefusal::Stranger(error)) if hosts::is_refused(&error) => return Err(error),
            Err(LinkRefusal::Stranger(error)) => {
                if error.is::<Keyless>() {
                    refused.warn(&error.context(format!("process {other} at {address}")));
                } else {
                    tracing::debug!(process = other, reason = %format!("{error:#}"), "cannot reach a peer yet");
                }
                patience.wait(other);
            }
        }
    }
}

fn attempt(address: &str, reach: Reach, own: &End<'_>, other: usize) -> Result<(Link, Option<Start>), LinkRefusal> {
    let address = hosts::resolve(address, reach)?;
    let socket = TcpStream::connect_timeout(&address, ATTEMPT)?;
    handshake::call(socket, own, other)
}
