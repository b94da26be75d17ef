//! One partition on its way into the archive: what is read, what is held, and what is durable.

mod identity;

use std::collections::VecDeque;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use events::Decoder;
use sources::kafka::upstream::{Ends, PartitionId};

use crate::file::FileError;
use crate::log::{Given, LogTail};
use crate::name::Hour;
use crate::now::Now;
use crate::row::LogRecord;
use crate::segment::{OpenSegment, SealedSegment};
use crate::settings::Settings;
use crate::status::PartitionStatus;

pub(crate) use identity::LastRecord;
use identity::{Identity, Recognition};

/// Bytes of records after which a partition lets others read.
const TURN_BYTES: usize = 4 << 20;

/// Bytes of records after which the size of the files is looked at again, and threads of the lists that wait for the core get it.
/// Reading them takes some tenths of a millisecond.
const CHECK_BYTES: usize = 64 << 10;

/// What is known about a record's bytes without the bytes of its payload and key, in memory.
const RECORD_BYTES: usize = 64;

/// One partition.
pub(crate) struct Partition<T> {
    id: PartitionId,
    tail: Option<T>,
    decoder: Decoder,
    open: Option<OpenSegment>,
    pub(crate) sealed: VecDeque<SealedSegment>,
    /// The first offset of the open segment, or of the next one.
    start: i64,
    /// The offset that is read next.
    next: i64,
    /// The offset after the last durable one.
    durable: i64,
    /// Bytes of records since the size of the files was looked at.
    unchecked: usize,
    ends: Ends,
    /// Since when, by the wall clock, records wait and none has become durable.
    waiting_since: Option<u64>,
    is_shrinking: bool,
    recognition: Recognition,
    /// Why it cannot be read, until the next look.
    failure: Option<String>,
}

/// What a look at a partition's ends has shown.
pub(crate) enum Judgement {
    /// It can be read on.
    Sound,
    /// Its topic has deleted these offsets before they were read.
    Lost(Range<i64>),
    /// Its topic is another one, or may be.
    Withheld,
}

impl<T: LogTail> Partition<T> {
    /// A partition that is read from `next` on, and whose `last` archived record is known, or not.
    pub(crate) fn new(id: PartitionId, next: i64, last: Option<LastRecord>, ends: Ends) -> Partition<T> {
        Partition {
            id,
            tail: None,
            decoder: Decoder::default(),
            open: None,
            sealed: VecDeque::new(),
            start: next,
            next,
            durable: next,
            unchecked: 0,
            ends,
            waiting_since: None,
            is_shrinking: false,
            recognition: Recognition::new(last),
            failure: None,
        }
    }

    /// Where reading begins: at the record that was read last, if the topic still has it, so that it is compared.
    pub(crate) fn begins_at(&self) -> i64 {
        self.comparable().unwrap_or(self.next)
    }

    /// The offset of the record that was read last, if the topic still has it.
    fn comparable(&self) -> Option<i64> {
        let Ends { low, high } = self.ends;
        self.recognition.offset().filter(|at| (low..high.min(self.next)).contains(at))
    }

    /// Whether nothing is archived because the topic is another one, or may be.
    pub(crate) fn is_withheld(&self) -> bool {
        self.recognition.identity != Identity::Same
    }

