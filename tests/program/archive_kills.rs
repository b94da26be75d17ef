//! The program is killed at any moment while it archives a file of events: afterwards the archive has every line once, byte by
//! byte, as DuckDB reads it. A file of somebody else in the archive is named and left.
//!
//! ```text
//! views.jsonl ─▶ vitrine serve ─▶ archive ─▶ DuckDB ─▶ each line at its place?
//!   grows ▲          SIGKILL ┘ while it starts, or between two files
//! ```
//! `VITRINE_ARCHIVE_KILLS=200` kills it that often.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use events::view_json;
use harness::{Process, free_port, http, stderr, stdout, wait_until};
use vitrine::clock::wall_ms;

use crate::shop::SOON;
use crate::vitrine;

/// The setting with the number of kills.
const KILLS: &str = "VITRINE_ARCHIVE_KILLS";

/// Lines that are written between two kills.
const LINES: u64 = 400;

fn kills() -> usize {
    std::env::var(KILLS).map_or(4, |number| number.parse().unwrap_or_else(|_| panic!("{KILLS} is no number: {number}")))
}

/// A file of events, and the archive of it.
struct Place {
    dir: tempfile::TempDir,
    /// How many lines the file has.
    written: u64,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("data")).expect("a directory can be made");
        Place { dir, written: 0 }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("a plain name").to_owned()
    }

    /// Adds lines to the file. One event in eight is of an hour before, so that segments have several files.
    fn append(&mut self) {
        let mut text = String::new();
        for n in self.written..self.written + LINES {
            let (user, product) = (format!("user-{}", n * 7 % 40), format!("product-{}", (n * n + n / 3) % 60));
            let at = wall_ms() - if n.is_multiple_of(8) { 3_600_000 } else { 0 };
            text += &view_json(&user, &product, at, &n.to_string(), "web");
            text += "\n";
        }
        self.written += LINES;
        let file = OpenOptions::new().create(true).append(true).open(self.path("data/views.jsonl"));
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the file can be written");
    }

    /// The lines with the bytes at which they begin.
    fn lines(&self) -> Vec<(u64, String)> {
        let text = fs::read_to_string(self.path("data/views.jsonl")).expect("the file is there");
        let mut at = 0;
        let lines = text.lines().map(|line| {
            let begins = at;
            at += line.len() as u64 + 1;
            (begins, line.to_owned())
        });
        lines.collect()
    }

    /// The number of files in the archive; those that are being written do not count.
    fn files(&self) -> usize {
        parquet_files(&self.dir.path().join("archive"))
    }

    /// Starts the program; returns it with its address.
    fn serve(&self) -> (Process, String) {
        let listen = format!("127.0.0.1:{}", free_port());
        let sets = [
            format!("server.listen={listen}"),
            format!("files.dir={}", self.path("data")),
            format!("archive.to={}", self.path("archive")),
            "archive.age_max_s=1".into(),
        ];
        let mut command = harness::clean(env!("CARGO_BIN_EXE_vitrine"));
        command.arg("serve").args(sets.iter().flat_map(|set| ["--set", set]));
        (Process::spawn("vitrine", command), format!("http://{listen}"))
    }

    /// What DuckDB finds, by place.
    fn archived(&self) -> Vec<(u64, String)> {
        let script = "import duckdb, json, sys\n\
                      files = sys.argv[1] + '/views.jsonl/*/*/*.parquet'\n\
                      rows = duckdb.sql(f'select \"offset\", decode(raw) from read_parquet(\\'{files}\\') order by all')\n\
                      print(json.dumps(rows.fetchall()))";
        let mut command = Command::new(harness::python_program("python"));
        let output = command.args(["-c", script, &self.path("archive")]).output().expect("Python starts");
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).expect("rows of a number and a text")
    }
}

fn parquet_files(dir: &Path) -> usize {
    // What is not there yet, or not any more, has no files.
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let files = |path: &Path| usize::from(path.extension().is_some_and(|extension| extension == "parquet"));
    entries.map(|entry| entry.path()).map(|path| if path.is_dir() { parquet_files(&path) } else { files(&path) }).sum()
}

#[test]
fn every_line_is_archived_once_whenever_the_program_is_killed() {
    let mut place = Place::new();
    let foreign = place.path("archive/views.jsonl/notes.txt");
    fs::create_dir_all(place.path("archive/views.jsonl")).expect("a directory can be made");
    fs::write(&foreign, "mine").expect("a file can be written");
    for kill in 0..kills() {
        place.append();
        let before = place.files();
        let (mut process, address) = place.serve();
        let answers = || http::try_request("GET", &format!("{address}/livez"), &[], b"").is_ok();
        if kill.is_multiple_of(2) {
            wait_until(SOON, "one more file is in the archive", || place.files() > before);
        } else {
            wait_until(SOON, "the program answers", answers);
        }
        process.kill9();
    }
    place.append();
    let (mut process, address) = place.serve();
    wait_until(SOON, "everything is archived", || {
        let Ok(answer) = http::try_request("GET", &format!("{address}/v1/status"), &[], b"") else { return false };
        let partitions = answer.json()["archive"]["partitions"].as_array().cloned().unwrap_or_default();
        !partitions.is_empty() && partitions.iter().all(|partition| partition["lag"] == 0)
    });
    process.terminate();
    assert!(process.wait_exit(SOON).success(), "{}", process.stderr());
    assert!(place.archived() == place.lines(), "the archive differs from the file");
    assert!(process.stderr().contains("views.jsonl/notes.txt"), "{}", process.stderr());
    assert_eq!(fs::read_to_string(foreign).expect("it is still there"), "mine");
    let verified = vitrine(&["archive", "verify", "--to", &place.path("archive")]);
    assert!(verified.status.success() && stdout(&verified).contains("sound"), "{}", stdout(&verified));
}
