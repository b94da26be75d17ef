//! A log in memory: topics with partitions and offsets, of which aborted transactions, retention, lost ends and topics
//! made anew under the same name leave what they leave on a broker.

pub(crate) mod reading;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use dataflow::time::Millis;
use events::{removal_json, view_json};
use rdkafka::Timestamp;
use rdkafka::message::OwnedMessage;

use crate::world;

/// The topics: views, and removals.
pub(crate) const TOPICS: [&str; 2] = ["views", "removals"];

/// Partitions a topic has at most.
pub(crate) const PARTITIONS_MAX: usize = 4;

/// The number of an event, over all topics and times.
pub(crate) type Uid = usize;

/// What a shop's page says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) user: usize,
    pub(crate) product: usize,
    pub(crate) at: Millis,
    pub(crate) removal: bool,
}

/// What is at an offset.
#[derive(Clone, Copy, Debug)]
struct Record {
    uid: Uid,
    appended_at: Millis,
}

#[derive(Debug, Default)]
struct Partition {
    /// The first offset that is left.
    low: i64,
    /// By offset from 0; none where a transaction was aborted, or its marker is.
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
    /// It lost records, or was made anew: from then on its first records do not expire. Where a remembered record was
    /// nothing would be left, which proves nothing.
    troubled: bool,
}

/// A broker that keeps everything it has acknowledged, until it is told to lose it.
#[derive(Debug)]
pub(crate) struct Log {
    topics: BTreeMap<&'static str, Topic>,
    pub(crate) events: Vec<Event>,
    /// Acknowledged to whoever wrote them.
    acknowledged: BTreeSet<Uid>,
    /// Gone from the log, whether anybody has read them or not.
    destroyed: BTreeSet<Uid>,
    /// Given to the process that is running, or part of what it started from.
    pub(crate) delivered: BTreeSet<Uid>,
}

/// Shared by the shop, the watcher and the feed.
pub(crate) type SharedLog = Rc<RefCell<Log>>;

impl Log {
    pub(crate) fn new() -> SharedLog {
        let topic = |partitions: usize| Topic {
            partitions: (0..partitions).map(|_| Partition::default()).collect(),
            troubled: false,
        };
        Rc::new(RefCell::new(Log {
            topics: TOPICS.into_iter().zip([topic(2), topic(1)]).collect(),
            events: Vec::new(),
            acknowledged: BTreeSet::new(),
            destroyed: BTreeSet::new(),
            delivered: BTreeSet::new(),
        }))
    }

    /// An event happens; it is in no topic yet.
    pub(crate) fn happen(&mut self, event: Event) -> Uid {
        self.events.push(event);
        self.events.len() - 1
    }

    /// Whoever wrote the event was told that it is kept.
    pub(crate) fn acknowledge(&mut self, uid: Uid) {
        self.acknowledged.insert(uid);
    }

    /// Appends an event to a partition; whether there is one.
    pub(crate) fn append(&mut self, uid: Uid, partition: usize, now: Millis) -> bool {
        let name = TOPICS[usize::from(self.events[uid].removal)];
        let Some(topic) = self.topics.get_mut(name) else { return false };
        let partitions = topic.partitions.len();
        topic.partitions[partition % partitions].records.push(Some(Record { uid, appended_at: now }));
        true
    }

    /// A transaction of so many records is aborted.
    pub(crate) fn abort(&mut self, topic: usize, partition: usize, records: usize) {
        let Some(topic) = self.topics.get_mut(TOPICS[topic % TOPICS.len()]) else { return };
        let partitions = topic.partitions.len();
        topic.partitions[partition % partitions].records.extend((0..=records).map(|_| None));
    }

    /// Whether a partition of the topic begins with aborted records: whoever has passed them may have read nothing that the
    /// partition could be known by.
    pub(crate) fn is_nameless(&self, topic: usize) -> bool {
        let topic = self.topics.get(TOPICS[topic % TOPICS.len()]);
        let first = |partition: &Partition| partition.records.get(usize::try_from(partition.low).ok()?).copied();
        topic.is_some_and(|topic| topic.partitions.iter().any(|partition| matches!(first(partition), Some(None))))
    }

    /// The topic is deleted.
    pub(crate) fn delete(&mut self, topic: usize) {
        if let Some(topic) = self.topics.remove(TOPICS[topic % TOPICS.len()]) {
            let gone = topic.partitions.iter().flat_map(|partition| &partition.records).flatten();
            self.destroyed.extend(gone.map(|record| record.uid));
        }
    }

    /// The topic is made, if it is not there.
    pub(crate) fn create(&mut self, topic: usize, partitions: usize) {
        let partitions = (0..1 + partitions % PARTITIONS_MAX).map(|_| Partition::default()).collect();
        self.topics.entry(TOPICS[topic % TOPICS.len()]).or_insert(Topic { partitions, troubled: true });
    }

    /// The topic gets one more partition.
    pub(crate) fn add_partition(&mut self, topic: usize) {
        if let Some(topic) = self.topics.get_mut(TOPICS[topic % TOPICS.len()])
            && topic.partitions.len() < PARTITIONS_MAX
        {
            topic.partitions.push(Partition::default());
        }
    }

    /// A partition loses its last committed records, so many at most, and what lies behind them.
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

    /// A partition's first records expire; the last committed one stays.
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

    /// An event that somebody was promised, that is still to be had, and that the running process has not.
    pub(crate) fn missed(&self) -> Option<Uid> {
        let promised = self.acknowledged.iter().filter(|uid| !self.destroyed.contains(uid));
        promised.copied().find(|uid| !self.delivered.contains(uid))
    }

    fn message(&self, topic: &str, partition: i32, offset: i64, record: Record) -> OwnedMessage {
        let Event { user, product, at, removal } = self.events[record.uid];
        let (user, product, id) = (world::user(user), world::product(product), record.uid.to_string());
        let payload = match removal {
            true => removal_json(&user, &product, at, &id),
            false => view_json(&user, &product, at, &id, "simulation"),
        };
        let (payload, key) = (Some(payload.into_bytes()), Some(user.into_bytes()));
        let timestamp = Timestamp::CreateTime(record.appended_at as i64);
        OwnedMessage::new(payload, key, topic.to_owned(), timestamp, partition, offset, None)
    }
}
