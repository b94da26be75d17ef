//! A line of either shape with another time: everything else stays as it was, to the byte.

use std::ops::Range;

use chrono::{DateTime, SecondsFormat};
use dataflow::time::Millis;
use serde::de::{Deserialize, IgnoredAny};
use serde_json::value::RawValue;

use super::shape::{Raw, Shape};
use super::slot::text;
use super::write::seconds;
use super::{BYTE_ORDER_MARK, Malformed};

/// Sets `timestamp` to `at` (milliseconds since the epoch) in the form of the line's own shape, and adds it at the end
/// if it is not there. Ids and the old time are not judged; a byte order mark is left out.
///
/// # Errors
/// [`Malformed`] if the line is not an event of a known shape, or `at` is beyond the years that can be written.
pub fn restamp(line: &str, at: Millis) -> Result<String, Malformed> {
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let (shape, _) = Raw::parse(line.as_bytes())?.kind()?;
    let stamp = written(shape, at).ok_or(Malformed::TimeOutOfBounds { field: "timestamp" })?;
    let (stamps, end) = find_stamps(line);
    let mut restamped = String::with_capacity(line.len() + stamp.len() + 16);
    let mut kept = 0;
    for place in &stamps {
        restamped.push_str(&line[kept..place.start]);
        restamped.push_str(&stamp);
        kept = place.end;
    }
    restamped.push_str(&line[kept..end]);
    if stamps.is_empty() {
        // A known shape has at least the field that names the event, so there is one to put the comma after.
        restamped.push_str(",\"timestamp\":");
        restamped.push_str(&stamp);
    }
    restamped.push_str(&line[end..]);
    Ok(restamped)
}

fn written(shape: Shape, at: Millis) -> Option<String> {
    match shape {
        Shape::Product => serde_json::to_string(&seconds(at)).ok(),
        Shape::Clickstream => {
            let time = DateTime::from_timestamp_millis(i64::try_from(at).ok()?)?;
            Some(format!("\"{}\"", time.to_rfc3339_opts(SecondsFormat::Millis, true)))
        }
    }
}

/// Where the values of the outermost `timestamp` are, and where the last field ends. The line is a JSON object.
fn find_stamps(line: &str) -> (Vec<Range<usize>>, usize) {
    let mut stamps = Vec::new();
    let mut place = line.find('{').expect("an object has an opening brace") + 1;
    loop {
        let (key, key_end) = next::<&RawValue>(line, place);
        let colon = key_end + line[key_end..].find(':').expect("a key is followed by a colon");
        let start = line.len() - line[colon + 1..].trim_start().len();
        let (_, end) = next::<IgnoredAny>(line, start);
        if text(key.get()).as_deref() == Some("timestamp") {
            stamps.push(start..end);
        }
        match line[end..].trim_start().strip_prefix(',') {
            Some(rest) => place = line.len() - rest.len(),
            None => return (stamps, end),
        }
    }
}

/// The value that begins at or after `place`, and where it ends.
fn next<'a, T: Deserialize<'a>>(line: &'a str, place: usize) -> (T, usize) {
    let mut values = serde_json::Deserializer::from_str(&line[place..]).into_iter::<T>();
    let value = values.next().and_then(Result::ok).expect("the line was read as JSON before");
    (value, place + values.byte_offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Millis = 1_795_169_700_120;

    #[test]
    fn each_shape_is_stamped_in_its_own_form() {
        for (line, stamped) in [
            (
                r#"{"event":"ProductView","userid":1,"timestamp":1731000000.123,"properties":{"productid":2}}"#,
                r#"{"event":"ProductView","userid":1,"timestamp":1795169700.12,"properties":{"productid":2}}"#,
            ),
            (
                r#"{"event":"ProductRemoved","timestamp":"2026-11-20T10:15:00Z"}"#,
                r#"{"event":"ProductRemoved","timestamp":1795169700.12}"#,
            ),
            (
                r#"{"timestamp":1731000000,"event_type":"click"}"#,
                r#"{"timestamp":"2026-11-20T10:15:00.120Z","event_type":"click"}"#,
            ),
        ] {
            assert_eq!(restamp(line, AT).as_deref(), Ok(stamped));
        }
    }

    #[test]
    fn missing_stamp_is_added() {
        assert_eq!(
            restamp("{\"event\":\"ProductView\" } \n", AT).as_deref(),
            Ok("{\"event\":\"ProductView\",\"timestamp\":1795169700.12 } \n")
        );
        assert_eq!(
            restamp(r#"{"event_type":"view"}"#, AT).as_deref(),
            Ok(r#"{"event_type":"view","timestamp":"2026-11-20T10:15:00.120Z"}"#)
        );
    }

    #[test]
    fn all_else_stays_as_it_was() {
        let line = r#" { "z" : 1.10 , "event" : "ProductView", "n":123456789012345678901234567890, "properties" : {"timestamp":7,"x":"a\"}:{,"}, "time\u0073tamp" : [1, {"timestamp":2}] ,"timestamp":null} "#;
        let stamped = r#" { "z" : 1.10 , "event" : "ProductView", "n":123456789012345678901234567890, "properties" : {"timestamp":7,"x":"a\"}:{,"}, "time\u0073tamp" : 1795169700.12 ,"timestamp":1795169700.12} "#;
        assert_eq!(restamp(line, AT).as_deref(), Ok(stamped));
    }

    #[test]
    fn a_mark_before_the_line_is_left_out_and_names_that_are_no_text_stay() {
        assert_eq!(
            restamp("\u{feff}{\"event\":\"ProductView\",\"\\ud83d\":\"\\ude00\"}", AT).as_deref(),
            Ok(r#"{"event":"ProductView","\ud83d":"\ude00","timestamp":1795169700.12}"#)
        );
    }

    #[test]
    fn lines_of_no_known_shape_are_refused() {
        for (line, reason) in [
            ("", "not_json"),
            ("[]", "not_an_object"),
            ("{}", "missing_field"),
            (r#"{"event":"Other"}"#, "unknown_event"),
            (r#"{"event_type":1}"#, "wrong_type"),
        ] {
            assert_eq!(restamp(line, AT).map_err(|malformed| malformed.reason()), Err(reason), "{line}");
        }
        let beyond = restamp(r#"{"event_type":"view"}"#, u64::MAX);
        assert_eq!(beyond, Err(Malformed::TimeOutOfBounds { field: "timestamp" }));
    }
}
