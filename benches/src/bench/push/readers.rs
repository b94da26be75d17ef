//! Clients of the server that follow histories, in a process of their own.

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use crate::machine::rest;

/// The beginning of an event with a change.
const CHANGE: &[u8] = b"event: change";

/// The longest wait for bytes at a time.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(crate) struct ReadersArgs {
    address: SocketAddr,
    /// The number of the first user.
    first: usize,
    /// How many clients there are.
    count: usize,
    /// How long they stay.
    seconds: u64,
    /// All follow this user, and do not read.
    #[arg(long)]
    unread: Option<usize>,
}

/// What the clients have seen.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReadersResult {
    /// Events with a change.
    pub(crate) changes: usize,
}

/// A client, with the end of what it has read: an event may come in two pieces.
struct FollowingClient {
    stream: TcpStream,
    rest: Vec<u8>,
}

/// Follows until the time is over.
///
/// # Errors
/// When the server does not take a client, or ends a stream.
pub(crate) fn run_part(args: &ReadersArgs) -> anyhow::Result<ReadersResult> {
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let user = |number: usize| args.unread.unwrap_or(args.first + number);
    let mut poll = Poll::new()?;
    let mut clients = Vec::with_capacity(args.count);
    for number in 0..args.count {
        let mut stream = std::net::TcpStream::connect(args.address)?;
        let target = format!("/v1/stream/users/u{}/history", user(number));
        stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: shop\r\n\r\n").as_bytes())?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
        clients.push(FollowingClient { stream, rest: Vec::new() });
    }
    if args.unread.is_some() {
        rest(end.saturating_duration_since(Instant::now()));
        return Ok(ReadersResult { changes: 0 });
    }
    let (mut changes, mut events) = (0, Events::with_capacity(args.count));
    while Instant::now() < end {
        poll.poll(&mut events, Some(LOOK))?;
        for event in &events {
            changes += clients[event.token().0].read()?;
        }
    }
    Ok(ReadersResult { changes })
}

impl FollowingClient {
    /// Reads what has arrived; the number of changes in it.
    fn read(&mut self) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        let mut changes = 0;
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.rest.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(changes),
                Err(error) => return Err(error),
            }
            changes += self.rest.windows(CHANGE.len()).filter(|window| *window == CHANGE).count();
            // The rest is shorter than what is looked for, so that nothing counts twice.
            self.rest.drain(..self.rest.len().saturating_sub(CHANGE.len() - 1));
        }
    }
}
