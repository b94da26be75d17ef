//! The consent of an operator to replace the rows held by the rows of another server, after a restore or `pg_upgrade`.
//!
//! The consent names the system identifier of that server. So it may be given twice and may stay where it is: it never
//! applies to a third server. It stands in the settings, or in a file that is read before every new attempt.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The file's name, where it lies beside checkpoints.
pub const FILE: &str = "adopted-server";

/// Longer than any system identifier with the end of its line.
const BYTES_MAX: u64 = 64;

/// The server whose tables may replace the rows held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopt {
    /// The system identifier that the settings name.
    pub system: Option<u64>,
    /// The file that may name a system identifier.
    pub file: Option<PathBuf>,
}

impl Adopt {
    /// Whether the server with this system identifier is named.
    pub(crate) fn names(&self, system: u64) -> bool {
        self.system == Some(system) || self.file.as_deref().and_then(named) == Some(system)
    }
}

/// The system identifier in a file; none if the file does not exist or holds anything else.
fn named(file: &Path) -> Option<u64> {
    let mut text = String::new();
    File::open(file).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Writes this system identifier to a file, in place of the previous one.
///
/// # Errors
/// Errors of the disk.
pub fn name(file: &Path, system: u64) -> io::Result<()> {
    let temporary = file.with_extension("tmp");
    let mut written = File::create(&temporary)?;
    writeln!(written, "{system}")?;
    written.sync_all()?;
    std::fs::rename(&temporary, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_is_named_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        let adopt = Adopt { system: Some(5), file: Some(file.clone()) };
        assert!(adopt.names(5) && !adopt.names(6));
        for system in [6, 7_440_123_456_789_012_345] {
            name(&file, system).unwrap();
            assert!(adopt.names(5) && adopt.names(system) && !adopt.names(8));
        }
        assert!(!adopt.names(6), "the later word counts");
        for text in ["", "six", "6 7", &"6".repeat(100)] {
            std::fs::write(&file, text).unwrap();
            assert!(!adopt.names(6), "{text:?}");
        }
        assert!(!Adopt::default().names(0));
    }
}
