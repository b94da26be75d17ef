//! CPU time of the archiver for a million records, without reading them from Kafka: `cargo run --example cost [parquet|jsonl]`.

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

const RECORDS: i64 = 1_000_000;

/// 2026-11-29T05:00:00Z.
const START_MS: u64 = 1_795_928_400_000;

/// Views in one partition, ten a second.
struct Views;

impl Log for Views {
    type Tail = ViewsTail;

    fn topics(&self) -> Vec<Arc<str>> {
        vec!["views".into()]
    }

    fn serve(&mut self) {}

    fn look(&mut self) -> Looked {
        let id = PartitionId { topic: "views".into(), partition: 0 };
        Looked { ends: BTreeMap::from([(id, Ends { low: 0, high: RECORDS })]), ..Looked::default() }
    }

    fn start(&mut self, _: &PartitionId, next: i64, _: &Waker) -> Result<ViewsTail, String> {
        Ok(ViewsTail(next))
    }
}

/// The offset that is given next.
struct ViewsTail(i64);

impl LogTail for ViewsTail {
    fn read(&mut self, take: &mut dyn FnMut(Given<'_>) -> bool) {
        while self.0 < RECORDS {
            let (offset, number) = (self.0, self.0.unsigned_abs());
            self.0 += 1;
            let (user, product) = (number.wrapping_mul(7919) % 50_000, number.wrapping_mul(104_729) % 10_000);
            let at = START_MS + number * 100;
            let payload = format!(
                r#"{{"event":"ProductView","messageid":"{number:08x}-3f0e-4a53-9f0f-{:012x}","userid":"user-{user}","properties":{{"productid":"product-{product}"}},"context":{{"source":"mobile-app"}},"timestamp":{}.{:03}}}"#,
                number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16,
                at / 1000,
                at % 1000
            );
            let key = format!("user-{user}");
            let record = LogRecord {
                offset,
                next: offset + 1,
                time: Some(RecordTime::from(at)),
                key: Some(key.as_bytes()),
                payload: Some(payload.as_bytes()),
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
    let generated = {
        let before = cpu();
        ViewsTail(0).read(&mut |given| matches!(given, Given::Record(_)));
        cpu() - before
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let settings = Settings { format, rate_mb_max: 0, ..Settings::default() };
    let status = SharedStatus::default();
    let mut archiver = Archiver::new(settings, Share::ALL, Arc::new(Dir::new(dir.path())), Views, status.clone());
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
        "{format:?}: {} records in {} files of {} bytes; CPU s per million: {:.2}, of which making the records took {:.2}",
        seen.records,
        seen.files,
        seen.bytes,
        used.as_secs_f64(),
        generated.as_secs_f64()
    );
}
