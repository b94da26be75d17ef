//! A log in memory: topics with partitions and offsets. Aborted transactions, retention, lost ends and topics created
//! again under the same name leave the same traces as on a real broker.

mod event;
pub(crate) mod reading;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dataflow::time::{Millis, Time};
use rdkafka::Timestamp;
use rdkafka::message::OwnedMessage;

use crate::plant::Plant;
use crate::world;

pub(crate) use event::Event;
pub use event::EventBody;

/// The topics: what users do, and what the service writes: removals, erasures, rules.
pub(crate) const TOPICS: [&str; 2] = ["views", "removals"];

/// Limit of partitions of a topic.
pub(crate) const PARTITIONS_MAX: usize = 4;

/// The number of an event, unique over all topics and times.
pub(crate) type Uid = usize;

/// A record that was given to a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    pub(crate) uid: Uid,
    pub(crate) partition: i32,
    /// The time of the record.
    pub(crate) recorded: Millis,
    /// The open tick of the process.
    pub(crate) tick: Time,
}

/// A step of the process: it closes a tick, or is started with a state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// The tick that it opens then. At a start: the tick of the state.
    pub(crate) tick: Time,
    /// Up to which time it has forgotten events; none at a start.
    pub(crate) forgotten: Option<Time>,
}

/// What was given to a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    /// The records, in their order.
    pub(crate) deliveries: Vec<Delivery>,
    /// The erasures that were given ahead of the records, with the open ticks in which they were.
    pub(crate) ahead: Vec<(Uid, Time)>,
    /// The steps in between.
    pub(crate) steps: Vec<Step>,
}

/// The content at an offset.
#[derive(Clone, Copy, Debug)]
struct Record {
    uid: Uid,
    appended_at: Millis,
}

#[derive(Debug, Default)]
struct Partition {
    /// The first offset that still exists.
    low: i64,
    /// By offset from 0; `None` for records of aborted transactions and their markers.
    records: Vec<Option<Record>>,
}

impl Partition {
    fn high(&self) -> i64 {
        self.records.len() as i64
    }

    fn get(&self, offset: i64) -> Option<Record> {
        self.records.get(usize::try_from(offset).ok()?).copied().flatten()
    }
}

#[derive(Debug)]
struct Topic {
    partitions: Vec<Partition>,
    /// The topic lost records or was created again: from then on its first records do not expire. Otherwise no record
    /// might be left at a fingerprint's offset, which would prove nothing.
    troubled: bool,
}

/// A broker that keeps all acknowledged records until it is told to lose them.
#[derive(Debug)]
pub(crate) struct Log {
    topics: BTreeMap<&'static str, Topic>,
    pub(crate) events: Vec<Event>,
    /// Events whose producer received an acknowledgement.
    acknowledged: BTreeSet<Uid>,
    /// Events that are gone from the log, whether or not they were read.
    destroyed: BTreeSet<Uid>,
    /// What was given to the running process, or to the process whose state it started with.
    pub(crate) given: Given,
    /// Erasures that were found ahead and not given yet.
    found: Vec<Uid>,
    /// The open tick of the running process.
    pub(crate) open_tick: Time,
    /// Where each event was written last, and when.
    written: BTreeMap<Uid, (usize, Millis)>,
    /// With a planted bug: events that are not given again.
    lost: BTreeSet<Uid>,
    plant: Option<Plant>,
}

/// Shared by the shop, the watcher and the feed.
pub(crate) type SharedLog = Rc<RefCell<Log>>;

impl Log {
    pub(crate) fn new(plant: Option<Plant>) -> SharedLog {
        let topic = |partitions: usize| Topic {
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            troubled: false,
        };
        Rc::new(RefCell::new(Log {
            topics: TOPICS.into_iter().zip([topic(2), topic(1)]).collect(),
            events: Vec::new(),
            acknowledged: BTreeSet::new(),
            destroyed: BTreeSet::new(),
            given: Given::default(),
            found: Vec::new(),
            open_tick: 0,
            written: BTreeMap::new(),
            lost: BTreeSet::new(),
            plant,
        }))
    }

    /// An event happens; no topic has it yet.
    pub(crate) fn happen(&mut self, event: Event) -> Uid {
        self.events.push(event);
        self.events.len() - 1
    }

