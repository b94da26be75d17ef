//! Batches and spines that other threads may read.
//!
//! differential-dataflow shares batches through `Rc`, but only its type aliases say so: a spine is generic over its
//! batch. [`shared`] puts `Arc` where the aliases put `Rc`; [`arranged`] names the arrangements this graph uses.

pub mod arranged;
pub mod cursor;
pub mod shared;
