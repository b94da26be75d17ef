//! The bound of waiting records in a log, in records and bytes, for an append as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Record, Unavailable};

/// The largest amount that may wait in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Records that were appended and are not yet durable.
    pub records: usize,
    /// Their keys and payloads, in bytes.
    pub bytes: usize,
}

impl Default for Bound {
    fn default() -> Self {
        Bound { records: 100_000, bytes: 64 << 20 }
    }
}

/// Counts waiting records. It is checked before the first record of an append is sent, so that an append is accepted as a
/// whole or not at all.
#[derive(Debug)]
pub(crate) struct Room {
    bound: Bound,
    records: AtomicUsize,
    bytes: AtomicUsize,
}

impl Room {
    pub(crate) fn new(bound: Bound) -> Arc<Self> {
        Arc::new(Room { bound, records: AtomicUsize::new(0), bytes: AtomicUsize::new(0) })
    }

    /// Room for all of the records, until the permit is dropped. An empty log accepts an append of any size, which could
    /// never be written otherwise; its caller bounds it.
    pub(crate) fn take(self: &Arc<Self>, records: &[Record]) -> Result<Permit, Unavailable> {
        let permit =
            Permit { room: self.clone(), records: records.len(), bytes: records.iter().map(Record::bytes).sum() };
        let waiting = self.records.fetch_add(permit.records, Ordering::AcqRel);
        let waiting_bytes = self.bytes.fetch_add(permit.bytes, Ordering::AcqRel);
        let fits = waiting + permit.records <= self.bound.records && waiting_bytes + permit.bytes <= self.bound.bytes;
        // A permit that is not returned is dropped here and gives its room back.
        if fits || waiting == 0 { Ok(permit) } else { Err(Unavailable::Busy) }
    }
}

/// Room taken; given back on drop.
#[derive(Debug)]
pub(crate) struct Permit {
    room: Arc<Room>,
    records: usize,
    bytes: usize,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.room.records.fetch_sub(self.records, Ordering::AcqRel);
        self.room.bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(count: usize, bytes: usize) -> Vec<Record> {
        vec![Record { key: Vec::new(), payload: vec![0; bytes] }; count]
    }

    #[test]
    fn room_is_taken_whole_and_given_back() {
        let room = Room::new(Bound { records: 3, bytes: 100 });
        let two = room.take(&records(2, 10)).unwrap();
        assert!(room.take(&records(2, 10)).is_err(), "too many records");
        assert!(room.take(&records(1, 81)).is_err(), "too many bytes");
        let one = room.take(&records(1, 80)).unwrap();
        drop(two);
        assert!(room.take(&records(2, 10)).is_ok());
        drop(one);
        assert!(room.take(&records(9, 900)).is_ok(), "an empty log takes an append of any size");
        assert_eq!((room.records.load(Ordering::Acquire), room.bytes.load(Ordering::Acquire)), (0, 0));
    }
}
