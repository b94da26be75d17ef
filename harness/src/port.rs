//! Free TCP ports on loopback.

use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux takes the ports of outgoing connections (32768 on), so that a stopped server
/// finds its port still free when it comes back.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nothing listened on a moment ago; no two calls in one process get the same one.
///
/// If a server can bind port 0 itself, that is better: no other process can take the port in between.
pub fn free_port() -> u16 {
    // Test processes that run side by side start looking at different places.
    let first = (std::process::id().wrapping_mul(7919) % u32::from(PORTS.end - PORTS.start)) as u16;
    let candidates = PORTS.map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        PORTS.start + (first.wrapping_add(step)) % (PORTS.end - PORTS.start)
    });
    first_free(candidates).unwrap_or_else(|| panic!("no free port on 127.0.0.1 in {PORTS:?}"))
}

/// The first port that refuses a connection.
///
/// It does not bind the port to find out: a process forked at that moment would hold a copy of the listener until it
/// executes its program, and the port would be taken for that long.
fn first_free(mut candidates: impl Iterator<Item = u16>) -> Option<u16> {
    candidates.find(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_err())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_taken_port_is_not_handed_out() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (taken, free) = (listener.local_addr().unwrap().port(), free_port());
        assert_eq!(first_free([taken, free].into_iter()), Some(free));
    }
}
