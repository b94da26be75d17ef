//! Splits a body into events, each a slice of the body. The event writer checks what they hold.

use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::Problem;

/// How a body holds its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// One JSON text: an event, or an array of them.
    Json,
    /// One event per line; empty lines are skipped.
    Lines,
}

/// The byte order mark in UTF-8, which some programs write before a text. Records of the log have none.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// The events of `body`, none of them holding a line break.
///
/// # Errors
/// When the body is not JSON; the error names the first event that is not.
pub(crate) fn events(body: &Bytes, framing: Framing) -> Result<Vec<Bytes>, Problem> {
    let body = &unmarked(body);
    let whole = body.trim_ascii();
    match framing {
        _ if whole.is_empty() => Ok(Vec::new()),
        Framing::Lines => Ok(lines(body)),
        Framing::Json if whole.starts_with(b"[") => array(body),
        Framing::Json => Ok(vec![on_one_line(body.slice_ref(whole))]),
    }
}

fn unmarked(body: &Bytes) -> Bytes {
    if body.starts_with(MARK) { body.slice(MARK.len()..) } else { body.clone() }
}

fn lines(body: &Bytes) -> Vec<Bytes> {
    // Where files were concatenated, a mark may stand before any line.
    let lines = body.split(|byte| *byte == b'\n').map(|line| line.strip_prefix(MARK).unwrap_or(line).trim_ascii());
    lines.filter(|line| !line.is_empty()).map(|line| on_one_line(body.slice_ref(line))).collect()
}

fn array(body: &Bytes) -> Result<Vec<Bytes>, Problem> {
    let mut events = Vec::new();
    let malformed = |index, reason: String| Problem::Malformed { index, field: None, reason };
    let text = std::str::from_utf8(body).map_err(|_| malformed(0, "the body is not UTF-8".into()))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = Elements { body, events: &mut events }.deserialize(&mut json).and_then(|()| json.end());
    match parsed {
        Ok(()) => Ok(events),
        // The place only: the text around the fault may hold an id.
        Err(fault) => {
            let place = format!("not JSON at line {} column {}", fault.line(), fault.column());
            Err(malformed(events.len(), place))
        }
    }
}

/// Replaces line breaks between JSON tokens by blanks: in the log, each line is one event.
fn on_one_line(event: Bytes) -> Bytes {
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if !event.iter().any(breaks) {
        return event;
    }
    event.iter().map(|byte| if breaks(byte) { b' ' } else { *byte }).collect()
}

/// Collects the elements of an array as they are.
struct Elements<'b> {
    body: &'b Bytes,
    events: &'b mut Vec<Bytes>,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            self.events.push(on_one_line(self.body.slice_ref(element.get().as_bytes())));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(body: &'static str, framing: Framing) -> Result<Vec<Bytes>, Problem> {
        events(&Bytes::from_static(body.as_bytes()), framing)
    }

    fn index(body: &'static str) -> usize {
        match split(body, Framing::Json) {
            Err(Problem::Malformed { index, .. }) => index,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_many_and_lines() {
        assert_eq!(split(" {\"a\":1}\n", Framing::Json).unwrap(), ["{\"a\":1}"]);
        assert_eq!(
            split("[{\"a\":[1,2]} , {\"b\":\"]\"}, 3]", Framing::Json).unwrap(),
            ["{\"a\":[1,2]}", "{\"b\":\"]\"}", "3"]
        );
        assert_eq!(split("{\"a\":1}\r\n\n{\"b\":2}", Framing::Lines).unwrap(), ["{\"a\":1}", "{\"b\":2}"]);
        for empty in ["", " \n", "[]", "[ ]"] {
            assert!(split(empty, Framing::Json).unwrap().is_empty(), "{empty}");
        }
        assert!(split("\n\n", Framing::Lines).unwrap().is_empty());
    }

    #[test]
    fn a_mark_before_the_text_is_left_out() {
        for (body, framing, expected) in [
            ("\u{feff}{\"a\":1}", Framing::Json, vec!["{\"a\":1}"]),
            ("\u{feff} \n{\"a\":1}\n", Framing::Json, vec!["{\"a\":1}"]),
            ("\u{feff}[{\"a\":1},2]", Framing::Json, vec!["{\"a\":1}", "2"]),
            ("\u{feff}\r\n[3]", Framing::Json, vec!["3"]),
            ("\u{feff}{\"a\":1}\n\u{feff}\r\n\u{feff}{\"b\":2}", Framing::Lines, vec!["{\"a\":1}", "{\"b\":2}"]),
            ("\u{feff}", Framing::Json, vec![]),
            ("\u{feff}\n", Framing::Lines, vec![]),
        ] {
            assert_eq!(split(body, framing).unwrap(), expected, "{body:?}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_left_to_the_event_writer() {
        let event = r#"{"\ud83d":"\ude00"}"#;
        assert_eq!(split(r#"[{"\ud83d":"\ude00"}]"#, Framing::Json).unwrap(), [event]);
    }

    #[test]
    fn events_are_on_one_line() {
        assert_eq!(split("{\n\"a\":\r\n1}", Framing::Json).unwrap(), ["{ \"a\":  1}"]);
        assert_eq!(split("[{\n\"a\":1}]", Framing::Json).unwrap(), ["{ \"a\":1}"]);
        assert_eq!(split("{\"a\":\r1}", Framing::Lines).unwrap(), ["{\"a\": 1}"]);
    }

    #[test]
    fn the_event_at_fault_is_named() {
        assert_eq!(index("[{\"a\":1},{\"b\":2},{\"c\":}]"), 2);
        assert_eq!(index("[{\"a\":1},"), 1);
        assert_eq!(index("[{\"a\":1}] x"), 1);
        assert_eq!(index("[tru"), 0);
        assert_eq!(index("[{\"a\":\"\n\"}]"), 0);
    }
}
