//! A replay of what the topics have kept, after an archive of the rest, gives the same bytes as a replay of the whole topics,
//! and so do exports and joins of features.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::log::topics;
use archive::store::Dir;
use archive::{Format, Running, Settings, Share};
use harness::kafka::Broker;
use harness::{stderr, wait_until};
use sources::kafka;
use tempfile::TempDir;

use super::past::{DAY, START, write_topics};
use super::{files, vitrine};

const SOON: Duration = Duration::from_secs(120);
const TOPICS: [&str; 2] = ["views", "history-removals"];

/// Archives the topics up to their ends.
pub(crate) fn archive(broker: &Broker, topic_names: &[&str], dir: &Path, format: Format) {
    let settings = Settings { age_max: Duration::from_secs(1), format, ..Settings::default() };
    let kafka = kafka::Settings::new(broker.bootstrap(), topic_names.iter().copied(), Duration::from_secs(1));
    let log = topics(&kafka, vec![]).expect("sound settings");
    let running = Running::start(settings, Share::ALL, Arc::new(Dir::new(dir)), log, || ()).expect("a thread");
    let ends = topic_names
        .iter()
        .flat_map(|topic| (0..broker.partitions(topic)).map(|partition| broker.watermarks(topic, partition as i32).1));
    let records: i64 = ends.sum();
    wait_until(SOON, "all is in the archive", || {
        let partitions = running.status().get().partitions;
        partitions.values().map(|partition| partition.durable).sum::<i64>() == records
    });
    running.end_by(Instant::now() + SOON);
    running.finish();
}

fn replay(broker: &Broker, out: &Path, more: &[&str]) -> std::process::Output {
    let (from, until) = (START.to_string(), (START + 4 * DAY).to_string());
    let brokers = format!("kafka.brokers={}", broker.bootstrap());
    let mut args = vec!["replay", "--from", &from, "--until", &until, "--every", "1d", "--set", &brokers, "--out"];
    args.push(out.to_str().expect("a plain name"));
    args.extend(more);
    vitrine(&args)
}

/// The features of all users as of one time, and before the times of some rows. `more`: where the archive is.
fn features(broker: &Broker, dir: &Path, more: &[&str]) -> [Vec<u8>; 2] {
    let (brokers, at) = (format!("kafka.brokers={}", broker.bootstrap()), (START + 3 * DAY).to_string());
    let path = |name: &str| dir.join(name).to_str().expect("a plain name").to_owned();
    let (rows, exported, joined) = (path("rows.jsonl"), path("features.jsonl"), path("joined.jsonl"));
    let row = |hour: u64| {
        let (user, at) = (hour % 12, START + hour * DAY / 24);
        format!("{{\"user_id\":\"user-{user}\",\"product_id\":\"product-{}\",\"event_time\":{at}}}\n", hour % 30)
    };
    std::fs::write(&rows, (0..96).map(row).collect::<String>()).expect("a file is written");
    let export = ["features", "export", "--set", &brokers, "--at", &at, "--out", &exported];
    let join = ["features", "join", "--set", &brokers, "--rows", &rows, "--out", &joined];
    [(&export[..], &exported), (&join[..], &joined)].map(|(args, out)| {
        let output = vitrine(&[args, more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read(out).expect("the file is there")
    })
}

#[test]
fn the_archive_and_then_the_topics_give_what_the_whole_topics_give() {
    let broker = Broker::start();
    write_topics(&broker);
    let dir = TempDir::new().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);
    let whole = replay(&broker, &at("whole"), &[]);
    assert!(whole.status.success(), "{}", stderr(&whole));
    let whole_features = features(&broker, dir.path(), &[]);
    archive(&broker, &TOPICS, &at("parquet"), Format::Parquet);
    archive(&broker, &TOPICS, &at("json"), Format::Json);

    // Of one partition the topic keeps a part, of another one nothing, of the third one all; of the removals a part.
    for (topic, partition, first_kept) in [("views", 0, 40), ("views", 1, 133), ("history-removals", 0, 15)] {
        broker.truncate(topic, partition, first_kept);
    }
    let expected = files(&at("whole"));
    for format in ["parquet", "json"] {
        let (set, out) = (format!("archive.to={}", at(format).display()), at(&format!("of-{format}")));
        let output = replay(&broker, &out, &["--set", &set, "--workers", "2"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let found = files(&out);
        let differing: Vec<_> = expected.iter().filter(|(name, bytes)| found.get(*name) != Some(*bytes)).collect();
        assert!(differing.is_empty(), "{format}: {:?}", differing.iter().map(|(name, _)| name).collect::<Vec<_>>());
        assert_eq!(found.len(), expected.len());
        assert!(features(&broker, dir.path(), &["--set", &set]) == whole_features, "{format}: the features differ");
    }
    let alone = features(&broker, dir.path(), &[]);
    assert!((0..2).all(|file| alone[file] != whole_features[file]), "the topics alone would do");
    let alone = replay(&broker, &at("alone"), &[]);
    assert!(alone.status.success() && files(&at("alone")) != expected, "the topics alone would do");

    // The archive ends before what the topic has.
    broker.produce_at("views", Some(1), (START + 6 * DAY).cast_signed(), ["{}", "{}"]);
    broker.truncate("views", 1, 134);
    let to = format!("archive.to={}", at("parquet").display());
    let gap = replay(&broker, &at("gap"), &["--set", &to]);
    assert_eq!(gap.status.code(), Some(1));
    let named = "the offsets 133 to 133 of views/1 are neither in the archive nor in the topic";
    assert!(stderr(&gap).contains(named), "{}", stderr(&gap));
    let skipped = replay(&broker, &at("skipped"), &["--set", &to, "--set", "archive.gaps=skip"]);
    assert!(skipped.status.success(), "{}", stderr(&skipped));
}
