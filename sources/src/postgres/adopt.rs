//! The word of a person that the rows held may be exchanged for those of another server: a restore, `pg_upgrade`.
//!
//! The word is the system identifier of that server, so that it can be given twice and left where it is: it never stands
//! for a third server. It is in the settings, or in a file that is looked at whenever the source tries again.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// The file's name, where it lies beside checkpoints.
pub const FILE: &str = "adopted-server";

/// No system identifier is longer, with the end of its line.
const BYTES_MAX: u64 = 64;

/// Whose tables may take the place of the rows held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopt {
    /// The system identifier that the settings name.
    pub system: Option<u64>,
    /// The file that may name one.
    pub file: Option<PathBuf>,
}

impl Adopt {
    /// Whether the server with this system identifier is named.
    pub(crate) fn names(&self, system: u64) -> bool {
        self.system == Some(system) || self.file.as_deref().and_then(named) == Some(system)
    }
}

/// The system identifier that a file names; none where there is no such file, or something else in it.
fn named(file: &Path) -> Option<u64> {
    let mut text = String::new();
    File::open(file).ok()?.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Names the server with this system identifier in a file, in the place of any named there before.
///
/// # Errors
/// The disk's refusal.
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
