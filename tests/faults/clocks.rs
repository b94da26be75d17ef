//! The wall clock is set an hour and a day ahead and back while the program runs.
//!
//! Only the program's clock is set: a small library that is loaded before the C library adds an offset, read from a
//! file, to the system's clock. The monotonic clock continues, as it does when a real clock is set.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::Services;
use tempfile::TempDir;

use crate::report::Report;
use crate::testbed::{Testbed, seconds};

const HOUR_S: i64 = 3600;
const DAY_S: i64 = 24 * HOUR_S;
/// Less than the jump ahead that is believed.
const BELIEVED_S: i64 = HOUR_S - 60;
/// In this order, each from where the one before has left it.
const JUMPS: [(&str, i64); 6] = [
    ("a day ahead, which is refused", DAY_S),
    ("as much back", -DAY_S),
    ("nearly an hour ahead, which is believed", BELIEVED_S),
    ("as much back", -BELIEVED_S),
    ("an hour ahead, which is refused", HOUR_S + 60),
    ("as much back", -HOUR_S - 60),
];

const LIBRARY: &str = include_str!("clock.c");

/// Each jump while it runs; from the seventh on the program is killed right afterwards, and starts at that time.
pub(crate) fn jumped(services: &Services, report: &mut Report, times: usize) {
    let scratch = TempDir::with_prefix("vitrine-clock-").expect("a temporary directory");
    let library = match build(scratch.path()) {
        Ok(library) => library,
        Err(why) => return report.skip(&why),
    };
    let offset = scratch.path().join("offset");
    set(&offset, 0);
    let environment = vec![
        ("LD_PRELOAD".to_owned(), library.display().to_string()),
        ("CLOCK_OFFSET_FILE".to_owned(), offset.display().to_string()),
    ];
    let mut testbed = Testbed::open_with(services, "clock-jumps", environment);
    let mut ahead_s = 0;
    for number in 0..times {
        let (jump, by_s) = JUMPS[number % JUMPS.len()];
        testbed.let_run(seconds(2));
        ahead_s += by_s;
        set(&offset, ahead_s);
        testbed.let_run(seconds(2));
        let killed = number >= JUMPS.len();
        if killed {
            testbed.start_again();
        }
        let (summary, differences) = testbed.settle(services);
        let kind = if killed { ", and the program killed" } else { "" };
        report.fault(&format!("{jump}{kind}, {summary}"), differences);
    }
}

/// Compiles the library; says why that cannot be done.
fn build(dir: &Path) -> Result<PathBuf, String> {
    let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
    fs::write(&source, LIBRARY).expect("the test's own file can be written");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-O2", "-o"]).arg(&library).arg(&source).arg("-ldl").output();
    match built {
        Ok(output) if output.status.success() => Ok(library),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("cc: {error}")),
    }
}

/// The program has the file in its memory: eight bytes are replaced at once.
fn set(file: &Path, offset_s: i64) {
    let file = File::options().write(true).create(true).truncate(false).open(file).expect("the test's own file");
    file.write_all_at(&offset_s.to_le_bytes(), 0).expect("the test's own file can be written");
}
