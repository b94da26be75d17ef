//! Checkpoints: the rows of one tick and the positions of the sources, in files.
//!
//! ```text
//! rows ─▶ RowWriter ─▶ frames of columns ─▶ data file ─┐ fsync, rename, fsync of the directory
//! positions, tick, key ──────────────────▶ manifest ───┘ the same, and last: with it the checkpoint is there
//!
//! directory ─▶ Store::restore ─▶ the newest one that verifies ─▶ FrameRef, read by any worker ─▶ rows
//! ```
//! A checkpoint is *full*, or a *delta*: the updates since the checkpoint that it builds on. Restoring takes all rows
//! of the full checkpoint and of the deltas, in any order: stamps combine by maximum, differences add up, names are a
//! set. So the files do not depend on workers, and any number of workers can share the reading.
//!
//! Several processes may write one checkpoint into one directory, one part each; the checkpoint is complete when all
//! parts are.
//!
//! After a crash at any disk operation, either the earlier checkpoints or the new one can be restored. A file is
//! removed only when the checkpoint that makes it superfluous is durable. [`simulation`] holds the disk on which tests
//! show this.

mod columns;
mod contents;
mod data_file;
mod directory;
mod disk;
mod durable;
mod error;
mod fingerprint;
mod forgetting;
mod frame;
mod manifest;
mod names;
mod prune;
mod restorable;
mod restored;
pub mod sealed;
mod series;
pub mod simulation;
mod store;
mod table;
mod user_names;
mod watermark;

pub use self::data_file::RowWriter;
pub use self::directory::{Checkpoint, CheckpointState, Directory};
pub use self::disk::{DirEntry, Disk, DiskFile, Lock, RealDisk};
pub use self::durable::{Durable, Pending};
pub use self::error::{Damage, Doing, Error, Finding};
pub use self::fingerprint::Fingerprint;
pub use self::frame::FRAME_ROWS_MAX;
pub use self::manifest::{CheckpointKind, DataFile, FORMAT, Manifest, Summary};
pub use self::restorable::{FrameRef, Restorable};
pub use self::restored::{RestoreError, Restored};
pub use self::series::{Bounds, Series, Taken};
pub use self::store::{Draft, Latest, Place, Store, Written};
pub use self::table::TableId;
pub use self::watermark::{ServedWatermark, WatermarkFile};
