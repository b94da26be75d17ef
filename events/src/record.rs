//! A record as it was read, before it is decoded.

use dataflow::source_status::SourceStatus;

use crate::{DeadLetter, Event, Malformed, RecordTime, Refusal, TimeBounds, decode};

/// A record of a stream, borrowed from its reader.
#[derive(Clone, Copy, Debug)]
pub struct RawRecord<'a> {
    /// Topic or file.
    pub stream: &'a str,
    /// Partition of that stream.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// When it was appended, if that is known.
    pub time: Option<RecordTime>,
    /// Its bytes.
    pub payload: &'a [u8],
}

impl<'a> RawRecord<'a> {
    /// See [`decode`].
    ///
    /// # Errors
    /// As those of [`decode`].
    pub fn decode(&self, bounds: &TimeBounds) -> Result<Event<'a>, Malformed> {
        decode(self.payload, self.time, bounds)
    }

    /// The dead letter of this record.
    pub fn refuse(&self, refusal: impl Into<Refusal>) -> DeadLetter {
        DeadLetter::new(self.stream, self.partition, self.offset, refusal.into(), self.payload)
    }

    /// The dead letter of this record, counted by its reason. Boxed, because it is rare and large.
    pub(crate) fn count_refused(&self, refusal: impl Into<Refusal>, status: &SourceStatus) -> Box<DeadLetter> {
        let letter = self.refuse(refusal);
        status.rejected(letter.reason);
        Box::new(letter)
    }
}
