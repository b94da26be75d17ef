//! The archive: every record of the topics, as it came, in files on a disk or in an object store.
//!
//! ```text
//! Kafka ─▶ Topics ─┐                       ┌ views/date=…/hour=05/3-0-999.parquet
//! files ─▶ Files ──┴▶ Archiver ─▶ Segment ─┤                                        ─▶ Store: Dir, Bucket
//!                      ▲                   └ views/date=…/hour=04/3-0-999.part.parquet
//!          Survey ─────┘ the names are the position
//! ```
//! The archiver is a reader of its own, on its own thread: lists do not wait for it. It keeps no state but the names of its
//! files ([`chain`]), so that after any crash every offset is there exactly once. A fault of the store is retried for ever;
//! meanwhile reading stops when memory is full.

mod archiver;
pub mod chain;
pub mod compact;
pub mod erase;
mod file;
pub mod log;
mod name;
mod now;
mod partition;
mod past;
mod rate;
mod row;
mod running;
mod segment;
mod settings;
pub mod status;
pub mod store;
pub mod verify;

pub use self::archiver::{Archiver, Share};
pub use self::file::{FileError, SegmentRows, read};
pub use self::name::{Hour, ObjectName, Role};
pub use self::now::Now;
pub use self::past::{Archived, LiveArchive};
pub use self::row::{LogRecord, Row};
pub use self::running::Running;
pub use self::settings::{Format, Gaps, Settings, Target};