    /// Whether all that was read is durable.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.open.is_none() && self.sealed.is_empty()
    }

    pub(crate) fn is_read(&self) -> bool {
        self.tail.is_some()
    }

    pub(crate) fn failure(&self) -> Option<String> {
        let withheld = self.is_withheld().then(|| self.withheld());
        let reason = withheld.as_ref().or(self.failure.as_ref())?;
        Some(format!("{} cannot be archived: {reason}", self.id))
    }

    /// Why nothing is archived of a topic that is another one.
    fn withheld(&self) -> String {
        let (id, Ends { high, .. }, last) = (&self.id, self.ends, self.next - 1);
        let seen = match self.recognition.offset() {
            Some(at) if high > last => format!("it has another record at offset {at} than the archive"),
            _ => format!("it ends at offset {high}, and the archive has read up to offset {last}"),
        };
        format!(
            "{seen}: the topic was made anew, or its end was cut off. To archive what it holds now, move the directory {} of \
             the archive away: within a minute or two, it is archived from its first record",
            id.topic
        )
    }

    pub(crate) fn status(&self) -> PartitionStatus {
        let Ends { low, high } = self.ends;
        let Partition { durable, next, is_shrinking, .. } = *self;
        let is_withheld = self.is_withheld();
        let end = if is_withheld { high } else { high.max(next) };
        PartitionStatus { durable, next, end, low, is_withheld, is_shrinking, oldest_ms: self.oldest_ms() }
    }

    /// The time of the records that become durable next, or since when they wait.
    fn oldest_ms(&self) -> Option<u64> {
        let held = self.sealed.front().map_or_else(|| self.open.as_ref()?.latest(), |sealed| sealed.latest);
        held.and_then(|time| u64::try_from(time).ok()).into_iter().chain(self.waiting_since).min()
    }

    /// Compares the position with the partition's ends.
    pub(crate) fn judge(&mut self, ends: Ends, wall_ms: u64) -> Result<Judgement, FileError> {
        let before = std::mem::replace(&mut self.ends, ends);
        // In one topic the first offset never goes back.
        let is_doubtful = ends.high < self.next || ends.low < before.low;
        if is_doubtful && !self.is_withheld() {
            self.recognition.identity = Identity::Doubtful;
            self.is_shrinking = false;
            self.failure = None;
            tracing::warn!("archive: {} is not read: {}", self.id, self.withheld());
            self.withhold()?;
        }
        self.is_shrinking |= ends.low > before.low;
        let durable = if self.is_withheld() { ends.low } else { self.durable };
        let waits = ends.high > durable.max(ends.low);
        self.waiting_since = waits.then(|| self.waiting_since.unwrap_or(wall_ms));
        match self.recognition.identity {
            Identity::Doubtful if self.comparable().is_some() => return Ok(Judgement::Sound),
            Identity::Doubtful | Identity::Another => {
                self.stop();
                return Ok(Judgement::Withheld);
            }
            Identity::Same => {}
        }
        if ends.low <= self.next {
            return Ok(Judgement::Sound);
        }
        let lost = self.next..ends.low;
        self.stop();
        self.seal()?;
        (self.start, self.next) = (ends.low, ends.low);
        Ok(Judgement::Lost(lost))
    }

    /// Stops reading, and has all written that was read: it is of the topic before.
    fn withhold(&mut self) -> Result<(), FileError> {
        self.stop();
        self.seal()
    }

    /// Reads with this tail from now on, or notes why that is impossible.
    pub(crate) fn begin(&mut self, tail: Result<T, String>) {
        match tail {
            Ok(tail) => (self.tail, self.failure) = (Some(tail), None),
            Err(reason) => self.failure = Some(reason),
        }
    }

    /// Stops reading; what was read is kept.
    pub(crate) fn stop(&mut self) {
        self.tail.take().into_iter().for_each(LogTail::stop);
    }

    /// Reads what has arrived. Returns the bytes that were read.
    pub(crate) fn read(&mut self, settings: &Settings, now: &Now) -> usize {
        let Some(mut tail) = self.tail.take() else { return 0 };
        let (mut bytes, mut failed) = (0, None);
        tail.read(&mut |given| {
            if !self.recognition.goes_on(&given) {
                return false;
            }
            let record = match given {
                Given::Record(record) => record,
                Given::End(end) => {
                    self.next = self.next.max(end);
                    return true;
                }
                Given::Failed(reason) => {
                    failed = Some(reason);
                    return false;
                }
            };
            let size = record.payload.map_or(0, <[u8]>::len) + record.key.map_or(0, <[u8]>::len) + RECORD_BYTES;
            bytes += size;
            if record.offset < self.next {
                return bytes < TURN_BYTES;
            }
            self.unchecked += size;
            match self.take_and_check(&record, settings, now) {
                Ok(()) => bytes < TURN_BYTES,
                Err(FileError(reason)) => {
                    failed = Some(reason);
                    // What was not written is read again.
                    self.open = None;
                    self.next = self.start;
                    false
                }
            }
        });
        self.tail = Some(tail);
        if failed.is_some() {
            self.stop();
            self.failure = failed;
        }
        if self.recognition.identity == Identity::Another {
            self.failure = None;
            tracing::warn!("archive: {} is not read: {}", self.id, self.withheld());
            self.withhold().unwrap_or_else(|error| self.reread(error));
        }
        bytes
    }

    /// Takes a record, and looks at the size of the files from time to time.
    fn take_and_check(&mut self, record: &LogRecord<'_>, settings: &Settings, now: &Now) -> Result<(), FileError> {
        self.take(record, settings, now)?;
        self.recognition.note(record);
        if self.unchecked >= CHECK_BYTES {
            self.unchecked = 0;
            // A low priority alone does not end a slice of some milliseconds that has begun.
            thread::yield_now();
            self.seal_large(settings)?;
        }
        Ok(())
    }

    fn take(&mut self, record: &LogRecord<'_>, settings: &Settings, now: &Now) -> Result<(), FileError> {
        let (row, time) = record.row(&self.id, &mut self.decoder, now.wall_ms);
        let hour = Hour::of(time);
        if self.open.as_ref().is_some_and(|open| open.ends_before(hour)) {
            // Offsets between the last record and this one will not be given any more.
            seal(&mut self.open, &mut self.sealed, record.offset - 1)?;
            self.start = record.offset;
        }
        let fresh = || OpenSegment::new(self.id.clone(), settings.format, self.start, now.since_start);
        self.open.get_or_insert_with(fresh).push(hour, &row)?;
        self.next = record.next;
        Ok(())
    }

    /// Ends the open segment if a file of it is large enough.
    fn seal_large(&mut self, settings: &Settings) -> Result<(), FileError> {
        let is_large = self.open.as_ref().is_some_and(|open| open.size() >= settings.file_bytes_max);
        if is_large { self.seal() } else { Ok(()) }
    }

    /// Ends the open segment if it is that old.
    pub(crate) fn seal_old(&mut self, age: Duration, now: Duration) -> Result<(), FileError> {
        if self.due(age).is_some_and(|due| due <= now) { self.seal() } else { Ok(()) }
    }

    /// When the open segment will be that old.
    pub(crate) fn due(&self, age: Duration) -> Option<Duration> {
        self.open.as_ref().map(|open| open.since() + age)
    }

    /// Ends the open segment where reading has come to.
    pub(crate) fn seal(&mut self) -> Result<(), FileError> {
        if self.open.is_some() {
            seal(&mut self.open, &mut self.sealed, self.next - 1)?;
            self.start = self.next;
        }
        Ok(())
    }

    /// Drops the open segment after an error of its files: its records are read again.
    pub(crate) fn reread(&mut self, error: FileError) {
        self.stop();
        self.open = None;
        self.next = self.start;
        self.failure = Some(error.0);
    }

    /// The memory of the open segment.
    pub(crate) fn open_memory(&self) -> usize {
        self.open.as_ref().map_or(0, OpenSegment::memory)
    }

    /// The memory of all that is not durable.
    pub(crate) fn memory(&self) -> usize {
        self.open_memory() + self.sealed.iter().map(SealedSegment::memory).sum::<usize>()
    }

    /// The first sealed segment is durable; returns its rows.
    pub(crate) fn is_durable(&mut self) -> u64 {
        let Some(sealed) = self.sealed.pop_front() else { return 0 };
        self.durable = sealed.last + 1;
        self.waiting_since = None;
        sealed.rows
    }
}

fn seal(open: &mut Option<OpenSegment>, sealed: &mut VecDeque<SealedSegment>, last: i64) -> Result<(), FileError> {
    if let Some(open) = open.take() {
        sealed.push_back(open.seal(last)?);
    }
    Ok(())
}