    /// The producer of the event received the acknowledgement.
    pub(crate) fn acknowledge(&mut self, uid: Uid) {
        self.acknowledged.insert(uid);
    }

    /// Appends an event to a partition; returns whether the partition exists.
    pub(crate) fn append(&mut self, uid: Uid, partition: usize, now: Millis) -> bool {
        let name = TOPICS[usize::from(self.events[uid].body.is_of_service())];
        let Some(topic) = self.topics.get_mut(name) else { return false };
        let partitions = topic.partitions.len();
        topic.partitions[partition % partitions].records.push(Some(Record { uid, appended_at: now }));
        self.written.insert(uid, (partition % partitions, now));
        true
    }

    /// The producer of one of the last `back` events of users sends it once more, to the partition of the first time.
    pub(crate) fn repeat(&mut self, back: usize, now: Millis) {
        let of_users = (0..self.events.len()).rev().filter(|uid| !self.events[*uid].body.is_of_service());
        let Some((uid, (partition, before))) =
            of_users.take(back + 1).last().and_then(|uid| Some((uid, *self.written.get(&uid)?)))
        else {
            return;
        };
        // Two equal records of one time could not be told apart by a fingerprint.
        if before < now {
            self.append(uid, partition, now);
        }
    }

    /// The time of the latest version of a rule.
    pub(crate) fn rule_written_at(&self, number: usize) -> Option<Millis> {
        let versions =
            self.events.iter().filter(|event| matches!(event.body, EventBody::Rule { rule, .. } if rule == number));
        versions.map(|event| event.at).max()
    }

    /// The running process is given records in this tick, and before them the erasures that it has found.
    pub(crate) fn open(&mut self, tick: Time) {
        self.open_tick = tick;
        self.given.ahead.extend(std::mem::take(&mut self.found).into_iter().map(|uid| (uid, tick)));
    }

    /// The running process looks for the first time: it finds the erasures that there are.
    pub(crate) fn look_ahead(&mut self) {
        let partitions = self.topics.get(TOPICS[1]).into_iter().flat_map(|topic| &topic.partitions);
        let records = partitions.flat_map(|partition| partition.records.iter().skip(partition.low as usize)).flatten();
        let found = records.map(|record| record.uid).filter(|uid| self.events[*uid].body == EventBody::Erasure);
        self.found = found.collect();
    }

    /// A process starts, with the state that this has made, as of a tick if there was anything.
    pub(crate) fn start_from(&mut self, given: Given, restored: Option<Time>) {
        if self.plant == Some(Plant::ErasedUserRestored) {
            let is_erasure = |delivery: &&Delivery| self.is_erasure(delivery);
            let all = |given: &Given| -> BTreeSet<Uid> {
                given.deliveries.iter().filter(is_erasure).map(|delivery| delivery.uid).collect()
            };
            let lost: Vec<Uid> = all(&self.given).difference(&all(&given)).copied().collect();
            self.lost.extend(lost);
        }
        (self.given, self.found) = (given, Vec::new());
        self.given.steps.extend(restored.map(|tick| Step { tick, forgotten: None }));
    }

    /// The running process has opened this tick, and forgotten events up to a time.
    pub(crate) fn close(&mut self, tick: Time, forgotten: Time) {
        self.given.steps.push(Step { tick, forgotten: Some(forgotten) });
    }

    /// Whether the running process was given an erasure in a later tick.
    pub(crate) fn has_erasure_after(&self, tick: Time) -> bool {
        let Given { deliveries, ahead, .. } = &self.given;
        let mut read = deliveries.iter().filter(|delivery| self.is_erasure(delivery));
        read.any(|erasure| erasure.tick > tick) || ahead.iter().any(|(_, given)| *given > tick)
    }

    fn is_erasure(&self, delivery: &Delivery) -> bool {
        self.events[delivery.uid].body == EventBody::Erasure
    }

    /// A transaction of `records` records is aborted.
    pub(crate) fn abort(&mut self, topic: usize, partition: usize, records: usize) {
        let Some(topic) = self.topics.get_mut(TOPICS[topic % TOPICS.len()]) else { return };
        let partitions = topic.partitions.len();
        topic.partitions[partition % partitions].records.extend((0..=records).map(|_| None));
    }

