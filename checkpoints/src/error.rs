//! What can go wrong: definite damage of a file, named with its place, and what the disk or the caller refuses.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use dataflow::time::Time;
use thiserror::Error;

/// Why a checkpoint could not be written or restored.
#[derive(Debug, Error)]
pub enum Error {
    /// The disk, or what may be used of it, is full.
    #[error("no space is left to write {}", path.display())]
    NoSpace {
        /// What was being written.
        path: PathBuf,
    },
    /// The process may not do this.
    #[error("{} may not be {doing}: {source}", path.display())]
    Denied {
        /// What it was about.
        path: PathBuf,
        /// What was tried.
        doing: Doing,
        /// As the system says it.
        source: io::Error,
    },
    /// Any other failure of the disk.
    #[error("{} cannot be {doing}: {source}", path.display())]
    Disk {
        /// What it was about.
        path: PathBuf,
        /// What was tried.
        doing: Doing,
        /// As the system says it.
        source: io::Error,
    },
    /// A file is not as it was written.
    #[error(transparent)]
    Corrupt(#[from] Box<Finding>),
    /// A later version of Vitrine wrote here. Nothing was touched.
    #[error(
        "{} is of format {found}, this version reads formats up to {known}: start the version that wrote it. (With \
         another directory all is read anew, without what the topics no longer hold.)", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that is known here.
        known: u32,
    },
    /// The keys in the checkpoint stand for other ids.
    #[error(
        "the checkpoint of {tick} was taken with another [dataflow] id_key: give that key again. (With another directory \
         all is read anew, without what the topics no longer hold.)"
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
    /// A delta was to be written on a checkpoint that is not there to be restored.
    #[error("there is no whole checkpoint of {on} for a delta to be on")]
    NoParent {
        /// The tick that was given.
        on: Time,
    },
    /// An id is longer than ids may be.
    #[error("an id of {bytes} bytes is longer than ids may be")]
    IdTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The caller gave the writing up.
    #[error("the writing of the checkpoint was given up")]
    Abandoned,
}

impl Error {
    /// Sorts a failure of the disk.
    pub(crate) fn of_disk(path: &Path, doing: Doing, source: io::Error) -> Error {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::NoSpace { path },
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Error::Denied { path, doing, source }
            }
            _ => Error::Disk { path, doing, source },
        }
    }
}

/// What was done to a file or directory when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Making a file or directory.
    Made,
    /// Writing.
    Written,
    /// Making it durable.
    Synchronised,
    /// Giving it its name.
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

/// Something wrong in a checkpoint, with its place: the checkpoint cannot be restored because of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Finding {
    /// The tick of the checkpoint, where the file's name tells it.
    pub tick: Option<Time>,
    /// The file, or the directory.
    pub path: PathBuf,
    /// Which bytes of it, where only a range is affected.
    pub bytes: Option<Range<u64>>,
    /// What is wrong.
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

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Damage {
    /// The file is not there.
    #[error("it is missing")]
    Missing,
    /// The file was cut, or something was appended.
    #[error("it is {found} bytes long and was written with {wanted}")]
    Length {
        /// As found.
        found: u64,
        /// As written.
        wanted: u64,
    },
    /// The content is another one than was written.
    #[error("the checksum of {0} is wrong")]
    Checksum(&'static str),
    /// The content was never written like this.
    #[error("{0}")]
    Malformed(&'static str),
    /// The disk does not give the content.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Not all parts of the checkpoint are there: a process ended before it had written its own.
    #[error("{present} of {parts} parts are there")]
    Parts {
        /// How many are there.
        present: usize,
        /// How many it was written in.
        parts: u32,
    },
    /// The parts of the checkpoint do not belong together.
    #[error("its parts do not belong together")]
    Disagreement,
    /// The checkpoint that this one is on cannot be restored.
    #[error("it is on the checkpoint of {on}, which cannot be restored")]
    Parent {
        /// That checkpoint's tick.
        on: Time,
    },
}

/// Sorts a failure to read: damage, for which an older checkpoint is the way out, or something an operator must mend.
pub(crate) fn unreadable(path: &Path, error: io::Error) -> Result<Damage, Error> {
    match error.kind() {
        io::ErrorKind::NotFound => Ok(Damage::Missing),
        io::ErrorKind::UnexpectedEof => Ok(Damage::Malformed("it is cut short")),
        _ => match Error::of_disk(path, Doing::Read, error) {
            Error::Disk { source, .. } => Ok(Damage::Unreadable(source.to_string())),
            denied => Err(denied),
        },
    }
}
