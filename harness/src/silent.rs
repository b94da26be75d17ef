//! A server that accepts connections, reads everything and never answers: it simulates a host that hangs.

use tokio::net::TcpStream;

use crate::loopback::Listener;

const BUFFER: usize = 4096;

/// The running server; when it is dropped, its port is free again and all connections are closed.
#[derive(Debug)]
pub struct Silent {
    listener: Listener,
}

impl Silent {
    /// Listens on a free port of 127.0.0.1.
    #[track_caller]
    pub fn start() -> Silent {
        Silent::start_at(0)
    }

    /// Listens on that port of 127.0.0.1, in the place of a server that has stopped.
    #[track_caller]
    pub fn start_at(port: u16) -> Silent {
        Silent { listener: Listener::start(port, read_all) }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// How many connections it has accepted so far.
    pub fn accepted(&self) -> usize {
        self.listener.accepted()
    }
}

/// Reads until the client closes the connection.
async fn read_all(stream: TcpStream) {
    let mut buffer = [0; BUFFER];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{ErrorKind, Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(60);
    const MOMENT: Duration = Duration::from_millis(100);

    #[test]
    fn it_reads_and_says_nothing_until_it_is_gone() {
        let silent = Silent::start();
        let port = silent.port();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(&[7; 10_000_000]).unwrap();
        assert_eq!(silent.accepted(), 1);
        stream.set_read_timeout(Some(MOMENT)).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(SOON)).unwrap();
        drop(silent);
        assert!(stream.read(&mut [0]).is_ok_and(|read| read == 0));
        assert_eq!(Silent::start_at(port).port(), port);
    }
}
