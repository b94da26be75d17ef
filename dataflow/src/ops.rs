//! The operators that differential-dataflow does not provide: ranked lists, changes of periods, scheduled
//! rules, and the sliding window.

pub mod first;
pub(crate) mod heaviest_rows;
pub mod list;
pub mod periods;
pub(crate) mod runs;
pub mod schedule;
pub mod window;
