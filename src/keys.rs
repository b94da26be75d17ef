//! The file of the API's keys: TOML with the digest of each key, never a key itself.
//!
//! ```toml
//! [[key]]
//! id = "1a2b3c4d"
//! name = "shop front"
//! sha256 = "…"
//! scopes = ["read", "events"]
//! ```

mod file;
mod record;

use std::path::PathBuf;

pub use self::file::{edit, read, records};
pub use self::record::{KeyRecord, NewKey};

/// The most keys of a file.
pub const KEYS_MAX: usize = 1000;

/// A file of keys cannot be used. The texts hold nothing of the file but ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The file cannot be written.
    #[error("{}: cannot be written: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The file is not TOML, or has other fields.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        reason: String,
    },
    /// A key of the file is wrong.
    #[error("{}: key {id:?}: {reason}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The id as it stands there.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// There are too many keys.
    #[error("{}: there are more than {KEYS_MAX} keys", path.display())]
    TooMany {
        /// The file.
        path: PathBuf,
    },
    /// A change that is refused.
    #[error("{0}")]
    Refused(String),
}
