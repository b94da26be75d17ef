//! Free TCP ports on loopback, each handed out to one test process at a time.

use std::fs::{self, File, TryLockError};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux takes the ports of outgoing connections (32768 on), so that a stopped server
/// finds its port still free when it comes back.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// The locked files of the ports that this process has been given. The locks end with the process.
static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// A port of 127.0.0.1 that nothing listened on a moment ago. No two calls get the same one, in this process or in others
/// that run meanwhile: the port stays this process's own before a server binds it, and while the server is stopped.
///
/// If a server can bind port 0 itself, that is better: no program outside the tests can take the port in between.
pub fn free_port() -> u16 {
    // Test processes that run side by side start looking at different places.
    let first = (std::process::id().wrapping_mul(7919) % u32::from(PORTS.end - PORTS.start)) as u16;
    let candidates = PORTS.map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        PORTS.start + (first.wrapping_add(step)) % (PORTS.end - PORTS.start)
    });
    first_free(candidates).unwrap_or_else(|| panic!("no free port on 127.0.0.1 in {PORTS:?}"))
}

/// The first port that no other test process has, and that refuses a connection.
///
/// It does not bind the port to find out: a process forked at that moment would hold a copy of the listener until it
/// executes its program, and the port would be taken for that long.
fn first_free(mut candidates: impl Iterator<Item = u16>) -> Option<u16> {
    candidates.find(|port| reserve(*port) && TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).is_err())
}

/// Takes the port's file for this process; false if some process has it already.
fn reserve(port: u16) -> bool {
    let dir = std::env::temp_dir().join("vitrine-ports");
    let opened = fs::create_dir_all(&dir).and_then(|()| File::create(dir.join(port.to_string())));
    // Another user's files cannot be opened. Then there is only the attempt to connect.
    let Ok(file) = opened else { return true };
    match file.try_lock() {
        Ok(()) => {
            RESERVED.lock().expect("no holder of this lock panics").push(file);
            true
        }
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(error)) => panic!("cannot lock the file of port {port} in {}: {error}", dir.display()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_is_handed_out_once_and_a_taken_one_never() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (taken, reserved) = (listener.local_addr().unwrap().port(), free_port());
        assert_eq!(first_free([taken, reserved].into_iter()), None);
        assert!(!reserve(reserved));
    }
}
