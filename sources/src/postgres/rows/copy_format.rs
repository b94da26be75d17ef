//! Rows in the text format of `COPY … TO STDOUT`. Values are the texts of the types' output functions, as in the log.

use std::ops::Range;

use crate::postgres::rows::pgoutput::{Tuple, TupleValue};
use crate::postgres::values::charset::Charset;

/// The query as a copy of its rows, in bytes as they are stored if they can be converted here.
pub(crate) fn copy(query: &str, charset: Charset) -> String {
    let encoding = charset.client_encoding().map(|name| format!(", ENCODING '{name}'")).unwrap_or_default();
    format!("COPY ({query}) TO STDOUT (FORMAT text{encoding})")
}

/// Where the values of a row are in its line; none where the value is null.
#[derive(Default)]
pub(crate) struct CopyFields(Vec<Option<Range<usize>>>);

impl CopyFields {
    /// Finds the values of a line, and takes their escapes back in place.
    pub(crate) fn find(&mut self, line: &mut [u8]) {
        self.0.clear();
        let end = line.strip_suffix(b"\n").map_or(line.len(), <[u8]>::len);
        if !line[..end].contains(&b'\\') {
            let mut start = 0;
            for field in line[..end].split(|byte| *byte == b'\t') {
                self.0.push(Some(start..start + field.len()));
                start += field.len() + 1;
            }
            return;
        }
        let (mut read, mut written, mut start) = (0, 0, 0);
        let mut is_null = false;
        while read < end {
            let (byte, length) = match (line[read], line.get(read + 1)) {
                (b'\t', _) => {
                    self.0.push((!is_null).then_some(start..written));
                    (start, is_null) = (written, false);
                    read += 1;
                    continue;
                }
                (b'\\', Some(b'N')) => {
                    is_null = true;
                    read += 2;
                    continue;
                }
                (b'\\', Some(escape)) => (escaped(*escape), 2),
                (byte, _) => (byte, 1),
            };
            line[written] = byte;
            written += 1;
            read += length;
        }
        self.0.push((!is_null).then_some(start..written));
    }

    /// The row, once its values were found in that line.
    pub(crate) fn tuple<'a>(&self, line: &'a [u8]) -> Tuple<'a> {
        let value = |field: &Option<Range<usize>>| match field {
            Some(range) => TupleValue::Text(&line[range.clone()]),
            None => TupleValue::Null,
        };
        Tuple(self.0.iter().map(value).collect())
    }
}

fn escaped(letter: u8) -> u8 {
    match letter {
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn read(line: &[u8]) -> Vec<Option<Vec<u8>>> {
        let (mut line, mut fields) = (line.to_vec(), CopyFields::default());
        fields.find(&mut line);
        let value =
            |value: &TupleValue<'_>| if let TupleValue::Text(bytes) = value { Some(bytes.to_vec()) } else { None };
        fields.tuple(&line).0.iter().map(value).collect()
    }

    /// As the server writes it.
    fn write(values: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut line = Vec::new();
        for (at, value) in values.iter().enumerate() {
            line.extend((at > 0).then_some(b'\t'));
            for byte in value.as_deref().unwrap_or_default() {
                match byte {
                    0x08 => line.extend(b"\\b"),
                    0x0c => line.extend(b"\\f"),
                    b'\n' => line.extend(b"\\n"),
                    b'\r' => line.extend(b"\\r"),
                    b'\t' => line.extend(b"\\t"),
                    0x0b => line.extend(b"\\v"),
                    b'\\' => line.extend(b"\\\\"),
                    byte => line.push(*byte),
                }
            }
            line.extend(value.is_none().then_some(b"\\N").into_iter().flatten());
        }
        line.push(b'\n');
        line
    }

    #[test]
    fn a_query_is_copied_in_stored_bytes() {
        let copied = copy("SELECT 1", Charset::Utf8);
        assert_eq!(copied, "COPY (SELECT 1) TO STDOUT (FORMAT text, ENCODING 'SQL_ASCII')");
    }

    #[test]
    fn a_null_is_not_an_empty_text_nor_a_letter() {
        assert_eq!(
            read(b"1\t\\N\t\tN\t\\\\N\n"),
            [Some(b"1".to_vec()), None, Some(vec![]), Some(b"N".to_vec()), Some(b"\\N".to_vec())]
        );
    }

    proptest! {
        #[test]
        fn a_row_is_read_back(values in vec(proptest::option::of(vec(prop_oneof![any::<u8>(),
            prop::sample::select(b"\\N\t\n\r\x08\x0b\x0cntbrvf".to_vec())], 0..8)), 1..6)) {
            prop_assert_eq!(read(&write(&values)), values);
        }

        #[test]
        fn any_line_is_a_row(line in vec(prop_oneof![any::<u8>(), Just(b'\\'), Just(b'\t'), Just(b'\n')], 0..30)) {
            let _ = read(&line);
        }
    }
}
