//! Sends names across the cluster: each process receives, in the same tick, the names that another process saw first.

use std::sync::Arc;

use differential_dataflow::VecCollection;
use timely::dataflow::StreamVec;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::vec::Broadcast;

use crate::dictionary::{Dictionary, Name};
use crate::time::{Diff, Time};

/// Adds every received name to this process's dictionary; returns the added names.
///
/// # Panics
/// When two ids share a key: from then on lists could mix two products, so the process must end instead.
pub fn learn<'s>(
    names: VecCollection<'s, Time, Name, Diff>,
    dictionary: Arc<Dictionary>,
) -> StreamVec<'s, Time, (Name, Time, Diff)> {
    names.inner.broadcast().inspect(move |(name, _, _)| {
        if let Err(collision) = dictionary.learn(name) {
            panic!("{collision}");
        }
    })
}
