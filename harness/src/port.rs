//! Free TCP ports on loopback.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux takes the ports of outgoing connections (32768 on), so that a stopped server
/// finds its port still free when it comes back.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nothing listened on a moment ago; no two calls in one process get the same one.
///
/// Where a server can bind port 0 itself, that is better: nobody can come in between.
pub fn free_port() -> u16 {
    // Test processes that run side by side start looking at different places.
    let first = (std::process::id().wrapping_mul(7919) % u32::from(PORTS.end - PORTS.start)) as u16;
    for _ in PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + (first.wrapping_add(step)) % (PORTS.end - PORTS.start);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on 127.0.0.1 in {PORTS:?}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_handed_out() {
        let taken = free_port();
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, taken)).unwrap();
        NEXT.fetch_sub(1, Ordering::Relaxed);
        assert_ne!(free_port(), taken);
    }
}
