//! The feed of the Kafka source on the log in memory: the records it rejects, and the progress it reports.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use dataflow::feed::{FeedProgress, StreamFingerprint, Waker};
use dataflow::graph::Plan;
use dataflow::publish::PublishedSnapshots;
use dataflow::source_status::SourceRegistry;
use dataflow::time::{Millis, Time};
use dataflow::worker_graph::WorkerGraph;
use events::TimeBounds;
use rdkafka::Message;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::OwnedMessage;
use sources::kafka;
use sources::kafka::driver::{self, SourceParts};
use sources::kafka::upstream::{Ends, Fetch, PartitionId, Reread, Tail, Taken, TopicLookup, Unanswered, Upstream};
use timely::communication::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::worker::Worker;

use super::reading::{Broker, Client, Reading};
use super::{Event, EventBody, Log, SharedLog, TOPICS};
use crate::clock::{BEGINNING, Clock};
use crate::world::{self, RULES};

const MINUTE_MS: Millis = 60_000;
const HOUR_MS: Millis = 60 * MINUTE_MS;
const DAY_MS: Millis = 24 * HOUR_MS;

/// A view with the time `at`, in a record of the time `appended_at`.
fn append(log: &SharedLog, at: Millis, appended_at: Millis) {
    let mut log = log.borrow_mut();
    let uid = log.happen(Event { user: 0, product: 0, at, body: EventBody::View });
    assert!(log.append(uid, 0, appended_at));
}

/// The records that a process started at `now` reads, `budget` at a time, until no more come.
struct Read {
    fed: Vec<FeedProgress>,
    /// Offsets of rejected records.
    refused: Vec<i64>,
    accepted: u64,
}

fn read(log: &SharedLog, now: Time, budget: usize) -> Read {
    let (upstream, fetch) = (Broker::new(log.clone(), None), Client::new(log.clone(), None));
    read_through(upstream, fetch, false, now, budget)
}

fn read_through<U: Upstream>(
    upstream: U,
    fetch: impl Fetch + 'static,
    answered_before: bool,
    now: Time,
    budget: usize,
) -> Read {
    let dictionary = world::dictionary();
    let plan = Plan::new(RULES, dictionary.clone());
    let config = dataflow::workers::config(1, 300).worker;
    let mut worker = Worker::new(config, Allocator::Thread(Thread::default()), Some(Instant::now()));
    let mut worker_graph = WorkerGraph::new(&mut worker, &plan, &Arc::new(PublishedSnapshots::new(1)));
    let (registry, (letters_in, letters)) = (Arc::new(SourceRegistry::default()), sync_channel(100));
    let (mut watching, mut feed) = driver::open(SourceParts {
        upstream,
        fetch,
        topics: TOPICS.into_iter().map(Into::into).collect(),
        erasures: None,
        resume: Arc::new(|_, _| None),
        answered_before,
        clock: Arc::new(Clock::new(now)),
        status: registry.clone(),
        dead_letters: letters_in,
        bounds: TimeBounds { now: 0, future_max: 5 * MINUTE_MS, past_max: 3650 * DAY_MS },
    });
    let mut fed = vec![feed.feed(worker_graph.inputs(), budget)];
    // The second check repairs the damage that the first read met.
    for _ in 0..2 {
        watching.look(true);
        loop {
            fed.push(feed.feed(worker_graph.inputs(), budget));
            if fed.last().is_some_and(|fed| fed.records == 0) {
                break;
            }
        }
    }
    let accepted =
        registry.snapshot().into_iter().find(|view| view.name == kafka::NAME).map_or(0, |view| view.accepted);
    Read { fed, refused: letters.try_iter().map(|letter| letter.offset).collect(), accepted }
}

#[test]
fn whoever_reads_a_record_whenever_refuses_or_takes_it_alike() {
    let log = Log::new(None);
    for (at, appended_at) in [
        (BEGINNING, BEGINNING),
        // A phone that is an hour fast, and a phone whose clock lost its battery.
        (BEGINNING + HOUR_MS, BEGINNING),
        (1, BEGINNING),
        (BEGINNING + 4 * MINUTE_MS, BEGINNING),
        // A producer that is four minutes fast, with a phone that is even faster.
        (BEGINNING + 8 * MINUTE_MS, BEGINNING + 4 * MINUTE_MS),
        (BEGINNING + 10 * MINUTE_MS, BEGINNING + 4 * MINUTE_MS),
        (BEGINNING - DAY_MS, BEGINNING),
    ] {
        append(&log, at, appended_at);
    }
    for later in [0, 2 * HOUR_MS, 12 * 365 * DAY_MS] {
        let read = read(&log, BEGINNING + later, 100);
        assert_eq!((read.refused, read.accepted), (vec![1, 2, 5], 4), "{later} ms later");
    }
}

