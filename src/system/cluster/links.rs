//! Brings the processes together: each calls those before it, and is called by those after it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::handshake::{self, End, Facts, Refusal};
use super::hosts::{self, Host, Reach};
use super::{Links, Start};
use crate::config;

/// From one attempt to reach a process to the next.
const AGAIN: Duration = Duration::from_millis(200);

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(2);

/// How often it is said who is waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Links this process with all others, which are waited for. Returns what process 0 knows of this start.
pub(super) fn join(
    hosts: &[Host],
    reach: Reach,
    settings: &config::Cluster,
    facts: Facts,
    start: Option<Start>,
) -> anyhow::Result<(Links, Option<Start>)> {
    let mut own = End { process: settings.process, key: &settings.key, facts: &facts, start };
    let mut links: Links = hosts.iter().map(|_| None).collect();
    let address = own_address(&hosts[own.process].peer, reach, own.process)?;
    // Listening before calling: those who come later find somebody, and wait for the answer.
    let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address} for peers"))?;
    listener.set_nonblocking(true)?;
    for other in 0..own.process {
        let (link, known) = call(&hosts[other].peer, reach, &own, other)?;
        own.start = own.start.or(known);
        links[other] = Some(link);
    }
    let mut patience = Patience::new();
    while let Some(missing) = (own.process + 1..hosts.len()).find(|other| links[*other].is_none()) {
        match listener.accept() {
            Ok((mut link, _)) => match handshake::answer(&mut link, &own) {
                Ok(other) => {
                    handshake::hand_over(&link)?;
                    links[other] = Some(link);
                }
                Err(Refusal::Unlike(reason)) => bail!(reason),
                Err(Refusal::Stranger(error)) => tracing::warn!(reason = %format!("{error:#}"), "refused a peer"),
            },
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => patience.wait(missing),
            Err(error) => return Err(error).context("cannot be called by peers"),
        }
    }
    Ok((links, own.start))
}

/// The address to listen on. Where names are given to machines as they start, this one's may come late.
fn own_address(name: &str, reach: Reach, process: usize) -> anyhow::Result<SocketAddr> {
    let mut patience = Patience::new();
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
fn call(address: &str, reach: Reach, own: &End<'_>, other: usize) -> anyhow::Result<(TcpStream, Option<Start>)> {
    let mut patience = Patience::new();
    loop {
        match attempt(address, reach, own, other) {
            Ok(linked) => return Ok(linked),
            Err(Refusal::Unlike(reason)) => bail!(reason),
            Err(Refusal::Stranger(error)) if hosts::is_refused(&error) => return Err(error),
            Err(Refusal::Stranger(error)) => {
                tracing::debug!(process = other, reason = %format!("{error:#}"), "cannot reach a peer yet");
                patience.wait(other);
            }
        }
    }
}

fn attempt(address: &str, reach: Reach, own: &End<'_>, other: usize) -> Result<(TcpStream, Option<Start>), Refusal> {
    let address = hosts::resolve(address, reach)?;
    let mut link = TcpStream::connect_timeout(&address, ATTEMPT)?;
    let start = handshake::call(&mut link, own, other)?;
    handshake::hand_over(&link)?;
    Ok((link, start))
}

/// Waits between two attempts, and says so now and then.
struct Patience(Instant);

impl Patience {
    fn new() -> Self {
        Patience(Instant::now())
    }

    fn wait(&mut self, missing: usize) {
        if self.0.elapsed() >= SAY_EVERY {
            tracing::info!(process = missing, "waiting for a process of the cluster");
            self.0 = Instant::now();
        }
        // Nobody unparks this thread; should somebody, the next attempt is made sooner.
        std::thread::park_timeout(AGAIN);
    }
}
