//! The records of a partition's segments in the order of their offsets, read ahead by a thread.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use dataflow::backoff::Backoff;
use dataflow::feed::Waker;
use rdkafka::Timestamp;
use sources::kafka::past::{PastRecords, PastTaken};
use sources::kafka::upstream::Record;

use crate::chain::Segment;
use crate::file::{self, FileError, SegmentSum};
use crate::name::ObjectName;
use crate::row::Row;
use crate::store::{Store, StoreError};

use super::lists::{ListOfPartition, first_gone};

/// Batches that are read ahead.
const AHEAD: usize = 2;

/// The bounds of a batch.
const BATCH_ROWS: usize = 4096;
const BATCH_BYTES: usize = 1 << 20;

/// How often a file is asked for before reading fails, and the pauses in between.
const ATTEMPTS: u32 = 5;
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Reading fails after this number of lists in a row without a segment that could be read: each time a file was gone.
const LISTS_MAX: u32 = 5;

/// Who makes the list of the archive again when a file cannot be read.
pub(super) enum Lists {
    /// The reader, after reading has failed. Then this is set.
    MadeByReader(Arc<AtomicBool>),
    /// The thread that reads. If the file is gone, it goes on with the files that have its records now.
    MadeHere(ListOfPartition),
}

/// From the thread to the reader.
enum Message {
    Batch(Batch),
    End,
    Failed(String),
}

/// Rows with their bytes in one piece.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    rows: Vec<BatchRow>,
}

struct BatchRow {
    offset: i64,
    time: Option<i64>,
    key: Option<Range<usize>>,
    raw: Option<Range<usize>>,
}

impl Batch {
    fn push(&mut self, offset: i64, time: Option<i64>, key: Option<&[u8]>, raw: Option<&[u8]>) {
        let mut keep = |part: &[u8]| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(part);
            start..self.bytes.len()
        };
        let (key, raw) = (key.map(&mut keep), raw.map(&mut keep));
        self.rows.push(BatchRow { offset, time, key, raw });
    }

    fn record(&self, index: usize) -> Option<Record<'_>> {
        let row = self.rows.get(index)?;
        let bytes = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        Some(Record {
            offset: row.offset,
            timestamp: row.time.map_or(Timestamp::NotAvailable, Timestamp::CreateTime),
            key: row.key.as_ref().map(bytes),
            payload: row.raw.as_ref().map(bytes),
        })
    }
}

/// Starts to read the records of these segments at these offsets.
pub(super) fn open(
    store: Arc<dyn Store>,
    segments: Vec<Segment>,
    offsets: Range<i64>,
    waker: &Waker,
    lists: Lists,
) -> Box<dyn PastRecords> {
    let (send, messages) = sync_channel(AHEAD);
    let (batch, lists_left) = (Batch::default(), LISTS_MAX);
    let reading = Reading { store, offsets, send, waker: waker.clone(), lists, lists_left, batch };
    let spawned = thread::Builder::new().name("archive-past".into()).spawn(move || reading.run(segments));
    let trouble = spawned.err().map(|error| format!("no thread to read the archive: {error}"));
    Box::new(PastReader { messages, batch: Batch::default(), given: 0, trouble })
}

/// The reader's side.
struct PastReader {
    messages: Receiver<Message>,
    batch: Batch,
    given: usize,
    trouble: Option<String>,
}

impl PastRecords for PastReader {
    fn take(&mut self) -> Option<PastTaken<'_>> {
        if let Some(trouble) = &self.trouble {
            return Some(PastTaken::Failed(trouble.clone()));
        }
        while self.given >= self.batch.rows.len() {
            match self.messages.try_recv() {
                Ok(Message::Batch(batch)) => (self.batch, self.given) = (batch, 0),
                Ok(Message::End) => return Some(PastTaken::End),
                Ok(Message::Failed(reason)) => return Some(PastTaken::Failed(reason)),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Disconnected) => {
                    return Some(PastTaken::Failed("the thread that reads the archive has ended".into()));
                }
            }
        }
        self.given += 1;
        self.batch.record(self.given - 1).map(PastTaken::Record)
    }
}

/// The thread's side.
struct Reading {
    store: Arc<dyn Store>,
    /// The offsets that are left to give.
    offsets: Range<i64>,
    send: SyncSender<Message>,
    waker: Waker,
    lists: Lists,
    /// How many more lists may show that a file is gone.
    lists_left: u32,
    batch: Batch,
}

/// Why reading ends.
enum Ended {
    /// The reader is gone.
    Unwanted,
    /// A file cannot be read.
    Failed(String),
    /// A file is gone, as a new list shows. Holds the error of reading it.
    Gone(StoreError),
}

impl From<FileError> for Ended {
    fn from(FileError(reason): FileError) -> Self {
        Ended::Failed(reason)
    }
}

fn unreadable(name: &ObjectName, reason: &FileError) -> Ended {
    Ended::Failed(format!("{name}: {reason}"))
}

impl Reading {
    fn run(mut self, mut segments: Vec<Segment>) {
        let read = loop {
            match self.read(&segments) {
                Err(Ended::Gone(error)) => match self.list_again(&segments, &error) {
                    Ok(fresh) => segments = fresh,
                    Err(reason) => break Err(Ended::Failed(reason)),
                },
                read => break read,
            }
        };
        // What was read before a failure is given before it.
        let read = match (read, self.pass_on()) {
            (Ok(()) | Err(Ended::Failed(_)), Err(unwanted)) => Err(unwanted),
            (read, _) => read,
        };
        let last = match read {
            Ok(()) => Message::End,
            Err(Ended::Failed(reason)) => {
                if let Lists::MadeByReader(is_outdated) = &self.lists {
                    is_outdated.store(true, Ordering::Release);
                }
                Message::Failed(reason)
            }
            Err(Ended::Unwanted | Ended::Gone(_)) => return,
        };
        // If the reader is gone, it does not need the end.
        let _ = self.send(last);
    }