#[test]
fn a_backfill_is_dated_by_its_records_and_not_by_one_that_is_dated_ahead() {
    let (log, records, budget) = (Log::new(None), 1000, 100);
    let now = BEGINNING + 30 * DAY_MS;
    let due = |nth: u64| BEGINNING + nth * MINUTE_MS;
    for nth in 0..records {
        let appended_at = match nth {
            // Producers with wrong clocks: one is ahead of the present, one is ahead of its neighbours.
            210 => now + DAY_MS,
            450 => now - DAY_MS,
            _ => due(nth),
        };
        append(&log, due(nth), appended_at);
    }
    let read = read(&log, now, budget);
    let reached: Vec<Option<Time>> = read.fed.iter().map(|fed| fed.reached).collect();
    assert_eq!(reached[0], Some(0), "nobody has looked yet");
    // After each turn: the time of the earliest record of the turn, and no time when all records have been read.
    let expected = (0..records / budget as u64 - 1).map(|turn| Some(due(turn * budget as u64)));
    assert_eq!(reached[1..10], expected.collect::<Vec<_>>());
    assert!(reached[10..].iter().all(Option::is_none), "{reached:?}");
    assert_eq!((read.accepted, read.refused), (records, vec![]));
}

/// A client that receives one record damaged, once: it reports this, and continues after the record.
struct Damaging {
    client: Client,
    offset: i64,
    done: Rc<Cell<bool>>,
}

struct DamagedTail {
    reading: Reading,
    offset: i64,
    done: Rc<Cell<bool>>,
}

impl Fetch for Damaging {
    type Tail = DamagedTail;

    fn start(&self, id: &PartitionId, next: i64, waker: &Waker) -> KafkaResult<DamagedTail> {
        let reading = self.client.start(id, next, waker)?;
        Ok(DamagedTail { reading, offset: self.offset, done: self.done.clone() })
    }

    fn serve(&self) {}
}

impl Tail for DamagedTail {
    type Record<'a> = OwnedMessage;

    fn fill(&mut self, limit: usize) {
        self.reading.fill(limit);
    }

    fn take(&self) -> Option<Taken<OwnedMessage>> {
        match self.reading.take()? {
            Taken::Record(message) if message.offset() == self.offset && !self.done.replace(true) => {
                Some(Taken::Failed(KafkaError::MessageConsumption(RDKafkaErrorCode::BadMessage)))
            }
            taken => Some(taken),
        }
    }

    fn stop(self) {
        self.reading.stop();
    }
}

#[test]
fn what_comes_behind_damaged_records_is_not_taken_for_what_follows() {
    for budget in [1, 100] {
        let (log, done) = (Log::new(None), Rc::new(Cell::new(false)));
        (0..9).for_each(|nth| append(&log, BEGINNING + nth, BEGINNING + nth));
        let fetch = Damaging { client: Client::new(log.clone(), None), offset: 4, done: done.clone() };
        let read = read_through(Broker::new(log.clone(), None), fetch, false, BEGINNING + HOUR_MS, budget);
        assert!(done.get(), "it came");
        assert_eq!((read.accepted, read.refused), (9, vec![]), "each of them once");
    }
}

/// A broker that cannot report the state of the topic of removals.
struct Leaderless(Broker);

impl Upstream for Leaderless {
    fn serve(&self) {}

    fn look_up(&self, topic: &str) -> Result<TopicLookup, Unanswered> {
        if topic == TOPICS[1] { Ok(TopicLookup::Refused("it has no leader".to_owned())) } else { self.0.look_up(topic) }
    }

    fn ends(&self, ids: &[PartitionId]) -> Result<BTreeMap<PartitionId, Ends>, Unanswered> {
        self.0.ends(ids)
    }

    fn reread(
        &self,
        remembered: &BTreeMap<PartitionId, StreamFingerprint>,
    ) -> Result<BTreeMap<PartitionId, Reread>, Unanswered> {
        self.0.reread(remembered)
    }
}

#[test]
fn a_topic_that_cannot_be_read_yet_is_waited_for_where_it_was_answered_with() {
    for answered_before in [false, true] {
        let log = Log::new(None);
        append(&log, BEGINNING, BEGINNING);
        let (upstream, fetch) = (Leaderless(Broker::new(log.clone(), None)), Client::new(log.clone(), None));
        let read = read_through(upstream, fetch, answered_before, BEGINNING + HOUR_MS, 100);
        assert_eq!(read.accepted, 1, "the other topic is read");
        assert_eq!(read.fed.last().and_then(|fed| fed.reached), answered_before.then_some(0));
    }
}
