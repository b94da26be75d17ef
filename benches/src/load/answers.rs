//! Answers off the wire: the end of an answer, and a connection that blocks until it has an answer.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of an answer that is looked up often; longer ones take further reads.
const READ_BYTES: usize = 4096;

/// The length of the answer at the start of `bytes`, if it is whole.
///
/// # Errors
/// The bytes are not an answer with status 200 and a length.
pub(super) fn whole(bytes: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| bad("a header that is not text"))?;
    let mut lines = head.split("\r\n");
    if lines.next() != Some("HTTP/1.1 200 OK") {
        return Err(bad(head));
    }
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    });
    let whole = end + 4 + length.ok_or_else(|| bad(head))?;
    Ok((whole <= bytes.len()).then_some(whole))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("unexpected answer: {what}"))
}

/// A kept-alive connection that sends a request and waits for its answer.
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(crate) fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Connection { stream, answer: Vec::new() })
    }

    /// Sends a request and waits for its answer: header and body.
    pub(crate) fn ask(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.stream.write_all(request)?;
        self.answer.clear();
        loop {
            let filled = self.answer.len();
            self.answer.resize(filled + READ_BYTES, 0);
            let read = self.stream.read(&mut self.answer[filled..])?;
            self.answer.truncate(filled + read);
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if whole(&self.answer)?.is_some() {
                return Ok(&self.answer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(whole(answer).unwrap(), Some(answer.len()));
        assert_eq!(whole(&answer[..answer.len() - 1]).unwrap(), None);
        assert_eq!(whole(&answer[..20]).unwrap(), None);
        assert!(whole(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(whole(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
