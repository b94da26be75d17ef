//! DuckDB and pyarrow read both formats from the tree as it is: every row, with its bytes and its columns.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use archive::chain::Survey;
use archive::compact::compact;
use archive::status::SharedStatus;
use archive::store::{Dir, Object, Store as _};
use archive::{Archiver, Format, Now, Settings, Share};
use harness::Dice;
use serde_json::Value;

use crate::memory_log::{self, MemoryLog};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/read_back.py");

/// Archives a log of a few hours into many small files.
fn archive(dir: &Path, format: Format) -> MemoryLog {
    let log = MemoryLog::new(&mut Dice::new(21), 2);
    log.complete();
    let age_max = Duration::from_secs(1);
    let settings = Settings { format, file_bytes_max: 8000, age_max, rate_mb_max: 0, ..Settings::default() };
    turns(dir, settings, &log, 400);
    log
}

/// Archives a partition with more rows of one hour than a page of a file has.
fn archive_an_hour(dir: &Path, format: Format) -> MemoryLog {
    let view = |user: u64| {
        let session = if user.is_multiple_of(3) { String::new() } else { format!(r#","session_id":"s{user}""#) };
        let payload = format!(
            r#"{{"user_id":{user},"product_id":{},"event_type":"view"{session},"noise":"{:040x}"}}"#,
            user % 100,
            u128::from(user).pow(3),
        );
        (memory_log::START_MS + user * 100, payload)
    };
    let log = MemoryLog::of(&[(1..=20_000).map(view).collect()]);
    let age_max = Duration::from_secs(86_400);
    turns(dir, Settings { format, age_max, rate_mb_max: 0, ..Settings::default() }, &log, 1200);
    log
}

fn turns(dir: &Path, settings: Settings, log: &MemoryLog, turns: u64) {
    let store = Arc::new(Dir::new(dir));
    let mut archiver = Archiver::new(settings, Share::ALL, store, log.clone(), SharedStatus::default());
    for second in 0..turns {
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: memory_log::START_MS + 86_400_000 });
    }
    assert!(archiver.flush(|| true));
}

/// The rows that each reader has found, by partition and offset; each only once.
pub(crate) fn read_back(dir: &Path, format: Format) -> BTreeMap<String, BTreeMap<(i64, i64), Vec<Value>>> {
    let output = Command::new(harness::python_program("python"))
        .arg(SCRIPT)
        .arg(dir)
        .arg(format.extension())
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", harness::stderr(&output));
    let mut readers: BTreeMap<String, BTreeMap<(i64, i64), Vec<Value>>> = BTreeMap::new();
    for line in harness::stdout(&output).lines() {
        let found: Value = serde_json::from_str(line).expect("the script prints JSON");
        let reader = found["reader"].as_str().expect("a name");
        let rows = readers.entry(reader.to_owned()).or_default();
        for row in found["rows"].as_array().expect("rows") {
            let row = row.as_array().expect("a row").clone();
            let place = (row[0].as_i64().expect("a partition"), row[1].as_i64().expect("an offset"));
            assert!(rows.insert(place, row).is_none(), "{reader}: {place:?} is there twice");
        }
    }
    readers
}

