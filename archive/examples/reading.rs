//! Reads the same records from a topic and from its archive: `cargo run --example reading [RECORDS]`. Starts a Kafka broker.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::log::{Given, Log as _, LogTail as _, topics};
use archive::store::{Dir, Store as _};
use archive::{Archived, Running, Settings, Share};
use dataflow::feed::Waker;
use harness::kafka::Broker;
use harness::wait_until;
use sources::kafka;
use sources::kafka::past::{Past as _, PastTaken};
use sources::kafka::upstream::PartitionId;

const PARTITIONS: i32 = 3;
const BATCH: u64 = 100_000;
const PATIENCE: Duration = Duration::from_secs(600);

/// A view of the shop's app, as `cost` has it.
fn view(number: u64) -> String {
    let (user, product) = (number.wrapping_mul(7919) % 50_000, number.wrapping_mul(104_729) % 10_000);
    format!(
        r#"{{"event":"ProductView","messageid":"{number:08x}-3f0e-4a53-9f0f-{:012x}","userid":"user-{user}","properties":{{"productid":"product-{product}"}},"context":{{"source":"mobile-app"}},"timestamp":{}}}"#,
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16,
        1_795_928_400 + number / 1000,
    )
}

/// CPU time of this process, of all its threads.
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux tells it");
    cpu_of(&stat)
}

/// CPU time of the archiver's own thread: what librdkafka's threads do is not in it.
fn archiver_cpu() -> Duration {
    let threads = fs::read_dir("/proc/self/task").expect("Linux tells it").flatten().map(|thread| thread.path());
    let name_of = |thread: &Path| fs::read_to_string(thread.join("comm")).unwrap_or_default();
    let archiver = threads.filter(|thread| name_of(thread).trim() == "archive").last().expect("it runs");
    cpu_of(&fs::read_to_string(archiver.join("stat")).expect("it runs"))
}

fn cpu_of(stat: &str) -> Duration {
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    // After the name: field 14 and 15 of the line, in hundredths of a second.
    let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn measure(what: &str, records: u64, read: impl FnOnce() -> u64) {
    let (before, begun) = (cpu(), Instant::now());
    let found = read();
    let (wall, used) = (begun.elapsed().as_secs_f64(), (cpu() - before).as_secs_f64());
    assert_eq!(found, records, "{what}");
    #[expect(clippy::cast_precision_loss, reason = "millions")]
    let millions = records as f64 / 1e6;
    println!("{what}: {:.2} s and {:.2} CPU s per million records", wall / millions, used / millions);
}

fn partitions() -> impl Iterator<Item = PartitionId> {
    (0..PARTITIONS).map(|partition| PartitionId { topic: "views".into(), partition })
}

fn from_topic(settings: &kafka::Settings) -> u64 {
    let mut log = topics(settings, vec![]).expect("sound settings");
    let ends = log.look().ends;
    let waker = Waker::of_this_thread();
    let mut tails: Vec<_> = partitions()
        .map(|id| {
            (log.start(&id, 0, &waker).expect("the partition can be read"), ends.get(&id).map_or(0, |ends| ends.high))
        })
        .collect();
    let mut records = 0;
    while !tails.is_empty() {
        log.serve();
        let before = records;
        tails.retain_mut(|(tail, end)| {
            let mut next = 0;
            tail.read(&mut |given| {
                if let Given::Record(record) = given {
                    records += u64::from(record.payload.is_some());
                    next = record.next;
                }
                true
            });
            next < *end
        });
        if records == before {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
    records
}

fn from_archive(dir: &Path) -> u64 {
    let archive = Archived::open(Arc::new(Dir::new(dir)), &Settings::default()).expect("the archive can be listed");
    let waker = Waker::of_this_thread();
    let offsets = |id: &PartitionId| archive.offsets(id, 0).ok().flatten().map_or(0..0, |offsets| offsets.range);
    let mut readers: Vec<_> = partitions().map(|id| archive.open(&id, offsets(&id), &waker)).collect();
    let mut records = 0;
    while !readers.is_empty() {
        let before = records;
        readers.retain_mut(|reader| {
            loop {
                match reader.take() {
                    None => return true,
                    Some(PastTaken::Record(record)) => records += u64::from(record.payload.is_some()),
                    Some(PastTaken::End) => return false,
                    Some(PastTaken::Failed(reason)) => panic!("{reason}"),
                }
            }
        });
        if records == before {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
    records
}

fn main() {
    let records: u64 = std::env::args().nth(1).map_or(5_000_000, |count| count.parse().expect("a number of records"));
    let broker = Broker::start();
    broker.create_topic("views", PARTITIONS);
    for first in (0..records).step_by(usize::try_from(BATCH).expect("it fits")) {
        let partition = i32::try_from(first / BATCH).expect("it fits") % PARTITIONS;
        broker.produce("views", Some(partition), (first..(first + BATCH).min(records)).map(view));
    }
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = kafka::Settings::new(broker.bootstrap(), ["views"], Duration::from_secs(1));
    measure("archiving", records, || {
        let log = topics(&settings, vec![]).expect("sound settings");
        let unlimited = Settings { rate_mb_max: 0, age_max: Duration::from_secs(10), ..Settings::default() };
        let store = Arc::new(Dir::new(dir.path()));
        let running = Running::start(unlimited, Share::ALL, store, log, || ()).expect("a thread");
        wait_until(PATIENCE, "everything is archived", || running.status().get().records == records);
        println!("the archiver's own thread: {:.2} CPU s", archiver_cpu().as_secs_f64());
        running.end_by(Instant::now() + PATIENCE);
        running.finish();
        records
    });
    let bytes: u64 = Dir::new(dir.path()).list("").expect("a list").iter().map(|object| object.bytes).sum();
    println!("the archive has {bytes} bytes");
    for _ in 0..2 {
        measure("from the topic", records, || from_topic(&settings));
        measure("from the archive", records, || from_archive(dir.path()));
    }
}
