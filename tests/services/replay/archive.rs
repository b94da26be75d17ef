//! A replay of what the topics have kept, after an archive of the rest, gives the same bytes as a replay of the whole topics,
//! and so do exports and joins of features, a training and an evaluation. Where both do not meet, the offsets are named.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use archive::log::topics;
use archive::store::{Dir, Store as _};
use archive::{Format, Running, Settings, Share};
use harness::kafka::Broker;
use harness::{stderr, stdout, wait_until};
use sources::kafka;
use tempfile::TempDir;

use super::past::{DAY, START, records_of, write_topics};
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

fn replay(broker: &Broker, out: &Path, more: &[&str]) -> Output {
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

fn train(broker: &Broker, models: &Path, more: &[&str]) -> Output {
    let (brokers, until) = (format!("kafka.brokers={}", broker.bootstrap()), (START + 4 * DAY).to_string());
    let models = models.to_str().expect("a plain name");
    let small = ["--set", "models.als.pairs_min=10", "--set", "models.als.factors=8"];
    vitrine(&[&["train", "--set", &brokers, "--until", &until, "--dir", models], &small[..], more].concat())
}

/// What is learned: the first model, and the report of an evaluation. `more`: where the archive is.
fn learned(broker: &Broker, dir: &Path, more: &[&str]) -> [Vec<u8>; 2] {
    let place = TempDir::new_in(dir).expect("a temporary directory");
    let (models, report) = (place.path().join("models"), place.path().join("report.html"));
    let trained = train(broker, &models, more);
    assert!(trained.status.success(), "{}", stderr(&trained));
    let brokers = format!("kafka.brokers={}", broker.bootstrap());
    // No removal in this time is in the period of a view of the same user, so that their order does not matter.
    let (from, until) = ((START + 65 * DAY / 24).to_string(), (START + 4 * DAY).to_string());
    let evaluate = ["evaluate", "--set", &brokers, "--from", &from, "--until", &until, "--chain", "co_views"];
    let minutes = ["--set", "models.co_views.every_ms=60000", "--out", report.to_str().expect("a plain name")];
    let evaluated = vitrine(&[&evaluate[..], &minutes[..], more].concat());
    assert!(evaluated.status.success(), "{}", stderr(&evaluated));
    [models.join("als-000000000001.model"), report].map(|file| std::fs::read(file).expect("the file is there"))
}

/// Merges an archive that has a file of somebody else: it is named and left, and all of the archive is sound.
fn tend(place: &Path) {
    let foreign = place.join("views/notes.txt");
    std::fs::write(&foreign, "mine").expect("a file is written");
    let run = |action: &str| {
        let output = vitrine(&["archive", action, "--to", place.to_str().expect("a plain name")]);
        assert!(output.status.success(), "{action}: {}", stderr(&output));
        stdout(&output)
    };
    run("compact");
    for (action, whole) in
        [("ls", "views/1: offsets 0 to 132 in 1 segments, "), ("verify", "views/1: sound, 133 rows in 1 segments")]
    {
        let said = run(action);
        assert!(said.contains(whole) && said.contains("not of the archive: views/notes.txt"), "{said}");
    }
    assert_eq!(std::fs::read_to_string(foreign).expect("it is still there"), "mine");
}

/// Removes all records of a user from an archive, which stays sound.
fn erase(place: &Path, records: usize) {
    let run = |args: &[&str]| {
        let output = vitrine(&[&["archive"], args, &["--to", place.to_str().expect("a plain name")]].concat());
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        stdout(&output)
    };
    for records in [records, 0] {
        let said = run(&["erase", "--user", "user-3"]);
        assert!(said.starts_with(&format!("removed {records} records of 1 users from ")), "{said}");
    }
    assert!(run(&["verify"]).contains(": sound, "));
}

/// A replay and a training end with these words.
fn expect_refusal(broker: &Broker, out: &Path, set: &str, words: &str) {
    let more = ["--set", set];
    for output in [replay(broker, out, &more), train(broker, &out.join("models"), &more)] {
        assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
}

#[test]
fn the_archive_and_then_the_topics_give_what_the_whole_topics_give() {
    let broker = Broker::start();
    write_topics(&broker);
    let dir = TempDir::new().expect("a temporary directory");
    let at = |name: &str| dir.path().join(name);
    let whole = replay(&broker, &at("whole"), &[]);
    assert!(whole.status.success(), "{}", stderr(&whole));
    let made = |more: &[&str]| [features(&broker, dir.path(), more), learned(&broker, dir.path(), more)].concat();
    let whole_made = made(&[]);
    archive(&broker, &TOPICS, &at("parquet"), Format::Parquet);
    tend(&at("parquet"));
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
        let differing: Vec<bool> =
            made(&["--set", &set]).iter().zip(&whole_made).map(|(one, all)| one != all).collect();
        assert_eq!(differing, [false; 4], "{format}: an export, a join, a model, a report");
    }
    assert!(made(&[]).iter().zip(&whole_made).all(|(alone, all)| alone != all), "the topics alone would do");
    let alone = replay(&broker, &at("alone"), &[]);
    assert!(alone.status.success() && files(&at("alone")) != expected, "the topics alone would do");

    // The archive ends before what the topic has.
    broker.produce_at("views", Some(1), (START + 6 * DAY).cast_signed(), ["{}", "{}"]);
    broker.truncate("views", 1, 134);
    let to = format!("archive.to={}", at("parquet").display());
    let gap = "the offsets 133 to 133 of views/1 are neither in the archive nor in the topic";
    expect_refusal(&broker, &at("gap"), &to, gap);
    let skipped = replay(&broker, &at("skipped"), &["--set", &to, "--set", "archive.gaps=skip"]);
    assert!(skipped.status.success(), "{}", stderr(&skipped));

    // Another archiver has written to the same place.
    let store = Dir::new(at("parquet"));
    let files = store.list("views/").expect("the directory can be read");
    let first = files.iter().find(|file| file.name.contains("/1-0-132.")).expect("it was merged");
    let bytes = store.get(&first.name).expect("the file can be read");
    store.put(&first.name.replace("/1-0-132.", "/1-1-134."), bytes).expect("the directory can be written");
    let double = "views/1 begins in the archive, which cannot be read: it has the offsets 1 to 132 several times";
    expect_refusal(&broker, &at("overlap"), &to, double);

    erase(&at("json"), records_of(3));
}