    /// Whether a partition of the topic begins with aborted records: a reader that has passed them may have read no
    /// record that could serve as a fingerprint.
    pub(crate) fn is_nameless(&self, topic: usize) -> bool {
        let topic = self.topics.get(TOPICS[topic % TOPICS.len()]);
        let first = |partition: &Partition| partition.records.get(usize::try_from(partition.low).ok()?).copied();
        topic.is_some_and(|topic| topic.partitions.iter().any(|partition| matches!(first(partition), Some(None))))
    }

    /// Deletes the topic.
    pub(crate) fn delete(&mut self, topic: usize) {
        if let Some(topic) = self.topics.remove(TOPICS[topic % TOPICS.len()]) {
            let gone = topic.partitions.iter().flat_map(|partition| &partition.records).flatten();
            self.destroyed.extend(gone.map(|record| record.uid));
        }
    }

    /// Creates the topic if it does not exist.
    pub(crate) fn create(&mut self, topic: usize, partitions: usize) {
        let partitions = (0..1 + partitions % PARTITIONS_MAX).map(|_| Partition::default()).collect();
        self.topics.entry(TOPICS[topic % TOPICS.len()]).or_insert(Topic { partitions, troubled: true });
    }

    /// Adds one partition to the topic.
    pub(crate) fn add_partition(&mut self, topic: usize) {
        if let Some(topic) = self.topics.get_mut(TOPICS[topic % TOPICS.len()])
            && topic.partitions.len() < PARTITIONS_MAX
        {
            topic.partitions.push(Partition::default());
        }
    }

    /// A partition loses its last committed records, at most `records` of them, and everything after them.
    pub(crate) fn truncate(&mut self, topic: usize, partition: usize, records: usize) {
        let Some(topic) = self.topics.get_mut(TOPICS[topic % TOPICS.len()]) else { return };
        topic.troubled = true;
        let partitions = topic.partitions.len();
        let partition = &mut topic.partitions[partition % partitions];
        let low = usize::try_from(partition.low).unwrap_or(0);
        let committed = (low..partition.records.len()).rev().filter(|at| partition.records[*at].is_some());
        if let Some(cut) = committed.take(records.max(1)).last() {
            let gone = partition.records.drain(cut..).flatten().map(|record| record.uid);
            self.destroyed.extend(gone);
        }
    }

    /// The first records of a partition expire; the last committed record stays.
    pub(crate) fn expire(&mut self, topic: usize, partition: usize, records: usize) {
        let Some(topic) = self.topics.get_mut(TOPICS[topic % TOPICS.len()]).filter(|topic| !topic.troubled) else {
            return;
        };
        let partitions = topic.partitions.len();
        let partition = &mut topic.partitions[partition % partitions];
        let Some(last) = partition.records.iter().rposition(Option::is_some) else { return };
        let low = (partition.low + records as i64).min(last as i64);
        let (from, to) = (partition.low as usize, (low.max(partition.low)) as usize);
        self.destroyed.extend(partition.records[from..to].iter().flatten().map(|record| record.uid));
        partition.low = to as i64;
    }

    /// An acknowledged event that is still in the log and that the running process does not have.
    pub(crate) fn missed(&self) -> Option<Uid> {
        let delivered: BTreeSet<Uid> = self.given.deliveries.iter().map(|delivery| delivery.uid).collect();
        let promised = self.acknowledged.iter().filter(|uid| !self.destroyed.contains(uid));
        promised.copied().find(|uid| !delivered.contains(uid))
    }

    fn message(&self, topic: &str, partition: i32, offset: i64, record: Record) -> OwnedMessage {
        let (mut event, id) = (self.events[record.uid], record.uid.to_string());
        let payload = match (&mut event.body, self.plant) {
            (EventBody::Rule { .. }, Some(Plant::HideAfterTake)) => event.nothing(&id),
            (EventBody::Rule { until, .. }, Some(Plant::RuleEndIgnored)) => {
                *until = None;
                event.payload(&id)
            }
            _ if self.lost.contains(&record.uid) => event.nothing(&id),
            _ => event.payload(&id),
        };
        let (payload, key) = (Some(payload.into_bytes()), Some(world::user(event.user).into_bytes()));
        let timestamp = Timestamp::CreateTime(record.appended_at as i64);
        OwnedMessage::new(payload, key, topic.to_owned(), timestamp, partition, offset, None)
    }
}
