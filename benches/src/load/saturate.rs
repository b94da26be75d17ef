//! As many requests as the server can answer: one thread, many kept-alive connections, one request in flight on each.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::Requests;
use super::answers::whole;
use crate::numbers::ms;

/// Longer than any answer here.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A server that does not answer for this long has failed.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The measured result.
pub(crate) struct Load {
    /// Answers a second.
    pub(crate) per_s: f64,
    /// The time from each request's last byte to its answer's last byte, in milliseconds.
    pub(crate) latencies_ms: Vec<f64>,
}

struct BusyConnection {
    stream: TcpStream,
    buffer: Box<[u8]>,
    filled: usize,
    asked: Instant,
}

/// Sends requests for `duration` over that many connections, beginning with request number `first`.
pub(crate) fn saturate(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    first: usize,
    duration: Duration,
) -> io::Result<Load> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(connections);
    let mut connections_open = Vec::with_capacity(connections);
    let (start, mut next) = (Instant::now(), first);
    for token in 0..connections {
        // Connected before it is registered, so that the first request can be written at once.
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
        let buffer = vec![0; ANSWER_BYTES_MAX].into_boxed_slice();
        let mut connection = BusyConnection { stream, buffer, filled: 0, asked: start };
        connection.ask(requests.get(next))?;
        next += 1;
        connections_open.push(connection);
    }
    let mut latencies_ms = Vec::new();
    while start.elapsed() < duration {
        poll.poll(&mut events, Some(SILENCE_MAX))?;
        if events.is_empty() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        for event in &events {
            let connection = &mut connections_open[event.token().0];
            if let Some(latency) = connection.read()? {
                latencies_ms.push(ms(latency));
                connection.ask(requests.get(next))?;
                next += 1;
            }
        }
    }
    Ok(Load { per_s: latencies_ms.len() as f64 / start.elapsed().as_secs_f64(), latencies_ms })
}

impl BusyConnection {
    fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        // A request is far smaller than the socket's buffer, which is empty now.
        self.stream.write_all(request)?;
        self.asked = Instant::now();
        Ok(())
    }

    /// Reads what has arrived; the answer's latency if it is whole now. Nothing follows it before the next request.
    fn read(&mut self) -> io::Result<Option<Duration>> {
        loop {
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
            if whole(&self.buffer[..self.filled])? == Some(self.filled) {
                self.filled = 0;
                return Ok(Some(self.asked.elapsed()));
            }
        }
    }
}
