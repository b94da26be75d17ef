//! Names cross the cluster: what one process saw first, every process learns in the same tick.

use std::sync::Arc;

use differential_dataflow::VecCollection;
use timely::dataflow::operators::Inspect;
use timely::dataflow::operators::vec::Broadcast;

use crate::dictionary::{Dictionary, Name};
use crate::time::{Diff, Time};

/// Puts every announced name into this process's dictionary.
///
/// # Panics
/// When two ids share a key: from here on lists could mix two products, so the process must end instead.
pub fn learn(names: VecCollection<'_, Time, Name, Diff>, dictionary: Arc<Dictionary>) {
    names.inner.broadcast().inspect(move |(name, _, _)| {
        if let Err(collision) = dictionary.learn(name) {
            panic!("{collision}");
        }
    });
}
