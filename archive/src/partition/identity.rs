//! Is the topic still the one that was archived? The record that was read last is compared with the topic's record at its offset.
//!
//! Kafka gives a topic that was deleted and created again another id, but the binding does not give the ids.

use crate::chain::Chain;
use crate::file::{self, FileError};
use crate::log::Given;
use crate::row::{LogRecord, Row};
use crate::store::{Store, StoreError};
use events::RecordTime;

/// The largest file that is read at a start to compare its last record.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// The content of a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LastRecord {
    offset: i64,
    time: Option<i64>,
    key: Option<Vec<u8>>,
    payload: Option<Vec<u8>>,
}

impl LastRecord {
    /// The last record of a chain, as its last segment has it; none if that is empty, damaged, or too large to be read for this.
    ///
    /// # Errors
    /// When the store does not give the file.
    pub(crate) fn of(store: &dyn Store, chain: &Chain) -> Result<Option<LastRecord>, StoreError> {
        let segment = chain.last_segment();
        // The closing file comes last, and has the most records.
        let file = segment.and_then(|segment| segment.files.iter().rev().find(|file| file.bytes <= FILE_BYTES_MAX));
        let Some(file) = file else { return Ok(None) };
        let mut found: Option<LastRecord> = None;
        let read = file::read_records(file.name.format, store.get(&file.name.to_string())?, |row: &Row<'_>| {
            if found.as_ref().is_none_or(|last| last.offset < row.offset) {
                found.get_or_insert_default().set(row.offset, row.record_time, row.key, row.raw);
            }
            Ok::<(), FileError>(())
        });
        Ok(found.filter(|_| read.is_ok()))
    }

    fn set(&mut self, offset: i64, time: Option<i64>, key: Option<&[u8]>, payload: Option<&[u8]>) {
        (self.offset, self.time) = (offset, time);
        copy(&mut self.key, key);
        copy(&mut self.payload, payload);
    }

    fn is(&self, record: &LogRecord<'_>) -> bool {
        let time = record.time.map(RecordTime::at).and_then(|time| i64::try_from(time).ok());
        self.time == time && self.key.as_deref() == record.key && self.payload.as_deref() == record.payload
    }
}

/// Copies bytes, into the memory of those before where there are some.
fn copy(to: &mut Option<Vec<u8>>, from: Option<&[u8]>) {
    match (&mut *to, from) {
        (Some(bytes), Some(from)) => {
            bytes.clear();
            bytes.extend_from_slice(from);
        }
        (_, from) => *to = from.map(<[u8]>::to_vec),
    }
}

/// What is known of the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nothing says that it is another one.
    Same,
    /// It ended before the position, or begins before it began: its records are compared before any is archived.
    Doubtful,
    /// It has another record at the offset of the last one, or none.
    Another,
}

/// The record that was read last, and what follows from the comparison.
pub(crate) struct Recognition {
    last: Option<LastRecord>,
    pub(crate) identity: Identity,
}

impl Recognition {
    /// Of a partition whose last record is this one.
    pub(crate) fn new(last: Option<LastRecord>) -> Recognition {
        Recognition { last, identity: Identity::Same }
    }

    /// The offset of the last record.
    pub(crate) fn offset(&self) -> Option<i64> {
        self.last.as_ref().map(|last| last.offset)
    }

    /// Remembers the record that was read last.
    pub(crate) fn note(&mut self, record: &LogRecord<'_>) {
        let time = record.time.map(RecordTime::at).and_then(|time| i64::try_from(time).ok());
        self.last.get_or_insert_default().set(record.offset, time, record.key, record.payload);
    }

    /// Compares what the partition gives with the last record; returns whether reading goes on. In a topic that nothing is said
    /// against, the last record may be missing: it was erased by compaction.
    pub(crate) fn goes_on(&mut self, given: &Given<'_>) -> bool {
        match (given, &self.last) {
            (Given::Failed(_), _) => return true,
            (Given::Record(record), Some(last)) if record.offset == last.offset => {
                self.identity = if last.is(record) { Identity::Same } else { Identity::Another };
            }
            _ if self.identity == Identity::Doubtful => self.identity = Identity::Another,
            _ => {}
        }
        self.identity == Identity::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, payload: &[u8]) -> LogRecord<'_> {
        LogRecord { offset, next: offset + 1, time: None, key: None, payload: Some(payload) }
    }

    fn recognition(identity: Identity) -> Recognition {
        let mut recognition = Recognition::new(None);
        recognition.note(&record(6, b"before"));
        recognition.note(&record(7, b"last"));
        recognition.identity = identity;
        recognition
    }

    #[test]
    fn a_record_at_its_offset_decides() {
        for identity in [Identity::Same, Identity::Doubtful] {
            let mut same = recognition(identity);
            assert!(same.goes_on(&Given::Record(record(7, b"last"))));
            assert_eq!(same.identity, Identity::Same);
            let mut another = recognition(identity);
            assert!(!another.goes_on(&Given::Record(record(7, b"another"))));
            assert_eq!(another.identity, Identity::Another);
        }
    }

    #[test]
    fn a_missing_record_is_compacted_away_unless_the_topic_is_in_doubt() {
        for given in [Given::Record(record(9, b"later")), Given::End(9)] {
            assert!(recognition(Identity::Same).goes_on(&given));
            assert!(!recognition(Identity::Doubtful).goes_on(&given));
        }
        let mut fails = recognition(Identity::Doubtful);
        assert!(fails.goes_on(&Given::Failed("no leader".into())));
        assert_eq!(fails.identity, Identity::Doubtful);
    }
}
