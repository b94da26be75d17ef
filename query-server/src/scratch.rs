//! Buffers that a serving thread uses again for every answer.

use std::cell::RefCell;

use dataflow::graph::{Seller, Viewed};
use dataflow::time::Diff;

use crate::answer::instant::Instant;
use crate::answer::names::Names;

/// What it takes to read a list and to write its answer.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The answer's text.
    pub(crate) out: Vec<u8>,
    /// A history's rows.
    pub(crate) viewed: Vec<(Viewed, Diff)>,
    /// A best-seller list's rows.
    pub(crate) sellers: Vec<(Seller, Diff)>,
    /// The text of the last `as_of`: many answers share one.
    pub(crate) as_of: Instant,
    /// The names written lately.
    pub(crate) names: Names,
}

/// Calls `with` with this thread's buffers, `out` being empty.
pub(crate) fn with<R>(with: impl FnOnce(&mut Scratch) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::default();
    }
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.out.clear();
        with(scratch)
    })
}
