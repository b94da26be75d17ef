//! A server that answers every request with one of its errors.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Each request has an id of its own.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// What the server answers.
pub(crate) type Answer = fn(head: &str) -> (u16, &'static str);

/// Starts a server; it ends with the process. Returns its port.
pub(crate) fn start(answer: Answer) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || serve(stream, answer));
        }
    });
    port
}

/// Reads requests to their ends and answers them, until the client closes.
fn serve(mut stream: TcpStream, answer: Answer) {
    let Ok(reading) = stream.try_clone() else { return };
    let mut reader = BufReader::new(reading);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let header =
            |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:").map(|size| size.trim().to_owned());
        let size = head.lines().find_map(header).and_then(|size| size.parse().ok()).unwrap_or(0);
        if std::io::copy(&mut reader.by_ref().take(size), &mut std::io::sink()).is_err() {
            return;
        }
        let (status, code) = answer(&head);
        let id = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let body = format!("<Error><Code>{code}</Code><Message>{code}</Message><RequestId>{id}</RequestId></Error>");
        let text = format!(
            "HTTP/1.1 {status} Error\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}
