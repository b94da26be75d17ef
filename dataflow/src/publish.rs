//! Publishing: each worker shows one immutable snapshot of all its indexes, which any thread may read.
//!
//! ```text
//! worker 0 ─ traces ─▶ publisher ─ swap ─▶ slot 0 ─┐
//! worker 1 ─ traces ─▶ publisher ─ swap ─▶ slot 1 ─┴▶ readers (never wait, never free a batch)
//! ```
//! A snapshot holds the batches of every index, the frontier up to which they are complete, and the source positions
//! fed before it. The slots of all workers are read as of one time: the least frontier that any worker has published.
//! Compaction follows this time and not the worker's own frontier, so that a fast worker keeps the times that a slow
//! worker has not published yet.

mod moving_rows;
pub mod published_snapshots;
pub mod publisher;
pub(crate) mod rows;
pub mod snapshot;

pub(crate) use moving_rows::MovingRows;
pub use published_snapshots::PublishedSnapshots;
pub(crate) use publisher::IndexTraces;
pub use publisher::{Publisher, Traces};
pub use snapshot::Snapshot;
