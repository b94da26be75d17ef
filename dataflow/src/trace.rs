//! Batches and spines that other threads may read.
//!
//! differential-dataflow shares batches through `Rc`, but only its type aliases say so: a spine is generic over its
//! batch. [`shared`] puts `Arc` where the aliases put `Rc`; [`appending`] lets rows that come in order stay as they came;
//! [`arranged`] names the arrangements this graph uses; [`merging`] says when they merge beside;
//! [`handle`] is what publishing does with them.

pub mod appending;
pub mod arranged;
pub(crate) mod handle;
pub mod merging;
pub mod shared;
