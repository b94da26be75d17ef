//! Reads the erasures in the topic of removals, from the position kept for it up to its present end.
//!
//! The topic is read with clients of its own, and once more as all topics are: see [`crate::erasures`]. A topic that is missing
//! has none.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Position, Waker};
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::ServiceClock;
use events::{Decoder, TimeBounds};

use super::fingerprint::{Ends, Evidence, Judgement};
use super::join::{Joined, Kept, join};
use super::kept::{Found, KeptRecords};
use super::notify::Notify;
use super::past::{Past, PastRecords, PastTaken};
use super::record::raw_record;
use super::upstream::{Fetch, Lend as _, PartitionId, Record, Tail, Taken, TopicLookup, Unanswered, Upstream};
use super::watch::PastWithGaps;
use super::{Resume, Settings, SettingsError, connect};
use crate::erasures::{ErasedAtStart, ErasureGate, KnownErasures};

/// The part of the status that is reported here; the watcher and the workers have other numbers.
const PART: usize = usize::MAX - 1;

/// Records taken from the client at a time.
const FILL_MAX: usize = 1024;

/// The rest before another try.
const REST: Duration = Duration::from_millis(500);

/// The longest wait for the next record of a partition, before another try.
const SILENT_MAX: Duration = Duration::from_secs(60);

/// The longest sleep before it is seen that the source ends.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// Reads the topic.
pub(super) struct ErasureReader<U, F> {
    pub(super) upstream: U,
    pub(super) fetch: F,
    pub(super) topic: Arc<str>,
    pub(super) resume: Resume,
    pub(super) past: Option<Arc<dyn Past>>,
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) dictionary: Arc<Dictionary>,
}

impl<U: Upstream, F: Fetch> ErasureReader<U, F> {
    /// Reads the erasures. `wait` waits for the next record of a partition. Its argument is the time since the last one.
    pub(super) fn read(
        &self,
        mut wait: impl FnMut(&PartitionId, Duration) -> Result<(), Unanswered>,
    ) -> Result<ErasedAtStart, Unanswered> {
        self.upstream.serve();
        let mut scan = Scan {
            decoder: Decoder::default(),
            bounds: TimeBounds::around(self.clock.now()),
            dictionary: &self.dictionary,
            erased: ErasedAtStart::default(),
        };
        for (id, (joined, end)) in self.ranges()? {
            let mut wait = |silent: Duration| {
                self.fetch.serve();
                wait(&id, silent)
            };
            if let (Some(past), Some(archived)) = (&self.past, &joined.archived) {
                let mut records = past.open(&id, archived.clone(), &Waker::of_this_thread());
                scan.read_archive(&id, &mut *records, &mut wait)?;
            }
            if joined.in_topic < end {
                let tail = self.fetch.start(&id, joined.in_topic, &Waker::of_this_thread());
                let mut tail = tail.map_err(|error| unreadable(&id, &error.to_string()))?;
                let read = scan.read_topic(&id, &mut tail, end, &mut wait);
                tail.stop();
                read?;
            }
        }
        Ok(scan.erased)
    }

    /// From where to where each partition is read.
    fn ranges(&self) -> Result<BTreeMap<PartitionId, (Joined, i64)>, Unanswered> {
        let partitions = match self.upstream.look_up(&self.topic)? {
            TopicLookup::Partitions(partitions) => partitions,
            TopicLookup::Missing => return Ok(BTreeMap::new()),
            TopicLookup::Refused(reason) => return Err(Unanswered(reason)),
        };
        let ids: Vec<PartitionId> =
            partitions.into_iter().map(|partition| PartitionId { topic: self.topic.clone(), partition }).collect();
        let ends = self.upstream.ends(&ids)?;
        let kept = |id: &PartitionId| (self.resume)(&id.topic, id.partition);
        let positions = ends.keys().filter_map(|id| Some((id.clone(), kept(id)?))).collect();
        let records = KeptRecords::read_again(&self.upstream, &positions, &ends)?;
        if let Some(id) = records.unanswered().first() {
            return Err(unreadable(id, "it does not give the record that was read last"));
        }
        let range = |(id, ends): (PartitionId, Ends)| -> Result<_, Unanswered> {
            let joined = self.start(&id, positions.get(&id), records.of(&id), ends)?;
            Ok((id, (joined, ends.high)))
        };
        ends.into_iter().map(range).collect()
    }

    /// Where the source itself begins to read a partition, whatever is missing there.
    fn start(
        &self,
        id: &PartitionId,
        position: Option<&Position>,
        found: Found,
        ends: Ends,
    ) -> Result<Joined, Unanswered> {
        let fingerprint = position.and_then(|kept| kept.fingerprint);
        let next = position.map_or(ends.low, |kept| kept.next);
        let evidence = Evidence { next, ends, low_before: 0, reread: found.confirming, failed: false, returned: false };
        let judgement = evidence.judge();
        let judged = evidence.resume(&judgement, fingerprint, found.last);
        let is_in_topic = judgement == Judgement::Replaced || (judgement == Judgement::Sound && fingerprint.is_some());
        let Some(past) = self.past.as_deref().filter(|_| !is_in_topic && ends.low > 0) else {
            return Ok(Joined::topic(judged));
        };
        let kept = position.map(|kept| Kept { next: kept.next, is_confirmed: fingerprint.is_some() });
        join(Some(&PastWithGaps(past)), id, kept, ends).map_err(|error| Unanswered(error.to_string()))
    }
}

/// The erasures found so far.
struct Scan<'a> {
    decoder: Decoder,
    bounds: TimeBounds,
    dictionary: &'a Dictionary,
    erased: ErasedAtStart,
}