    /// Gives the rows of all segments that are wanted.
    fn read(&mut self, segments: &[Segment]) -> Result<(), Ended> {
        for segment in segments {
            if segment.last >= self.offsets.start && segment.first < self.offsets.end {
                self.segment(segment)?;
                self.offsets.start = segment.last + 1;
                self.lists_left = LISTS_MAX;
            }
        }
        Ok(())
    }

    /// The segments after a file of those `before` was gone, if they have the offsets that are left.
    fn list_again(&mut self, before: &[Segment], error: &StoreError) -> Result<Vec<Segment>, String> {
        let Lists::MadeHere(list) = &mut self.lists else { return Err(error.to_string()) };
        let mut backoff = Backoff::new(PAUSE.0, PAUSE.1);
        while self.lists_left > 0 {
            self.lists_left -= 1;
            let fresh = list.segments();
            if first_gone(before, &fresh, &self.offsets).is_none() {
                tracing::info!(%error, "the file was merged since the archive was listed: it was listed again");
                return Ok(fresh);
            }
            // Files that are merged while the list is made may be missing in it.
            thread::park_timeout(backoff.pause());
            list.renew().map_err(|error| error.to_string())?;
        }
        Err(match first_gone(before, &list.segments(), &self.offsets) {
            Some(gone) => format!("{error}; the archive does not have offset {gone} any more"),
            None => format!("{error}; files of {LISTS_MAX} lists in a row were gone when they were opened"),
        })
    }

    /// Gives the rows of a segment. Those of its parts, which are few, are held while those of the closing file pass. Nothing is
    /// given of a segment that lacks rows: another reader would go on after them.
    fn segment(&mut self, segment: &Segment) -> Result<(), Ended> {
        let Some((closing, parts)) = segment.files.split_last() else { return Ok(()) };
        let (mut held, mut stated) = (Batch::default(), SegmentSum::default());
        for part in parts {
            let bytes = self.get(&part.name)?;
            let read = file::read_records(part.name.format, bytes, |row| {
                held.push(row.offset, row.record_time, row.key, row.raw);
                Ok::<(), FileError>(())
            });
            stated.add(read.map_err(|reason| unreadable(&part.name, &reason))?);
        }
        let mut order: Vec<usize> = (0..held.rows.len()).collect();
        order.sort_by_key(|index| held.rows[*index].offset);
        let mut order = VecDeque::from(order);
        let bytes = self.get(&closing.name)?;
        let rows = file::stated_rows(closing.name.format, bytes.clone());
        if let Some(rows) = rows.map_err(|reason| unreadable(&closing.name, &reason))? {
            stated.add(rows.segment);
            let all = stated.check(held.rows.len() as u64 + rows.file);
            all.map_err(|reason| unreadable(&closing.name, &reason))?;
        }
        file::read_records(closing.name.format, bytes, |row: &Row<'_>| {
            self.give_held(&held, &mut order, row.offset)?;
            self.give(row.offset, row.record_time, row.key, row.raw)
        })
        .map_err(|ended| match ended {
            Ended::Failed(reason) => unreadable(&closing.name, &FileError(reason)),
            ended => ended,
        })?;
        self.give_held(&held, &mut order, i64::MAX)
    }

    fn give_held(&mut self, held: &Batch, order: &mut VecDeque<usize>, before: i64) -> Result<(), Ended> {
        while let Some(index) = order.front().copied()
            && held.rows[index].offset < before
        {
            order.pop_front();
            if let Some(record) = held.record(index) {
                self.give(record.offset, held.rows[index].time, record.key, record.payload)?;
            }
        }
        Ok(())
    }

    fn give(&mut self, offset: i64, time: Option<i64>, key: Option<&[u8]>, raw: Option<&[u8]>) -> Result<(), Ended> {
        if !self.offsets.contains(&offset) {
            return Ok(());
        }
        self.batch.push(offset, time, key, raw);
        let is_full = self.batch.rows.len() >= BATCH_ROWS || self.batch.bytes.len() >= BATCH_BYTES;
        if is_full { self.pass_on() } else { Ok(()) }
    }

    fn pass_on(&mut self) -> Result<(), Ended> {
        let batch = std::mem::take(&mut self.batch);
        if batch.rows.is_empty() { Ok(()) } else { self.send(Message::Batch(batch)) }
    }

    fn send(&self, message: Message) -> Result<(), Ended> {
        self.send.send(message).map_err(|_| Ended::Unwanted)?;
        self.waker.wake();
        Ok(())
    }

    fn get(&mut self, name: &ObjectName) -> Result<Bytes, Ended> {
        let (name, mut backoff) = (name.to_string(), Backoff::new(PAUSE.0, PAUSE.1));
        let (mut attempt, mut is_listed) = (1, false);
        loop {
            let error = match self.store.get(&name) {
                Ok(bytes) => return Ok(bytes),
                Err(error) => error,
            };
            if let Lists::MadeHere(list) = &mut self.lists
                && (!is_listed || attempt == ATTEMPTS)
            {
                match list.still_has(&name) {
                    Ok(true) => is_listed = true,
                    Ok(false) => return Err(Ended::Gone(error)),
                    // Asked again after the next attempt.
                    Err(_) => {}
                }
            }
            if attempt == ATTEMPTS {
                return Err(Ended::Failed(error.to_string()));
            }
            thread::park_timeout(backoff.pause());
            attempt += 1;
        }
    }
}
