//! Buffers that a serving thread uses again for every answer.

use std::cell::RefCell;

use dataflow::graph::{Seller, Viewed};
use dataflow::index_reader::FeatureReader;
use dataflow::time::Diff;
use recommend::Workspace;

use crate::answer::features::MapEntries;
use crate::answer::instant::InstantText;
use crate::answer::names::NameCache;
use crate::answer_ids::AnswerIds;

/// The buffers that reading a list and writing its answer need.
#[derive(Default)]
pub(crate) struct AnswerBuffers {
    /// The answer's text.
    pub(crate) out: Vec<u8>,
    /// A history's rows.
    pub(crate) viewed: Vec<(Viewed, Diff)>,
    /// A best-seller list's rows.
    pub(crate) sellers: Vec<(Seller, Diff)>,
    /// Reads the features of users.
    pub(crate) features: FeatureReader,
    /// The entries of one map of a feature.
    pub(crate) entries: MapEntries,
    /// The text of the last `as_of`: many answers share it.
    pub(crate) as_of: InstantText,
    /// The product names that were written recently.
    pub(crate) names: NameCache,
    /// What composing a list of recommendations needs; made for the first of them.
    pub(crate) workspace: Option<Workspace>,
    /// Makes the ids of answers.
    pub(crate) answer_ids: AnswerIds,
}

/// Calls `write` with this thread's buffers, `out` being empty.
pub(crate) fn with<R>(write: impl FnOnce(&mut AnswerBuffers) -> R) -> R {
    thread_local! {
        static BUFFERS: RefCell<AnswerBuffers> = RefCell::default();
    }
    BUFFERS.with_borrow_mut(|buffers| {
        buffers.out.clear();
        write(buffers)
    })
}