impl Scan<'_> {
    /// A record that is malformed is refused when it is read in its place.
    fn add(&mut self, id: &PartitionId, record: &Record<'_>) {
        let Some(record) = raw_record(id, record) else { return };
        if let Ok(event) = self.decoder.decode(&record, &self.bounds) {
            self.erased.add(&event, |user| self.dictionary.find_user(user));
        }
    }

    /// Reads all of these records.
    fn read_archive(
        &mut self,
        id: &PartitionId,
        records: &mut dyn PastRecords,
        wait: &mut impl FnMut(Duration) -> Result<(), Unanswered>,
    ) -> Result<(), Unanswered> {
        let mut since = Instant::now();
        loop {
            match records.take() {
                None => wait(since.elapsed())?,
                Some(PastTaken::End) => return Ok(()),
                Some(PastTaken::Failed(reason)) => return Err(unreadable(id, &reason)),
                Some(PastTaken::Record(record)) => {
                    self.add(id, &record);
                    since = Instant::now();
                }
            }
        }
    }

    /// Reads a partition up to `end`.
    fn read_topic(
        &mut self,
        id: &PartitionId,
        tail: &mut impl Tail,
        end: i64,
        wait: &mut impl FnMut(Duration) -> Result<(), Unanswered>,
    ) -> Result<(), Unanswered> {
        let mut since = Instant::now();
        loop {
            tail.fill(FILL_MAX);
            let mut has_arrived = false;
            while let Some(taken) = tail.take() {
                has_arrived = true;
                match taken {
                    Taken::Record(taken) => {
                        let record = taken.lend();
                        self.add(id, &record);
                        if record.offset + 1 >= end {
                            return Ok(());
                        }
                    }
                    Taken::End(_) => return Ok(()),
                    Taken::Failed(error) => return Err(unreadable(id, &error.to_string())),
                }
            }
            match has_arrived {
                true => since = Instant::now(),
                false => wait(since.elapsed())?,
            }
        }
    }
}

fn unreadable(id: &PartitionId, reason: &str) -> Unanswered {
    Unanswered(format!("partition {id} cannot be read: {reason}"))
}

/// The thread that reads the topic for all feeds of a source, from the first one on. Dropping it ends the thread.
pub(super) struct ErasureThread {
    start: StartWith,
    known: Arc<KnownErasures>,
    notify: Arc<Notify>,
    thread: OnceLock<Option<JoinHandle<()>>>,
}

/// What the thread starts with.
pub(super) struct StartWith {
    pub(super) settings: Settings,
    pub(super) topic: Arc<str>,
    pub(super) resume: Resume,
    pub(super) past: Option<Arc<dyn Past>>,
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) status: Arc<SourceStatus>,
}

impl ErasureThread {
    pub(super) fn new(start: StartWith) -> Self {
        start.status.state(PART, State::CatchingUp);
        ErasureThread { start, known: Arc::default(), notify: Arc::default(), thread: OnceLock::new() }
    }

    /// The erasures, once they are read.
    pub(super) fn known(&self) -> Arc<KnownErasures> {
        self.known.clone()
    }

    /// The gate of one more feed.
    pub(super) fn gate(&self, dictionary: &Arc<Dictionary>, waker: Waker) -> ErasureGate {
        self.thread.get_or_init(|| match self.spawn(dictionary) {
            Ok(thread) => Some(thread),
            Err(reason) => {
                let reason = format!("the erasures cannot be read: {reason}");
                self.start.status.state(PART, State::Stopped(reason));
                None
            }
        });
        self.known.gate(waker)
    }

    fn spawn(&self, dictionary: &Arc<Dictionary>) -> Result<JoinHandle<()>, SettingsError> {
        let StartWith { settings, topic, resume, past, clock, status } = &self.start;
        let (upstream, fetch) = connect(settings)?;
        let (topic, resume, past, clock) = (topic.clone(), resume.clone(), past.clone(), clock.clone());
        let reader = ErasureReader { upstream, fetch, topic, resume, past, clock, dictionary: dictionary.clone() };
        let (known, notify, status) = (self.known.clone(), self.notify.clone(), status.clone());
        std::thread::Builder::new()
            .name("kafka-erasures".into())
            .spawn(move || run(&reader, &known, &notify, &status))
            .map_err(|error| SettingsError::Refused(format!("no thread to read erasures: {error}")))
    }
}

impl Drop for ErasureThread {
    fn drop(&mut self) {
        self.notify.stop();
        if let Some(Some(thread)) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that reads erasures had ended in a panic");
        }
    }
}

/// Tries until the topic has been read.
fn run<U: Upstream, F: Fetch>(
    reader: &ErasureReader<U, F>,
    known: &KnownErasures,
    notify: &Notify,
    status: &SourceStatus,
) {
    let mut last_reason = None;
    while !notify.is_stopped() {
        let read = reader.read(|id, silent| {
            std::thread::park_timeout(SLEEP_MAX);
            match notify.is_stopped() || silent > SILENT_MAX {
                true => Err(unreadable(id, "nothing has come from it for a minute")),
                false => Ok(()),
            }
        });
        match read {
            Ok(erased) => {
                status.state(PART, State::Live);
                return known.set(erased);
            }
            Err(Unanswered(reason)) => {
                if last_reason.as_ref() != Some(&reason) {
                    let topic = &*reader.topic;
                    tracing::warn!(topic, reason, "the erasures cannot be read yet: events wait for them");
                }
                known.set_unreadable();
                status.state(PART, State::Retrying(format!("erasures are read before all events: {reason}")));
                last_reason = Some(reason);
                notify.wait(REST, REST);
            }
        }
    }
}
