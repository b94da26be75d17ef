//! Batches and spines that other threads may read.
//!
//! differential-dataflow shares batches through `Rc`, but only its type aliases say so: a spine is generic over its
//! batch. [`shared`] puts `Arc` where the aliases put `Rc`; [`appending`] passes on rows that arrive in order;
//! [`arranged`] names the arrangements of this graph; [`merging`] decides when idle workers merge batches; `handle`
//! holds the operations of publishing on a trace.

pub mod appending;
pub mod arranged;
pub(crate) mod handle;
pub mod merging;
pub mod shared;
