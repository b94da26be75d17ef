//! A client that works on bytes: it sends given bytes unchanged, and reads answers by their framing.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::cors::assert_readable;
use crate::documentation::assert_documented;

/// No answer takes longer, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The products of a user's shelf.
    pub(crate) fn products(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_value(self.json()["products"].clone()).unwrap()
    }

    /// Asserts that this is a problem of this status and type.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, slug: &str) -> &Self {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("content-length").unwrap().parse(), Ok(self.body.len()));
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:vitrine:problem:{slug}"), "{problem}");
        assert_eq!(problem["status"], status);
        assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
        assert_eq!(self.header("retry-after").is_some(), matches!(status, 429 | 503));
        assert_eq!(self.header("www-authenticate").is_some(), status == 401);
        self
    }
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Connection::over(TcpStream::connect(address).unwrap())
    }

    /// A connection that is open already.
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Connection { stream, unread: Vec::new() }
    }

    /// Sends bytes; a connection the server has closed meanwhile is no failure of the test.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    pub(crate) fn close_writing(&mut self) -> &mut Self {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        self
    }

    /// Sends a request and reads its answer, which the OpenAPI document must describe.
    pub(crate) fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: shop\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        self.send([request.as_bytes(), body].concat());
        let answer = if method == "HEAD" { self.head().unwrap() } else { self.answer().unwrap() };
        assert_documented(method, target, &answer);
        assert_readable(&answer);
        answer
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, &[], b"")
    }

    /// Reads more; false at the end of the connection.
    fn more(&mut self) -> bool {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(bytes) => {
                self.unread.extend_from_slice(&piece[..bytes]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => false,
            Err(error) => panic!("no answer in time: {error}, so far {:?}", String::from_utf8_lossy(&self.unread)),
        }
    }

    /// Reads up to and with `end`.
    pub(crate) fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                let rest = self.unread.split_off(at + end.len());
                return Some(std::mem::replace(&mut self.unread, rest));
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Reads this many bytes; `None` when the connection ends before.
    pub(crate) fn until_bytes(&mut self, bytes: usize) -> Option<Vec<u8>> {
        while self.unread.len() < bytes {
            if !self.more() {
                return None;
            }
        }
        let rest = self.unread.split_off(bytes);
        Some(std::mem::replace(&mut self.unread, rest))
    }

    /// An answer without its body; `None` when the connection has ended.
    pub(crate) fn head(&mut self) -> Option<Answer> {
        let head = String::from_utf8(self.until(b"\r\n\r\n")?).unwrap();
        let status = head[9..12].parse().unwrap();
        Some(Answer { status, head, body: Vec::new() })
    }

    /// The next answer; `None` when the connection has ended. Answers to HEAD are read by `head`.
    pub(crate) fn answer(&mut self) -> Option<Answer> {
        let mut answer = self.head()?;
        if matches!(answer.status, 100 | 204 | 304) {
            assert!(answer.header("content-length").is_none_or(|length| answer.status == 304 || length == "0"));
        } else if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk().filter(|chunk| !chunk.is_empty()) {
                answer.body.extend_from_slice(&chunk);
            }
        } else {
            let length = answer.header("content-length").expect("answers carry their length").parse().unwrap();
            answer.body = self.until_bytes(length)?;
        }
        Some(answer)
    }

    /// The next chunk of a body, which is empty at its end; `None` when the connection has ended.
    fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = String::from_utf8(self.until(b"\r\n")?).unwrap();
        let size = usize::from_str_radix(size.trim_end(), 16).unwrap();
        let mut chunk = self.until_bytes(size + 2)?;
        chunk.truncate(size);
        Some(chunk)
    }

    /// Whether the server closes the connection without another byte.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && !self.more()
    }
}
