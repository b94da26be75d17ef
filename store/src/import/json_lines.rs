//! Rows as JSON, one a line.

use std::io::{self, BufRead, Read};

use super::record_reader::{BYTE_ORDER_MARK, RECORD_BYTES_MAX};
use crate::error::Fault;

/// What came of reading a line.
pub(super) enum LineRead {
    /// The next line that is not empty is in the buffer.
    Line,
    /// The next line is too long, and no further one is read.
    Last(Fault),
    /// There is no further line.
    End,
}

/// The lines of a file.
pub(super) struct JsonLines<'f> {
    file: &'f mut dyn BufRead,
    /// The number of the line in the buffer, from 1.
    pub(super) line: u64,
    bytes: Vec<u8>,
}

impl<'f> JsonLines<'f> {
    pub(super) fn new(file: &'f mut dyn BufRead) -> Self {
        JsonLines { file, line: 0, bytes: Vec::new() }
    }

    /// Reads the next line that is not empty.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<LineRead> {
        loop {
            self.line += 1;
            self.bytes.clear();
            (&mut *self.file).take(RECORD_BYTES_MAX as u64 + 1).read_until(b'\n', &mut self.bytes)?;
            if self.bytes.is_empty() {
                return Ok(LineRead::End);
            }
            if self.bytes.len() > RECORD_BYTES_MAX {
                let reason = format!("must be a line of at most {RECORD_BYTES_MAX} bytes; no further line is read");
                return Ok(LineRead::Last(Fault::new("", reason)));
            }
            if !self.text().is_empty() {
                return Ok(LineRead::Line);
            }
        }
    }

    /// The line without blanks around it.
    pub(super) fn text(&self) -> &[u8] {
        let text = match self.line {
            1 => self.bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&self.bytes),
            _ => &self.bytes,
        };
        text.trim_ascii()
    }
}

/// The value of a field in a line, for the report.
pub(super) fn value(line: &[u8], field: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    match value.as_ref().and_then(|value| value.get(field)) {
        Some(value) => value.to_string(),
        None if field.is_empty() => String::from_utf8_lossy(line).into_owned(),
        None => String::new(),
    }
}
