//! Batches and spines that other threads may read.
//!
//! A spine of differential-dataflow is generic over its batch. [`batch`] is the batch of this graph: small, and shared
//! with other threads; [`appending`] passes on rows that arrive in order; [`arranged`] names the arrangements of this
//! graph, which `operator` makes with a `collector`; `erasing` leaves out what erased users did, and
//! `retaining` what was too long ago; [`merging`] decides when idle workers merge batches; `handle` holds the operations of publishing on a trace.

pub mod appending;
pub mod arranged;
pub mod batch;
mod collector;
mod erasing;
pub(crate) mod handle;
mod leaving;
pub mod merging;
pub(crate) mod operator;
mod retaining;
pub(crate) mod walk;
