//! The errors of checkpoints: definite damage of a file, with its place, and errors of the disk or of the caller.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use dataflow::ids::ID_BYTES_MAX;
use dataflow::time::Time;
use thiserror::Error;

/// Why a checkpoint could not be written or restored.
#[derive(Debug, Error)]
pub enum Error {
    /// The disk or the quota is full.
    #[error("no space is left to write {}", path.display())]
    NoSpace {
        /// The file that was being written.
        path: PathBuf,
    },
    /// The process lacks the permission.
    #[error("{} may not be {doing}: {reason}", path.display())]
    Denied {
        /// The file or directory.
        path: PathBuf,
        /// The operation.
        doing: Doing,
        /// The error of the system.
        reason: io::Error,
    },
    /// Any other failure of the disk.
    #[error("{} cannot be {doing}: {reason}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// The operation.
        doing: Doing,
        /// The error of the system.
        reason: io::Error,
    },
    /// The content of a file differs from the content that was written.
    #[error(transparent)]
    Corrupt(#[from] Box<Finding>),
    /// Another version of Vitrine wrote here. Nothing was changed.
    #[error(
        "{} is of format {found}, this version reads format {known}: start the version that wrote it, or give another \
         directory. (Then everything is read from the beginning, without what the topics and the archive no longer hold.)",
        path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format that this version reads.
        known: u32,
    },
    /// The keys in the checkpoint were made with another id key.
    #[error(
        "the checkpoint of {tick} was taken with another [dataflow] id_key: set that key again, or give another directory. \
         (Then everything is read from the beginning, without what the topics and the archive no longer hold.)"
    )]
    OtherKey {
        /// The checkpoint's tick.
        tick: Time,
    },
    /// Another process holds the directory.
    #[error("another process writes here: it holds {}", path.display())]
    Taken {
        /// The locked file.
        path: PathBuf,
    },
    /// The checkpoint on which a delta should build cannot be restored.
    #[error("there is no whole checkpoint of {on} on which a delta could build")]
    NoParent {
        /// The tick of that checkpoint.
        on: Time,
    },
    /// An id is longer than allowed.
    #[error("an id has {bytes} bytes, more than {ID_BYTES_MAX}")]
    IdTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The caller aborted the writing.
    #[error("the writing of the checkpoint was aborted")]
    Abandoned,
}

impl Error {
    /// Classifies an error of the disk.
    pub(crate) fn of_disk(path: &Path, doing: Doing, reason: io::Error) -> Error {
        let path = path.to_owned();
        match reason.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::NoSpace { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Error::Denied { path, doing, reason }
            }
            _ => Error::Disk { path, doing, reason },
        }
    }
}

/// The operation on a file or directory that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Creating a file or directory.
    Made,
    /// Writing.
    Written,
    /// Making content durable.
    Synchronised,
    /// Renaming.
    Renamed,
    /// Listing or reading.
    Read,
    /// Removing.
    Removed,
    /// Locking.
    Locked,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Doing::Made => "made",
            Doing::Written => "written",
            Doing::Synchronised => "made durable",
            Doing::Renamed => "renamed",
            Doing::Read => "read",
            Doing::Removed => "removed",
            Doing::Locked => "locked",
        })
    }
}

/// Damage in a checkpoint, with its place: the checkpoint cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Finding {
    /// The tick of the checkpoint, if the file's name contains it.
    pub tick: Option<Time>,
    /// The file, or the directory.
    pub path: PathBuf,
    /// The affected bytes, if only a range is affected.
    pub bytes: Option<Range<u64>>,
    /// The kind of damage.
    pub damage: Damage,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(bytes) = &self.bytes {
            write!(f, ", bytes {} to {}", bytes.start, bytes.end)?;
        }
        write!(f, ": {}", self.damage)
    }
}

/// The kind of damage of a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// The file does not exist.
    #[error("it is missing")]
    Missing,
    /// The file was truncated, or bytes were appended.
    #[error("it is {found} bytes long and was written with {wanted}")]
    Length {
        /// The length found.
        found: u64,
        /// The length written.
        wanted: u64,
    },
    /// The content differs from the content that was written.
    #[error("the checksum of {0} is wrong")]
    Checksum(&'static str),
    /// The content does not have the expected form.
    #[error("{0}")]
    Malformed(&'static str),
    /// The disk does not return the content.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Parts of the checkpoint are missing: a process ended before it had written its part.
    #[error("{present} of {parts} parts are there")]
    Parts {
        /// The number of parts that are present.
        present: usize,
        /// The number of parts of the checkpoint.
        parts: u32,
    },
    /// The parts of the checkpoint do not belong together.
    #[error("its parts do not belong together")]
    Disagreement,
    /// The checkpoint on which this one builds cannot be restored.
    #[error("it builds on the checkpoint of {on}, which cannot be restored")]
    Parent {
        /// That checkpoint's tick.
        on: Time,
    },
}

/// Classifies a read error: damage, after which an older checkpoint is used, or an error that an operator must fix.
pub(crate) fn unreadable(path: &Path, error: io::Error) -> Result<Damage, Error> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(Damage::Missing),
        io::ErrorKind::UnexpectedEof => Ok(Damage::Malformed("it is cut short")),
        _ => match Error::of_disk(path, Doing::Read, error) {
            Error::Disk { reason, .. } => Ok(Damage::Unreadable(reason.to_string())),
            denied => Err(denied),
        },
    }
}
