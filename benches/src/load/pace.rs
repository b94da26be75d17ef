//! Requests at a steady rate, each timed from the moment it was due: the requests that wait for a stalled server count
//! in full.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Connection, Requests};
use crate::machine::rest;
use crate::numbers::ms;

/// Sends `per_s` requests per second for `duration`, spread over that many connections with a thread each; returns all
/// latencies in milliseconds.
pub(crate) fn pace(
    address: SocketAddr,
    requests: &Requests,
    connections: usize,
    per_s: f64,
    duration: Duration,
) -> io::Result<Vec<f64>> {
    let every = Duration::from_secs_f64(connections as f64 / per_s);
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..connections)
            .map(|number| {
                let requests = requests.clone();
                // Out of step with each other, as visitors are.
                let offset = every.mul_f64(number as f64 / connections as f64);
                scope.spawn(move || lane(Connection::open(address)?, &requests, number * 7919, offset, every, duration))
            })
            .collect();
        let mut latencies_ms = Vec::new();
        for lane in lanes {
            latencies_ms.extend(lane.join().expect("a lane does not panic")?);
        }
        Ok(latencies_ms)
    })
}

fn lane(
    mut connection: Connection,
    requests: &Requests,
    first: usize,
    offset: Duration,
    every: Duration,
    duration: Duration,
) -> io::Result<Vec<f64>> {
    let start = Instant::now() + offset;
    let mut latencies_ms = Vec::new();
    for number in 0.. {
        let due = start + every * number;
        if due.duration_since(start) >= duration {
            break;
        }
        rest(due.saturating_duration_since(Instant::now()));
        connection.ask(requests.get(first + number as usize))?;
        latencies_ms.push(ms(due.elapsed()));
    }
    Ok(latencies_ms)
}
