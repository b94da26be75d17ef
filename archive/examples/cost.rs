//! CPU time of the archiver's thread for a million records, without reading them from Kafka: `cargo run --example cost [parquet|jsonl]`.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::log::{Given, Log, LogTail, Looked};
use archive::status::SharedStatus;
use archive::store::Dir;
use archive::{Archiver, Format, LogRecord, Now, Settings, Share};
use dataflow::feed::Waker;
use events::RecordTime;
use sources::kafka::upstream::{Ends, PartitionId};

/// The allocator of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECORDS: i64 = 1_000_000;

/// 2026-11-29T05:00:00Z.
const START_MS: u64 = 1_795_928_400_000;

/// Texts, one after the other.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }

    fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes[start..self.ends[index]]
    }
}

/// The records of a partition with ten views a second, made before anything is measured.
#[derive(Default)]
struct Views {
    keys: Texts,
    payloads: Texts,
}

impl Views {
    fn new() -> Views {
        let mut views = Views::default();
        for number in 0..RECORDS.unsigned_abs() {
            let (user, product) = (number.wrapping_mul(7919) % 50_000, number.wrapping_mul(104_729) % 10_000);
            let (at, id) = (START_MS + number * 100, number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16);
            let (seconds, millis) = (at / 1000, at % 1000);
            views.keys.push(&format!("user-{user}"));
            views.payloads.push(&format!(
                r#"{{"event":"ProductView","messageid":"{number:08x}-3f0e-4a53-9f0f-{id:012x}","userid":"user-{user}","properties":{{"productid":"product-{product}"}},"context":{{"source":"mobile-app"}},"timestamp":{seconds}.{millis:03}}}"#
            ));
        }
        views
    }
}

impl<'a> Log for &'a Views {
    type Tail = ViewsTail<'a>;

    fn topics(&self) -> Vec<Arc<str>> {
        vec!["views".into()]
    }

    fn serve(&mut self) {}

    fn look(&mut self) -> Looked {
        let id = PartitionId { topic: "views".into(), partition: 0 };
        Looked { ends: BTreeMap::from([(id, Ends { low: 0, high: RECORDS })]), ..Looked::default() }
    }

    fn start(&mut self, _: &PartitionId, next: i64, _: &Waker) -> Result<ViewsTail<'a>, String> {
        Ok(ViewsTail { views: self, next })
    }
}

/// The records from an offset on.
struct ViewsTail<'a> {
    views: &'a Views,
    next: i64,
}

impl LogTail for ViewsTail<'_> {
    fn read(&mut self, take: &mut dyn FnMut(Given<'_>) -> bool) {
        while self.next < RECORDS {
            let (offset, index) = (self.next, usize::try_from(self.next).expect("not negative"));
            self.next += 1;
            let record = LogRecord {
                offset,
                next: offset + 1,
                time: Some(RecordTime::from(START_MS + offset.unsigned_abs() * 100)),
                key: Some(self.views.keys.get(index)),
                payload: Some(self.views.payloads.get(index)),
            };
            if !take(Given::Record(record)) {
                return;
            }
        }
    }

    fn stop(self) {}
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    Duration::from_nanos(text.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("a number"))
}

fn main() {
    let json = std::env::args().nth(1).is_some_and(|format| format == "jsonl");
    let format = if json { Format::Json } else { Format::Parquet };
    let views = Views::new();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = Settings { format, rate_mb_max: 0, ..Settings::default() };
    let status = SharedStatus::default();
    let mut archiver = Archiver::new(settings, Share::ALL, Arc::new(Dir::new(dir.path())), &views, status.clone());
    let (begun, before) = (Instant::now(), cpu());
    while status.get().records + 1 < RECORDS.unsigned_abs() {
        archiver.turn(Now { since_start: begun.elapsed(), wall_ms: START_MS + 1_000_000_000 });
        if status.get().partitions.values().any(|partition| partition.next == RECORDS) {
            archiver.flush(|| true);
            break;
        }
    }
    let (used, seen) = (cpu() - before, status.get());
    println!(
        "{format:?}: {} records in {} files of {} bytes; CPU s per million: {:.2}",
        seen.records,
        seen.files,
        seen.bytes,
        used.as_secs_f64(),
    );
}
