//! A connection pooler like PgBouncer: it passes sessions on to a server, and refuses replication sessions.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// The pooler's error: severity, SQLSTATE and message, each ended by a zero byte, and one more zero byte at the end.
const REFUSAL: &[u8] = b"SFATAL\0C08P01\0Munsupported startup parameter: replication\0\0";

/// The longest first message that is accepted.
const STARTUP_BYTES_MAX: usize = 10_000;

/// A running pooler; when it is dropped, it accepts no more connections. Open connections end with their clients.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    ended: Arc<AtomicBool>,
}

impl Pooler {
    /// Starts a pooler in front of the server at that port of 127.0.0.1.
    #[track_caller]
    pub fn start(upstream: u16) -> Pooler {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let ended = Arc::new(AtomicBool::new(false));
        let until = ended.clone();
        thread::spawn(move || {
            for client in listener.incoming().take_while(|_| !until.load(Ordering::Acquire)).flatten() {
                // A client that disconnects in the middle is no failure.
                thread::spawn(move || serve(client, upstream));
            }
        });
        Pooler { port, ended }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        // Wakes the accepting thread, so that it sees the stop flag.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn serve(mut client: TcpStream, upstream: u16) -> io::Result<()> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let bytes = (u32::from_be_bytes(length) as usize).saturating_sub(length.len());
    let mut startup = vec![0; bytes.min(STARTUP_BYTES_MAX)];
    client.read_exact(&mut startup)?;
    if startup.split(|byte| *byte == 0).any(|word| word == b"replication") {
        let length = u32::try_from(REFUSAL.len() + length.len()).expect("it is short");
        return client.write_all(&[b"E", &length.to_be_bytes()[..], REFUSAL].concat());
    }
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))?;
    server.write_all(&[&length[..], &startup].concat())?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    io::copy(&mut client, &mut server)?;
    server.shutdown(Shutdown::Both)
}
