//! The operations of publishing on a trace: share its batches, read its upper, let it compact.

use differential_dataflow::trace::{BatchReader, TraceReader};
use timely::progress::Antichain;

use crate::time::Time;

/// The batches of a trace that hold updates.
pub(crate) fn batches<Tr: TraceReader>(trace: &Tr) -> Vec<Tr::Batch> {
    let mut batches = Vec::with_capacity(16);
    trace.map_batches(|batch| {
        if !batch.is_empty() {
            batches.push(batch.clone());
        }
    });
    batches
}

/// The upper of a trace; the empty upper of a finished graph counts as no progress.
pub(crate) fn upper<Tr: TraceReader<Time = Time>>(trace: &mut Tr) -> Time {
    let mut upper = Antichain::new();
    trace.read_upper(&mut upper);
    upper.as_option().copied().unwrap_or(0)
}

/// Lets times before `since` be merged, and batches before `upper` too. Without these calls, a handle would keep every
/// batch since the start.
pub(crate) fn compact<Tr: TraceReader<Time = Time>>(trace: &mut Tr, since: &Antichain<Time>, upper: &Antichain<Time>) {
    trace.set_logical_compaction(since.borrow());
    trace.set_physical_compaction(upper.borrow());
}
