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
use crate::store::Store;

/// Batches that are read ahead.
const AHEAD: usize = 2;

/// The bounds of a batch.
const BATCH_ROWS: usize = 4096;
const BATCH_BYTES: usize = 1 << 20;

/// How often a file is asked for before reading fails, and the pauses in between.
const ATTEMPTS: u32 = 5;
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

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

/// Starts to read the records of these segments at these offsets. `failed` is set when a file cannot be read.
pub(super) fn open(
    store: Arc<dyn Store>,
    segments: Vec<Segment>,
    offsets: Range<i64>,
    waker: &Waker,
    failed: Arc<AtomicBool>,
) -> Box<dyn PastRecords> {
    let (send, messages) = sync_channel(AHEAD);
    let reading = Reading { store, offsets, send, waker: waker.clone(), failed, batch: Batch::default() };
    let spawned = thread::Builder::new().name("archive-past".into()).spawn(move || reading.run(&segments));
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
    /// The offsets that are given.
    offsets: Range<i64>,
    send: SyncSender<Message>,
    waker: Waker,
    failed: Arc<AtomicBool>,
    batch: Batch,
}

/// Why reading ends.
enum Ended {
    /// The reader is gone.
    Unwanted,
    /// A file cannot be read.
    Failed(String),
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
    fn run(mut self, segments: &[Segment]) {
        let Range { start, end } = self.offsets;
        let mut wanted = segments.iter().filter(|segment| segment.last >= start && segment.first < end);
        let read = wanted.try_for_each(|segment| self.segment(segment));
        // What was read before a failure is given before it.
        let read = match (read, self.pass_on()) {
            (Ok(()) | Err(Ended::Failed(_)), Err(unwanted)) => Err(unwanted),
            (read, _) => read,
        };
        let last = match read {
            Ok(()) => Message::End,
            Err(Ended::Failed(reason)) => {
                self.failed.store(true, Ordering::Release);
                Message::Failed(reason)
            }
            Err(Ended::Unwanted) => return,
        };
        // If the reader is gone, it does not need the end.
        let _ = self.send(last);
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
            Ended::Unwanted => Ended::Unwanted,
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

    fn get(&self, name: &ObjectName) -> Result<Bytes, Ended> {
        let (name, mut backoff) = (name.to_string(), Backoff::new(PAUSE.0, PAUSE.1));
        let mut attempt = 1;
        loop {
            match self.store.get(&name) {
                Ok(bytes) => return Ok(bytes),
                Err(error) if attempt == ATTEMPTS => return Err(Ended::Failed(error.to_string())),
                Err(_) => thread::park_timeout(backoff.pause()),
            }
            attempt += 1;
        }
    }
}
