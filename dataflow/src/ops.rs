//! The operators that differential-dataflow does not provide: ranked lists, and the sliding window.

pub mod first;
pub mod list;
pub mod window;
