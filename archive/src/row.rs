//! A record as a row of the archive: its bytes as they came, and columns for what an event says.

use std::borrow::Cow;

use events::{Decoder, RawRecord, RecordTime, TimeBounds};
use sources::kafka::upstream::PartitionId;

/// A row, borrowed from a record or from a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row<'a> {
    /// The offset of the record in its partition; in a file of events, the byte at which its line begins.
    pub offset: i64,
    /// When the record was appended, in milliseconds since the epoch. A line of a file has no such time.
    pub record_time: Option<i64>,
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// The user of the event. This and the following columns are empty if the record cannot be decoded.
    pub user_id: Option<Cow<'a, str>>,
    /// The product of the event.
    pub product_id: Option<Cow<'a, str>>,
    /// The kind of the event: `view`, `removal`, `click`, `add_to_cart`, `remove_from_cart`, `purchase` or `search`.
    pub event_type: Option<&'a str>,
    /// The time that the event states, in milliseconds since the epoch.
    pub event_time: Option<i64>,
    /// The session of the event.
    pub session_id: Option<Cow<'a, str>>,
    /// The metadata of the event as JSON.
    pub metadata: Option<&'a str>,
    /// The record's bytes; none for a tombstone.
    pub raw: Option<&'a [u8]>,
}

/// A record before it is decoded.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// Its offset.
    pub offset: i64,
    /// The offset at which reading goes on after it.
    pub next: i64,
    /// When it was appended, if that is known.
    pub time: Option<RecordTime>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its bytes; none for a tombstone.
    pub payload: Option<&'a [u8]>,
}

impl<'a> LogRecord<'a> {
    /// The row of this record, and the time by which its file is chosen: the record's, or else that of its event, or else
    /// `now_ms`, the time of reading.
    pub fn row(&self, id: &'a PartitionId, decoder: &mut Decoder, now_ms: u64) -> (Row<'a>, u64) {
        let (stream, partition, offset) = (&*id.topic, id.partition, self.offset);
        let core = self.payload.and_then(|payload| {
            let record = RawRecord { stream, partition, offset, time: self.time, payload };
            decoder.decode_core(&record, &TimeBounds::around(now_ms)).ok()
        });
        let time = self.time.map(RecordTime::at);
        let (record_time, key, raw) = (time.map(millis), self.key, self.payload);
        let Some(core) = core else {
            return (Row { offset, record_time, key, raw, ..Row::default() }, time.unwrap_or(now_ms));
        };
        let row = Row {
            offset,
            record_time,
            key,
            user_id: Some(core.user),
            product_id: core.product,
            event_type: Some(core.kind.name()),
            event_time: core.stated.map(millis),
            session_id: core.session,
            metadata: Some(core.metadata).filter(|json| !json.is_empty()),
            raw,
        };
        (row, time.unwrap_or(core.at))
    }
}

fn millis(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> PartitionId {
        PartitionId { topic: "views".into(), partition: 3 }
    }

    #[test]
    fn an_event_fills_the_columns() {
        let json = br#"{"user_id":120,"product_id":393,"event_type":"view","timestamp":"2026-11-29T05:00:00Z","session_id":"s-77","metadata":{"page_url":"/p/393"}}"#;
        let record = LogRecord {
            offset: 7,
            next: 8,
            time: RecordTime::of(1_795_929_001_000),
            key: Some(b"120"),
            payload: Some(json),
        };
        let (id, mut decoder) = (id(), Decoder::default());
        let (row, time) = record.row(&id, &mut decoder, 1_795_929_001_000);
        assert_eq!(time, 1_795_929_001_000);
        let expected = Row {
            offset: 7,
            record_time: Some(1_795_929_001_000),
            key: Some(b"120"),
            user_id: Some("120".into()),
            product_id: Some("393".into()),
            event_type: Some("view"),
            event_time: Some(1_795_928_400_000),
            session_id: Some("s-77".into()),
            metadata: Some(r#"{"page_url":"/p/393"}"#),
            raw: Some(json),
        };
        assert_eq!(row, expected);
    }

    #[test]
    fn metadata_are_kept_as_they_are_written() {
        let view = r#"{"event_type":"view","user_id":1,"product_id":2"#;
        for (json, expected) in [
            (format!(r#"{view},"metadata":{{"a":[1, 2]}}}}"#), Some(r#"{"a":[1, 2]}"#)),
            (format!("\u{feff}{view},\"metadata\":{{}}}}"), Some("{}")),
            (format!(r#"{view},"metadata":null}}"#), None),
            (format!(r#"{view},"properties":{{"metadata":"inner"}}}}"#), None),
            (format!("{view}}}"), None),
            (
                r#"{"event":"MerchandisingRule","rule":{"id":"sale"},"metadata":{"by":"ada"}}"#.into(),
                Some(r#"{"by":"ada"}"#),
            ),
        ] {
            let (id, mut decoder) = (id(), Decoder::default());
            let time = RecordTime::of(1_795_929_001_000);
            let record = LogRecord { offset: 7, next: 8, time, key: None, payload: Some(json.as_bytes()) };
            // Once as the first line of its shape, and once as a line like the one before.
            for _ in 0..2 {
                let (row, _) = record.row(&id, &mut decoder, 1_795_929_001_000);
                assert!(row.event_type.is_some(), "{json}");
                assert_eq!(row.metadata, expected, "{json}");
            }
        }
    }

    #[test]
    fn a_record_that_is_no_event_keeps_its_bytes() {
        let (id, mut decoder) = (id(), Decoder::default());
        for payload in [None, Some(&b"\xff\xfe"[..]), Some(b"{}"), Some(b"")] {
            let record = LogRecord { offset: 7, next: 8, time: None, key: None, payload };
            let (row, time) = record.row(&id, &mut decoder, 5000);
            assert_eq!(row, Row { offset: 7, raw: payload, ..Row::default() });
            assert_eq!(time, 5000);
        }
    }
}