/// A value as the reader of Parquet gives it: bytes as hexadecimal digits.
pub(crate) fn hex(bytes: Option<&Vec<u8>>) -> Value {
    bytes.map_or(Value::Null, |bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// A value as the reader of JSON lines gives it: text, or nothing if the bytes are in the column for base64.
pub(crate) fn text(bytes: Option<&Vec<u8>>) -> Value {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).map_or(Value::Null, Into::into)
}

fn check(format: Format, shown: fn(Option<&Vec<u8>>) -> Value, archive: fn(&Path, Format) -> MemoryLog) -> Vec<Object> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let written = archive(dir.path(), format).written();
    let readers = read_back(dir.path(), format);
    assert_eq!(readers.keys().collect::<Vec<_>>(), ["duckdb", "pyarrow"]);
    for (reader, rows) in readers {
        assert_eq!(rows.len(), written.len(), "{reader}");
        let mut events = 0;
        assert!(
            rows.values().filter(|row| row[2].as_i64() > Some(0)).count() > written.len() * 9 / 10,
            "{reader}: times"
        );
        for ((partition, offset), expected) in &written {
            let row = &rows[&(i64::from(*partition), *offset)];
            assert_eq!(row[3], shown(expected.key.as_ref()), "{reader}: key of {partition}/{offset}");
            assert_eq!(row[8], shown(expected.payload.as_ref()), "{reader}: bytes of {partition}/{offset}");
            let Some(event) = expected.payload.as_ref().and_then(|raw| serde_json::from_slice::<Value>(raw).ok())
            else {
                assert_eq!(row[4..8], [Value::Null, Value::Null, Value::Null, Value::Null]);
                continue;
            };
            // A record that is dated far ahead of the clock is no event; it has its bytes alone.
            if row[6] != Value::Null {
                let user = event["user_id"].to_string();
                let product = event["product_id"].to_string();
                let fields = [user, product, "view".into()].map(Value::from);
                assert_eq!(row[4..7], fields, "{reader}: columns of {partition}/{offset}");
                assert_eq!(row[7], event["session_id"], "{reader}: session of {partition}/{offset}");
                events += 1;
            }
        }
        assert!(events > written.len() / 2, "{reader}: {events}");
    }
    Dir::new(dir.path()).list("").expect("a list")
}

#[test]
fn parquet_is_read_by_duckdb_and_pyarrow() {
    assert!(check(Format::Parquet, hex, archive).len() > 20, "many files");
}

#[test]
fn json_lines_are_read_by_duckdb_and_pyarrow() {
    assert!(check(Format::Json, text, archive).len() > 20, "many files");
}

#[test]
fn a_file_with_many_pages_is_read_by_duckdb_and_pyarrow() {
    assert_eq!(check(Format::Parquet, hex, archive_an_hour).len(), 1);
}

/// Merges an archive and puts back what was merged, in part: as an interrupted merging leaves it.
fn half_merged(dir: &Path) -> Survey {
    archive(dir, Format::Parquet);
    let store = Dir::new(dir);
    let names = || store.list("").expect("a list").into_iter().map(|object| object.name).collect::<Vec<_>>();
    let small: Vec<_> = names().into_iter().map(|name| (store.get(&name).expect("a file"), name)).collect();
    compact(&store, &Settings::default()).expect("files are merged");
    let merged = names();
    let mut count = 0;
    for (bytes, name) in small.into_iter().filter(|(_, name)| !merged.contains(name)) {
        // Every third closing file is gone, and its parts are not.
        count += 1;
        if name.contains(".part.") || count % 3 > 0 {
            store.put(&name, bytes).expect("a file");
        }
    }
    // Parts of a segment that was never closed.
    store.put("views/date=2026-11-29/hour=05/0-0-99999.part.parquet", "".into()).expect("a file");
    assert!(count > 20 && merged.len() > 2, "{count} of {}", merged.len());
    Survey::of(store.list("").expect("a list"))
}

#[test]
fn other_readers_find_the_files_that_count_by_their_names() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let survey = half_merged(dir.path());
    let doubles = survey.chains.values().map(|chain| chain.doubles.len()).sum::<usize>();
    assert!(doubles > 5 && survey.foreign.is_empty(), "{doubles} segments are double");
    let segments = survey.chains.values().flat_map(|chain| &chain.segments);
    let mut expected: Vec<String> =
        segments.flat_map(|segment| &segment.files).map(|file| file.name.to_string()).collect();
    expected.sort();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files_that_count.py");
    let output = Command::new(harness::python_program("python")).arg(script).arg(dir.path()).output();
    let output = output.expect("Python starts");
    assert!(output.status.success(), "{}", harness::stderr(&output));
    let text = harness::stdout(&output);
    let found: Vec<Vec<String>> = text.lines().map(|line| serde_json::from_str(line).expect("names")).collect();
    assert_eq!(found.len(), 2);
    for (reader, found) in ["Python", "SQL"].iter().zip(found) {
        assert_eq!(found, expected, "{reader}");
    }
}
