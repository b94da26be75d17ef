//! Checkpoints: the rows of one tick and the positions of the sources, in files.
//!
//! ```text
//! rows ─▶ RowWriter ─▶ frames of columns ─▶ data file ─┐ fsync, rename, fsync of the directory
//! positions, tick, key ──────────────────▶ manifest ───┘ the same, and last: with it the checkpoint is there
//!
//! directory ─▶ Store::restore ─▶ the newest one that verifies ─▶ FrameRef, read by any worker ─▶ rows
//! ```
//! A checkpoint is *full*, or a *delta*: what came since the checkpoint it is on. Restoring means to take all rows of
//! the full one and of the deltas, in any order: stamps combine by maximum, differences add up, names are a set. So
//! the files know nothing of workers, and any number of them can share the reading.
//!
//! Several processes may write one checkpoint into one directory, a part each; it is there when all parts are.
//!
//! A crash at any operation of the disk leaves what could be restored before it, or the new checkpoint. Nothing is
//! removed before the checkpoint that makes it needless is durable. [`simulation`] holds the disk that shows it.

mod columns;
mod contents;
mod data_file;
mod directory;
mod disk;
mod durable;
mod error;
mod fingerprint;
mod frame;
mod manifest;
mod names;
mod prune;
mod restorable;
mod restored;
mod sealed;
mod series;
pub mod simulation;
mod store;
mod table;
mod watermark;

pub use self::data_file::RowWriter;
pub use self::directory::{Checkpoint, Directory, State};
pub use self::disk::{Disk, DiskFile, Entry, Lock, RealDisk};
pub use self::durable::{Durable, Pending};
pub use self::error::{Damage, Doing, Error, Finding};
pub use self::fingerprint::Fingerprint;
pub use self::frame::FRAME_ROWS_MAX;
pub use self::manifest::{DataFile, FORMAT, Kind, Manifest, Summary};
pub use self::restorable::{FrameRef, Restorable};
pub use self::restored::{RestoreError, Restored};
pub use self::series::{Bounds, Series, Taken};
pub use self::store::{Draft, Latest, Place, Store, Written};
pub use self::table::TableId;
pub use self::watermark::{ServedWatermark, WatermarkFile};
