//! A line of either shape with another time: everything else stays as it was, to the byte.

use std::ops::Range;

use chrono::{DateTime, SecondsFormat};
use dataflow::time::Millis;

use crate::shape::{EventShape, RawFields, members};
use crate::write::seconds;
use crate::{BYTE_ORDER_MARK, Malformed};

/// Sets `timestamp` to `at` (milliseconds since the epoch) in the form of the line's own shape, and adds it at the end if
/// it is missing. Ids and the old time are not judged; a byte order mark is left out.
///
/// # Errors
/// [`Malformed`] if the line is not an event of a known shape, or `at` is beyond the years that can be written.
pub fn restamp(line: &str, at: Millis) -> Result<String, Malformed> {
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
    let (shape, _) = RawFields::parse(line.as_bytes())?.kind()?;
    let stamp = written(shape, at).ok_or(Malformed::TimeOutOfBounds("timestamp"))?;
    let (stamps, end) = find_stamps(line)?;
    let mut restamped = String::with_capacity(line.len() + stamp.len() + 16);
    let mut copied = 0;
    for old in &stamps {
        restamped.push_str(&line[copied..old.start]);
        restamped.push_str(&stamp);
        copied = old.end;
    }
    restamped.push_str(&line[copied..end]);
    if stamps.is_empty() {
        // A known shape has at least the field that names the event, so there is a member to put the comma after.
        restamped.push_str(",\"timestamp\":");
        restamped.push_str(&stamp);
    }
    restamped.push_str(&line[end..]);
    Ok(restamped)
}

fn written(shape: EventShape, at: Millis) -> Option<String> {
    match shape {
        EventShape::Product => serde_json::to_string(&seconds(at)).ok(),
        EventShape::Clickstream => {
            let time = DateTime::from_timestamp_millis(i64::try_from(at).ok()?)?;
            Some(format!("\"{}\"", time.to_rfc3339_opts(SecondsFormat::Millis, true)))
        }
    }
}

/// Where the values of the outermost `timestamp` are, and where the last member ends.
fn find_stamps(line: &str) -> Result<(Vec<Range<usize>>, usize), Malformed> {
    let (mut stamps, mut end) = (Vec::new(), 0);
    members(line, |name, value| {
        // A value's text is a part of the line.
        let start = value.as_ptr().addr() - line.as_ptr().addr();
        end = start + value.len();
        if name == "timestamp" {
            stamps.push(start..end);
        }
    })?;
    Ok((stamps, end))
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
    fn lines_of_no_known_format_are_refused() {
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
        assert_eq!(beyond, Err(Malformed::TimeOutOfBounds("timestamp")));
    }
}
