//! A log in memory: partitions with records that become visible in time, offsets that nobody can read, and times that go
//! back and forth over hours.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use archive::LogRecord;
use archive::log::{Given, Log, LogTail, Looked};
use dataflow::feed::Waker;
use events::RecordTime;
use harness::Dice;
use sources::kafka::upstream::{Ends, PartitionId};

/// 2026-11-29T05:00:00Z.
pub(crate) const START_MS: u64 = 1_795_928_400_000;

/// A time after those of nearly all records: 600 of them, half a minute apart.
pub(crate) const END_MS: u64 = START_MS + 6 * 3_600_000;

/// The bytes of a record as they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
}

/// Whether a record is of the user, by its key or its event.
pub(crate) fn is_of(written: &Written, user: &str) -> bool {
    let event = format!(r#"{{"user_id":{user},"#);
    written.key.as_deref() == Some(user.as_bytes())
        || written.payload.as_ref().is_some_and(|payload| payload.starts_with(event.as_bytes()))
}

#[derive(Clone)]
struct Record {
    offset: i64,
    time: Option<u64>,
    written: Written,
}

#[derive(Default)]
struct Partition {
    records: Vec<Record>,
    low: i64,
    /// Records that can be seen, and the end that belongs to them.
    visible: usize,
    end: i64,
}

#[derive(Clone)]
pub(crate) struct MemoryLog {
    topic: Arc<str>,
    partitions: Arc<Mutex<BTreeMap<i32, Partition>>>,
    dice: Arc<Mutex<Dice>>,
    /// The age at which records may be deleted.
    pub(crate) retention: Option<Duration>,
}

fn record(dice: &mut Dice, offset: i64, clock: &mut u64) -> Record {
    *clock += dice.below(60_000);
    let time = match dice.below(40) {
        0 => None,
        1 => Some(clock.saturating_sub(dice.below(30 * 3_600_000))),
        2 => Some(*clock + dice.below(400 * 86_400_000)),
        _ => Some(clock.saturating_sub(dice.below(120_000))),
    };
    let user = dice.below(50);
    let payload = match dice.below(20) {
        0 => None,
        1 => Some(b"\xff no event".to_vec()),
        n => Some(
            format!(
                r#"{{"user_id":{user},"product_id":{n},"event_type":"view","session_id":"s{user}","noise":"{:x}"}}"#,
                dice.roll()
            )
            .into_bytes(),
        ),
    };
    let key = (dice.below(3) > 0).then(|| user.to_string().into_bytes());
    Record { offset, time, written: Written { key, payload } }
}

impl MemoryLog {
    pub(crate) fn new(dice: &mut Dice, partitions: i32) -> MemoryLog {
        let mut all = BTreeMap::new();
        for partition in 0..partitions {
            let (mut offset, mut clock) = (dice.below(1000_i64), START_MS);
            let mut made = Partition { low: offset, end: offset, ..Partition::default() };
            for _ in 0..600 {
                // Transaction markers, aborted records, compaction.
                offset += if dice.below(10) == 0 { dice.below(20_i64) } else { 0 };
                made.records.push(record(dice, offset, &mut clock));
                offset += 1;
            }
            all.insert(partition, made);
        }
        let dice = Arc::new(Mutex::new(dice.clone()));
        MemoryLog { topic: "views".into(), partitions: Arc::new(Mutex::new(all)), dice, retention: None }
    }

    /// A log of these payloads, by partition, each with the time of its record. All are visible.
    pub(crate) fn of(partitions: &[Vec<(u64, String)>]) -> MemoryLog {
        let mut all = BTreeMap::new();
        for (number, payloads) in (0..).zip(partitions) {
            let record = |(offset, (time, payload)): (i64, &(u64, String))| Record {
                offset,
                time: Some(*time),
                written: Written { key: None, payload: Some(payload.clone().into_bytes()) },
            };
            let records: Vec<Record> = (0..).zip(payloads).map(record).collect();
            let (visible, end) = (records.len(), i64::try_from(records.len()).expect("a small number"));
            all.insert(number, Partition { records, low: 0, visible, end });
        }
        let dice = Arc::new(Mutex::new(Dice::new(1)));
        MemoryLog { topic: "views".into(), partitions: Arc::new(Mutex::new(all)), dice, retention: None }
    }

    /// Some more records become visible.
    pub(crate) fn grow(&self, dice: &mut Dice) {
        for partition in self.partitions.lock().expect("no holder of this lock panics").values_mut() {
            let more = dice.below(12_usize);
            partition.visible = (partition.visible + more).min(partition.records.len());
            if partition.visible > 0 {
                // The end may be beyond the last record that can be read.
                let next = partition.records.get(partition.visible).map_or(i64::MAX, |record| record.offset);
                let last = partition.records[partition.visible - 1].offset;
                let beyond = if next == i64::MAX { last + 1 } else { next };
                partition.end = partition.end.max(if dice.below(2) == 0 { last + 1 } else { beyond });
            }
        }
    }

    /// All records are visible.
    pub(crate) fn complete(&self) {
        for partition in self.partitions.lock().expect("no holder of this lock panics").values_mut() {
            partition.visible = partition.records.len();
            partition.end = partition.records.last().map_or(partition.low, |record| record.offset + 1);
        }
    }

    /// Deletes the first half of a partition; returns its last offset.
    pub(crate) fn truncate(&self, partition: i32) -> i64 {
        let mut partitions = self.partitions.lock().expect("no holder of this lock panics");
        let partition = partitions.get_mut(&partition).expect("a partition");
        partition.records.drain(..300);
        partition.visible = partition.records.len();
        partition.low = partition.records[0].offset;
        partition.records.last().expect("a record").offset
    }

    /// Appends records, of which the first `lost` offsets are deleted at once; returns how many are lost.
    pub(crate) fn append_and_lose(&self, partition: i32, lost: i64) -> u64 {
        let mut partitions = self.partitions.lock().expect("no holder of this lock panics");
        let partition = partitions.get_mut(&partition).expect("a partition");
        let (mut dice, mut clock) = (Dice::new(5), START_MS);
        let first = partition.end + lost;
        partition.records = (first..first + 20).map(|offset| record(&mut dice, offset, &mut clock)).collect();
        (partition.low, partition.visible, partition.end) = (first, 20, first + 20);
        lost.unsigned_abs()
    }

    /// Another topic of the same name, with these many records. With more records it is the same other topic, which has grown.
    pub(crate) fn recreate(&self, partition: i32, count: i64) {
        let mut partitions = self.partitions.lock().expect("no holder of this lock panics");
        let (mut dice, mut clock) = (Dice::new(9), START_MS);
        let records: Vec<Record> = (0..count).map(|offset| record(&mut dice, offset, &mut clock)).collect();
        partitions.insert(partition, Partition { visible: records.len(), end: count, low: 0, records });
    }

    /// Deletes the topic.
    pub(crate) fn delete(&self) {
        self.partitions.lock().expect("no holder of this lock panics").clear();
    }

    /// The last `count` records of a partition are not visible for a while.
    pub(crate) fn hide(&self, partition: i32, count: usize) {
        let mut partitions = self.partitions.lock().expect("no holder of this lock panics");
        let partition = partitions.get_mut(&partition).expect("a partition");
        partition.visible = partition.records.len() - count;
        partition.end = partition.records[partition.visible].offset;
    }

    /// All records by partition and offset.
    pub(crate) fn written(&self) -> BTreeMap<(i32, i64), Written> {
        let partitions = self.partitions.lock().expect("no holder of this lock panics");
        let all = partitions.iter().flat_map(|(number, partition)| {
            partition.records.iter().map(|record| ((*number, record.offset), record.written.clone()))
        });
        all.collect()
    }
}

impl Log for MemoryLog {
    type Tail = MemoryTail;

    fn topics(&self) -> Vec<Arc<str>> {
        vec![self.topic.clone()]
    }

    fn serve(&mut self) {}

    fn look(&mut self) -> Looked {
        let partitions = self.partitions.lock().expect("no holder of this lock panics");
        let ends = partitions.iter().map(|(number, partition)| {
            let id = PartitionId { topic: self.topic.clone(), partition: *number };
            (id, Ends { low: partition.low, high: partition.end })
        });
        let retention = self.retention.map(|age| (self.topic.clone(), age)).into_iter().collect();
        let missing: Vec<Arc<str>> = partitions.is_empty().then(|| self.topic.clone()).into_iter().collect();
        let troubles = missing.iter().map(|topic| format!("topic {topic} does not exist")).collect();
        Looked { ends: ends.collect(), troubles, missing, retention }
    }

    fn start(&mut self, id: &PartitionId, next: i64, _: &Waker) -> Result<MemoryTail, String> {
        if self.dice.lock().expect("no holder of this lock panics").below(10) == 0 {
            return Err("no leader".into());
        }
        Ok(MemoryTail { log: self.clone(), partition: id.partition, next })
    }
}

pub(crate) struct MemoryTail {
    log: MemoryLog,
    partition: i32,
    next: i64,
}

impl LogTail for MemoryTail {
    fn read(&mut self, take: &mut dyn FnMut(Given<'_>) -> bool) {
        let partitions = self.log.partitions.lock().expect("no holder of this lock panics");
        let Some(partition) = partitions.get(&self.partition) else { return };
        let mut dice = self.log.dice.lock().expect("no holder of this lock panics");
        if dice.below(50) == 0 {
            take(Given::Failed("the connection broke".into()));
            return;
        }
        let most = dice.below(60_usize);
        let unread = partition.records[..partition.visible].iter().filter(|record| record.offset >= self.next);
        let batch: Vec<&Record> = unread.take(most).collect();
        for record in &batch {
            self.next = record.offset + 1;
            let given = LogRecord {
                offset: record.offset,
                next: record.offset + 1,
                time: record.time.map(RecordTime::from),
                key: record.written.key.as_deref(),
                payload: record.written.payload.as_deref(),
            };
            if !take(Given::Record(given)) {
                return;
            }
        }
        if batch.len() < most {
            self.next = self.next.max(partition.end);
            take(Given::End(partition.end));
        }
    }

    fn stop(self) {}
}
