//! A blocking HTTP/1.1 request per connection: enough for tests, and independent of the server under test.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

const TIMEOUT: Duration = Duration::from_secs(120);

/// A response, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Header names (as sent) and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body's bytes, without chunk framing.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the answer if it is not JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }
}

/// `GET url`, where url is `http://HOST:PORT/PATH`, the path already encoded.
#[track_caller]
pub fn get(url: &str) -> Answer {
    request("GET", url, &[], b"")
}

/// `DELETE url`.
#[track_caller]
pub fn delete(url: &str) -> Answer {
    request("DELETE", url, &[], b"")
}

/// `POST url` with a body of that content type.
#[track_caller]
pub fn post(url: &str, content_type: &str, body: impl AsRef<[u8]>) -> Answer {
    request("POST", url, &[("content-type", content_type)], body.as_ref())
}

/// Any request; panics if the connection fails.
#[track_caller]
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    try_request(method, url, headers, body).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

/// Any request, for tests that expect the connection to fail.
pub fn try_request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Answer> {
    let rest = url.strip_prefix("http://").ok_or_else(|| bad("the URL is not http://"))?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");

    let mut stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(&[head.as_bytes(), body].concat())?;
    read_answer(&mut BufReader::new(stream), method)
}

/// Reads one response; for tests that write their own bytes to a socket.
pub fn read_answer(stream: &mut impl BufRead, method: &str) -> io::Result<Answer> {
    let status_line = read_line(stream)?;
    let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| bad(&format!("no status in {status_line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: Vec::new() };
    if method == "HEAD" || status == 204 || status == 304 {
        return Ok(answer);
    }
    if answer.header("transfer-encoding").is_some_and(|it| it.eq_ignore_ascii_case("chunked")) {
        answer.body = read_chunks(stream)?;
    } else if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().map_err(|_| bad("content-length is no number"))?;
        answer.body = vec![0; length];
        stream.read_exact(&mut answer.body)?;
    } else {
        stream.read_to_end(&mut answer.body)?;
    }
    Ok(answer)
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = read_line(stream)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| bad("no chunk size"))?;
        let start = body.len();
        body.resize(start + size, 0);
        stream.read_exact(&mut body[start..])?;
        read_line(stream)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Answer {
        read_answer(&mut text.as_bytes(), "GET").unwrap()
    }

    #[test]
    fn bodies_by_length_by_chunks_and_to_the_end() {
        let by_length = read("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}trailing");
        assert_eq!((by_length.status, by_length.text().as_str()), (404, "{}"));
        assert!(by_length.json().is_object());
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1;x\r\nd\r\n0\r\n\r\n";
        assert_eq!(read(chunked).text(), "abcd");
        assert_eq!(read("HTTP/1.1 200 OK\r\nx-a: 1\r\n\r\nrest").text(), "rest");
    }

    #[test]
    fn a_cut_off_answer_is_an_error() {
        let cut = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort";
        assert!(read_answer(&mut cut.as_bytes(), "GET").is_err());
        assert!(read_answer(&mut &b""[..], "GET").is_err());
    }
}
