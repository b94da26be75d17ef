//! Reads lines of bounded length from a file of any size: a file without line ends must not fill the memory.

use std::io::{BufRead, Read};

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum TextLine {
    /// A line of UTF-8.
    Text(String),
    /// A line that is not UTF-8.
    NotUtf8,
    /// A line above the limit; it was skipped to its end.
    TooLong,
}

/// Reads lines up to a limit of bytes.
pub struct LineReader<R> {
    input: R,
    bytes_max: usize,
    /// Bytes read so far, line ends included.
    bytes_read: u64,
}

impl<R: BufRead> LineReader<R> {
    /// A reader of the lines of `input`, each of at most `bytes_max` bytes.
    pub fn new(input: R, bytes_max: usize) -> LineReader<R> {
        LineReader { input, bytes_max, bytes_read: 0 }
    }

    /// Bytes read so far, line ends included.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// The next line, if there is one.
    ///
    /// # Errors
    /// The input cannot be read.
    pub fn read_line(&mut self) -> std::io::Result<Option<TextLine>> {
        let mut line = Vec::new();
        let limit = self.bytes_max as u64 + 2;
        let read = self.input.by_ref().take(limit).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        self.bytes_read += read as u64;
        if line.pop_if(|last| *last == b'\n').is_some() {
            line.pop_if(|last| *last == b'\r');
        } else if read as u64 == limit {
            self.bytes_read += self.input.skip_until(b'\n')? as u64;
        }
        if line.len() > self.bytes_max {
            return Ok(Some(TextLine::TooLong));
        }
        Ok(Some(String::from_utf8(line).map_or(TextLine::NotUtf8, TextLine::Text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_broken_lines_do_not_end_the_reading() {
        let input: &[u8] = b"one\r\n\n123456789\n12345678901234567890\n\xff\nlast";
        let mut lines = LineReader::new(input, 8);
        let mut all = Vec::new();
        while let Some(line) = lines.read_line().expect("memory can be read") {
            all.push(line);
        }
        let text = |text: &str| TextLine::Text(text.into());
        assert_eq!(all, [text("one"), text(""), TextLine::TooLong, TextLine::TooLong, TextLine::NotUtf8, text("last")]);
        assert_eq!(lines.bytes_read(), input.len() as u64);
    }
}
