//! The operators that differential-dataflow does not provide: ranked lists, changes of periods, and the sliding window.

pub mod first;
pub mod list;
pub mod periods;
pub(crate) mod runs;
pub mod window;
