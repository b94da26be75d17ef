//! The lists of an index that change, read off its batches.
//!
//! ```text
//! batches of an index, in the worker that holds them ─▶ their keys ─▶ the outlet
//! ```
//! It costs no arrangement and no message between workers. In a cluster each list is reported by one process: the one
//! that holds the user, and process 0 for indexes that every process holds.

use std::sync::Arc;

use differential_dataflow::trace::BatchReader;
use differential_dataflow::trace::cursor::{Cursor, Navigable};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::Operator;

use super::super::touched::{TouchOutlet, TouchedList};
use super::{Index, Placement, StoredRows};
use crate::cluster::ClusterPlace;

/// Whether this process reports the lists of an index, from this worker.
fn is_reported<I: Index>(place: ClusterPlace, worker: usize) -> bool {
    match I::PLACEMENT {
        Placement::Sharded => true,
        Placement::PerProcess => place.leads(),
        Placement::Replicated => worker == 0,
    }
}

/// Reports the lists of the keys in an index's batches to the outlet, in the worker with this number among all.
pub(super) fn report<I: Index>(
    rows: &StoredRows<'_, I>,
    list: fn(&I::Key) -> TouchedList,
    (place, worker): (ClusterPlace, usize),
    outlet: Arc<dyn TouchOutlet>,
) {
    // All workers have the same operators.
    let is_reported = is_reported::<I>(place, worker);
    rows.stream.clone().unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, "ListsTouched", move |_, _| {
        move |input, _output| {
            input.for_each(|_, batches| {
                for batch in batches.drain(..).filter(|_| is_reported) {
                    // Without an end the graph is being stopped.
                    let Some(upper) = batch.upper().as_option() else { continue };
                    let mut cursor = batch.cursor();
                    let mut lists = std::iter::from_fn(|| {
                        let touched = list(cursor.get_key(&batch)?);
                        cursor.step_key(&batch);
                        Some(touched)
                    });
                    outlet.touched(upper.saturating_sub(1), &mut lists);
                }
            });
        }
    });
}
