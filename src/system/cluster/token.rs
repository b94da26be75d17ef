//! An empty file that process 0 creates beside its checkpoints at every start, under a name that is never reused. A
//! process that does not find it writes to another directory: then no checkpoint would ever be whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The prefix of the name; the number of the start follows in hexadecimal digits.
const PREFIX: &str = "start-";

/// How long a file written by another machine may take to appear. Less than a peer waits for the next message.
const PATIENCE: Duration = Duration::from_secs(3);

/// The pause between two checks.
const AGAIN: Duration = Duration::from_millis(100);

/// Creates the file of this start, and removes the files of earlier starts.
pub(super) fn leave(dir: &Path, generation: u64) -> io::Result<()> {
    let own = path(dir, generation);
    File::create(&own)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if is_token(&entry.file_name().to_string_lossy()) && entry.path() != own {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Whether the file of this start exists, or appears soon.
pub(super) fn is_there(dir: &Path, generation: u64) -> bool {
    let (path, deadline) = (path(dir, generation), Instant::now() + PATIENCE);
    loop {
        if path.exists() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        // No code unparks this thread; an unpark would only make the next check sooner.
        std::thread::park_timeout(AGAIN);
    }
}

fn path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{generation:016x}"))
}

fn is_token(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_of_the_last_start_stays_and_nothing_else_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        File::create(dir.path().join("start-up notes")).unwrap();
        leave(dir.path(), 1).unwrap();
        leave(dir.path(), 2).unwrap();
        assert!(is_there(dir.path(), 2));
        assert!(!path(dir.path(), 1).exists());
        assert!(dir.path().join("start-up notes").exists());
    }
}
