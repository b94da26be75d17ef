//! The checkpoint directory is damaged, and its disk is full.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::Services;
use harness::wait_until;

use crate::SOON;
use crate::meanwhile::{ANY_LIST, answers, goes_on_or_says_so};
use crate::report::Report;
use crate::resumed::Retained;
use crate::testbed::{Testbed, seconds};

/// Room for some checkpoints of a testbed.
const DISK: &str = "size=8m";
/// Checkpoints that fail before there is room again.
const FAILED: u64 = 4;

/// While the program is down the newest file of rows is damaged: it goes on from an older checkpoint and says so.
pub(crate) fn corrupted(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "corrupt-checkpoint");
    testbed.kept = Retained::Older;
    for _ in 0..times {
        testbed.let_run(seconds(3));
        let dir = testbed.checkpoints();
        wait_until(SOON, "two checkpoints are there", || files(&dir, ".manifest").len() >= 2);
        testbed.kill();
        let newest = newest_rows(&dir);
        let mut bytes = fs::read(&newest).expect("the file is there");
        let at = testbed.rng.below(bytes.len());
        bytes[at] ^= 1 << testbed.rng.below(8_u32);
        fs::write(&newest, &bytes).expect("the file can be written");
        testbed.start_again();
        let (summary, mut differences) = testbed.settle(services);
        let told = testbed.program.stderr();
        if !told.contains("a checkpoint is damaged") {
            differences.push(format!("the damage of {} at byte {at} is not told: {told}", newest.display()));
        }
        if told.contains("there is no checkpoint yet") {
            differences.push(format!("no other checkpoint was left to go on from: {told}"));
        }
        report.fault(&format!("a bit turned at {at} of {} bytes, {summary}", bytes.len()), differences);
    }
}

/// No byte can be written any more while several checkpoints are due: what is posted meanwhile shows, or it is said that
/// answers are old; once there is room again, everything is there. Every other time the program is killed meanwhile, and
/// must come back to answer before there is room.
pub(crate) fn disk_full(services: &Services, report: &mut Report, times: usize) {
    let mut testbed = Testbed::open(services, "disk-full");
    let dir = testbed.checkpoints();
    testbed.kill();
    let disk = match SmallDisk::mount(&dir) {
        Ok(disk) => disk,
        Err(why) => return report.skip(&why),
    };
    testbed.start_again();
    for number in 0..times {
        testbed.let_run(seconds(3));
        let failed =
            |testbed: &Testbed| testbed.start.status().and_then(|it| it["checkpoint"]["failed"].as_u64()).unwrap_or(0);
        let taken =
            |testbed: &Testbed| testbed.start.status().and_then(|it| it["checkpoint"]["taken"].as_u64()).unwrap_or(0);
        let before = failed(&testbed);
        wait_until(SOON, "several checkpoints fail", || {
            disk.fill();
            failed(&testbed) >= before + FAILED
        });
        let user = format!("f-{number}");
        let (seen, mut differences) = goes_on_or_says_so(&testbed, &user);
        differences.extend(answers(&testbed));
        let killed = number % 2 == 1;
        if killed {
            testbed.start_again();
            disk.fill();
            wait_until(SOON, "a start with a full disk answers", || {
                testbed.start.get(ANY_LIST).is_ok_and(|answer| answer.status == 200)
            });
        }
        disk.free();
        let (summary, after) = testbed.settle_with(services, &[user]);
        differences.extend(after);
        let before = taken(&testbed);
        wait_until(SOON, "checkpoints are taken again", || taken(&testbed) > before);
        let kind = if killed { "full, and the program killed and started meanwhile" } else { "full for a while" };
        report.fault(&format!("{kind}, {seen}, {summary}"), differences);
    }
}

/// The rows of the newest checkpoint that was written whole: the kill may have left some of a later one.
fn newest_rows(dir: &Path) -> PathBuf {
    let manifest = files(dir, ".manifest").pop().expect("a checkpoint has a manifest");
    let manifest = manifest.to_str().expect("a plain name");
    let stem = manifest.strip_suffix(".manifest").expect("the ending was asked for");
    let mut rows = files(dir, ".rows");
    rows.retain(|path| path.to_string_lossy().starts_with(&format!("{stem}-")));
    rows.pop().expect("a checkpoint has rows")
}

/// Files of the directory whose names end so, by name, which is by tick.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("the directory is there");
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    found.sort();
    found
}

/// A small file system in memory, unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it over the directory, or says why that cannot be done.
    fn mount(dir: &Path) -> Result<SmallDisk, String> {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", DISK, "vitrine-faults"]).arg(dir).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(SmallDisk(dir.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(format!("mount: {error}")),
        }
    }

    /// Writes until there is no room.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.filler()).expect("a file can be opened");
        let block = [0_u8; 4096];
        while file.write_all(&block).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.filler()).expect("the file is there");
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: whoever still writes there does so until it ends.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
