//! Memory that is used again for every list.

use dataflow::ids::ProductKey;
use dataflow::index_reader::Scorer;
use dataflow::rules::Rules;

/// The memory that composing lists needs. A thread that composes lists keeps one.
pub struct Workspace {
    /// Ranks the products that are similar to those viewed.
    pub(crate) scorer: Scorer,
    /// A user's history.
    pub(crate) viewed: Vec<ProductKey>,
}

impl Workspace {
    /// The memory for lists by these rules.
    #[must_use]
    pub fn new(rules: &Rules) -> Self {
        Workspace { scorer: Scorer::new(&rules.co_views), viewed: Vec::new() }
    }
}
