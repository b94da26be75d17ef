//! The log as the Kafka source sees it: the requests of its watcher, and the partitions it reads. As with a real
//! client, no call tells that a topic was replaced by another of the same name.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use dataflow::feed::{StreamFingerprint, Waker};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::OwnedMessage;
use sources::kafka::upstream::{
    self, Ends, Fetch, PartitionId, Reread, Tail, Taken, TopicLookup, Unanswered, Upstream,
};

use super::{Delivery, SharedLog};
use crate::plant::Plant;

/// The requests of the watcher.
pub(crate) struct Broker {
    log: SharedLog,
    plant: Option<Plant>,
    /// For planted bugs: the topics and partitions that this process has seen.
    partitions: RefCell<BTreeMap<String, usize>>,
    ends: RefCell<BTreeMap<PartitionId, i64>>,
}

impl Broker {
    pub(crate) fn new(log: SharedLog, plant: Option<Plant>) -> Self {
        Broker { log, plant, partitions: RefCell::default(), ends: RefCell::default() }
    }
}

impl Upstream for Broker {
    fn serve(&self) {}

    fn look_up(&self, topic: &str) -> Result<TopicLookup, Unanswered> {
        let log = self.log.borrow();
        let Some(found) = log.topics.get(topic) else { return Ok(TopicLookup::Missing) };
        let mut count = found.partitions.len();
        if self.plant == Some(Plant::IgnoredNewPartition) {
            count = count.min(*self.partitions.borrow_mut().entry(topic.to_owned()).or_insert(count));
        }
        Ok(TopicLookup::Partitions((0..count as i32).collect()))
    }

    fn ends(&self, ids: &[PartitionId]) -> Result<BTreeMap<PartitionId, Ends>, Unanswered> {
        let log = self.log.borrow();
        let ends = |id: &PartitionId| {
            let partition = log.topics.get(&*id.topic).and_then(|topic| topic.partitions.get(id.partition as usize));
            let partition = partition.ok_or_else(|| Unanswered(format!("partition {id} is not known")))?;
            let (mut low, high) = (partition.low, partition.high());
            if self.plant == Some(Plant::ResetToLatest) {
                let first = *self.ends.borrow_mut().entry(id.clone()).or_insert(high);
                low = low.max(first).min(high);
            }
            Ok((id.clone(), Ends { low, high }))
        };
        ids.iter().map(ends).collect()
    }

    fn reread(
        &self,
        remembered: &BTreeMap<PartitionId, StreamFingerprint>,
    ) -> Result<BTreeMap<PartitionId, Reread>, Unanswered> {
        let log = self.log.borrow();
        let reread = |(id, record): (&PartitionId, &StreamFingerprint)| {
            let partition = log.topics.get(&*id.topic)?.partitions.get(id.partition as usize)?;
            let from = record.at.max(partition.low);
            let found = (from..partition.high()).find_map(|offset| Some((offset, partition.get(offset)?)));
            let found = found.map(|(offset, found)| log.message(&id.topic, id.partition, offset, found));
            let found = found.map(|found| upstream::fingerprint(&upstream::record(&found)));
            let reread = match self.plant {
                Some(Plant::IgnoredTopicId) => Reread::Same,
                _ => Reread::compare(record, found.as_ref()),
            };
            Some((id.clone(), reread))
        };
        Ok(remembered.iter().filter_map(reread).collect())
    }
}

/// The client of a worker's feed, or of what looks ahead for erasures.
pub(crate) struct Client {
    log: SharedLog,
    plant: Option<Plant>,
    looks_ahead: bool,
}

impl Client {
    pub(crate) fn new(log: SharedLog, plant: Option<Plant>) -> Self {
        Client { log, plant, looks_ahead: false }
    }

    /// The client of what looks ahead.
    pub(crate) fn looking_ahead(log: SharedLog, plant: Option<Plant>) -> Self {
        Client { looks_ahead: true, ..Client::new(log, plant) }
    }
}

impl Fetch for Client {
    type Tail = Reading;

    fn start(&self, id: &PartitionId, next: i64, _waker: &Waker) -> KafkaResult<Reading> {
        let skips = self.plant == Some(Plant::ResumeBehind) && next > 0;
        let next = Cell::new(if skips { next + 1 } else { next });
        let (log, id, looks_ahead) = (self.log.clone(), id.clone(), self.looks_ahead);
        Ok(Reading { log, id, next, looks_ahead, ended: Cell::new(-1), failed: Cell::new(false) })
    }

    fn serve(&self) {}
}

/// One partition that is read. If its topic is replaced by another of the same name, reading continues at the old
/// offset without an error.
pub(crate) struct Reading {
    log: SharedLog,
    id: PartitionId,
    next: Cell<i64>,
    looks_ahead: bool,
    /// The end that was reported last.
    ended: Cell<i64>,
    /// Whether it was reported that the offset is out of range.
    failed: Cell<bool>,
}

impl Tail for Reading {
    type Record<'a> = OwnedMessage;

    /// Nothing is taken ahead: each record is looked up when it is given.
    fn fill(&mut self, _limit: usize) {}

    fn take(&self) -> Option<Taken<OwnedMessage>> {
        let mut log = self.log.borrow_mut();
        let partition = log.topics.get(&*self.id.topic)?.partitions.get(self.id.partition as usize)?;
        let (low, high, next) = (partition.low, partition.high(), self.next.get());
        if !(low..=high).contains(&next) {
            return (!self.failed.replace(true))
                .then(|| Taken::Failed(KafkaError::MessageConsumption(RDKafkaErrorCode::OffsetOutOfRange)));
        }
        self.failed.set(false);
        let Some(offset) = (next..high).find(|offset| partition.get(*offset).is_some()) else {
            self.next.set(high);
            return (self.ended.replace(high) != high).then_some(Taken::End(high));
        };
        let record = partition.get(offset)?;
        self.next.set(offset + 1);
        let (uid, recorded, tick) = (record.uid, record.appended_at, log.open_tick);
        if !self.looks_ahead {
            log.given.deliveries.push(Delivery { uid, partition: self.id.partition, recorded, tick });
        }
        Some(Taken::Record(log.message(&self.id.topic, self.id.partition, offset, record)))
    }

    fn stop(self) {}
}
