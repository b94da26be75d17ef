//! The operators that differential-dataflow does not have: two ranked lists, and the sliding window.

pub mod first;
pub mod list;
pub mod newest;
pub mod window;
