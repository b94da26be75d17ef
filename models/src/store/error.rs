//! Why a model cannot be read, written or used.

use std::io;
use std::path::{Path, PathBuf};

use super::Version;

/// Why a model cannot be read, written or used. The model that was in use stays in use.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The content of a file cannot be used.
    #[error("{} is refused: {refusal}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        refusal: Refusal,
    },
    /// There is no such version.
    #[error("{} has no model {version}: `vitrine model ls` shows all", dir.display())]
    NotThere {
        /// The version.
        version: Version,
        /// The directory.
        dir: PathBuf,
    },
    /// There is no version to go back to.
    #[error("{} has no {}", dir.display(), match current {
        Some(version) => format!("usable model before {version}"),
        None => "model: `vitrine train` makes one".to_owned(),
    })]
    NothingEarlier {
        /// The version in use; none if there is no version.
        current: Option<Version>,
        /// The directory.
        dir: PathBuf,
    },
    /// Another process writes to the directory.
    #[error("another process writes models here: it holds {}", path.display())]
    Taken {
        /// The locked file.
        path: PathBuf,
    },
    /// A file could not be written durably.
    #[error(transparent)]
    Write(#[from] checkpoints::Error),
    /// Any other failure of the disk.
    #[error("{}: {reason}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        reason: io::Error,
    },
}

/// Why the content of a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was written by a later version of Vitrine.
    #[error("it is of format {found}, and this version reads formats up to {known}")]
    Newer {
        /// The format of the file.
        found: u32,
        /// The newest format that this version knows.
        known: u32,
    },
    /// It was cut short, or something was appended.
    #[error("it is torn: {found} bytes are there, and {wanted} were written")]
    Torn {
        /// The length found.
        found: u64,
        /// The length written.
        wanted: u64,
    },
    /// A checksum does not match.
    #[error("the checksum of {0} does not match")]
    Checksum(&'static str),
    /// The content has another form.
    #[error("{0}")]
    Malformed(&'static str),
    /// It was trained with other settings.
    #[error("its vectors have {found} numbers, and models.als.factors is {configured}: train again")]
    Factors {
        /// The length of its vectors.
        found: usize,
        /// The length that the settings ask for.
        configured: usize,
    },
}

impl Refusal {
    pub(super) fn of(self, path: &Path) -> Error {
        Error::Refused { path: path.to_owned(), refusal: self }
    }
}

impl Error {
    /// Whether only this file cannot be used, so that an earlier version may be.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Error::Refused { .. } | Error::NotThere { .. })
    }
}
