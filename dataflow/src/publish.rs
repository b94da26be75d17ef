//! Publishing: each worker shows one immutable snapshot of all its indexes, and any thread may read it.
//!
//! ```text
//! worker 0 ─ traces ─▶ publisher ─ swap ─▶ slot 0 ─┐
//! worker 1 ─ traces ─▶ publisher ─ swap ─▶ slot 1 ─┴▶ readers (never wait, never free a batch)
//! ```
//! A snapshot holds the batches of every index, the frontier they are complete up to, and the source positions fed
//! before it. All workers' slots are read at one time: the least frontier any of them has published. Compaction follows
//! that time and not the worker's own frontier, so that a fast worker keeps what a slow one has not shown yet.

pub mod published_snapshots;
pub mod publisher;
pub mod snapshot;

pub use published_snapshots::PublishedSnapshots;
pub(crate) use publisher::IndexTraces;
pub use publisher::{Publisher, Traces};
pub use snapshot::Snapshot;
