//! Rows as JSON, one a line.

use std::io::{self, BufRead, Read};

use serde_json::value::RawValue;

use super::record_reader::{BYTE_ORDER_MARK, RECORD_BYTES_MAX};
use crate::error::Fault;
use crate::reader::Members;

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

/// The value of a field such as `price` or `lines[1].quantity` in a JSON object, for the report: the text of a string, any other
/// value as it is written.
pub(super) fn value(object: &str, field: &str) -> Option<String> {
    let value = member(object, field).or_else(|| {
        let (at, name) = field.strip_prefix("lines[")?.split_once(']')?;
        let lines: Vec<&RawValue> = serde_json::from_str(member(object, "lines")?.get()).ok()?;
        let line = *lines.get(at.parse::<usize>().ok()?)?;
        match name.strip_prefix('.') {
            Some(name) => member(line.get(), name),
            None => Some(line),
        }
    })?;
    Some(serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned()))
}

fn member<'o>(object: &'o str, name: &str) -> Option<&'o RawValue> {
    let Members(members) = Members::read(object).ok()?;
    members.into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_in_lines_and_shown_as_they_are_written() {
        let object =
            r#"{"price":"1e3","n":1e3,"lines":[{"product_id":"a"},{"product_id":"b","quantity":0},5],"n":2,"x":null}"#;
        for (field, expected) in [
            ("price", Some("1e3")),
            ("n", Some("1e3")),
            ("x", Some("null")),
            ("lines[0].product_id", Some("a")),
            ("lines[1].product_id", Some("b")),
            ("lines[1].quantity", Some("0")),
            ("lines[2]", Some("5")),
            ("lines[2].quantity", None),
            ("lines[0].quantity", None),
            ("lines[3].product_id", None),
            ("lines[x].product_id", None),
            ("other", None),
        ] {
            assert_eq!(value(object, field).as_deref(), expected, "{field}");
        }
        assert_eq!(value("[]", "price"), None);
    }
}
