//! One copy of an arrangement in every process.
//!
//! ```text
//! rows, in the worker of all processes ─▶ a copy for each process ─▶ the worker of that process that the key routes to
//! ```
//! The workers of a process share the keys in the same way in every process. With one process, the rows are already in
//! their places.

use differential_dataflow::{AsCollection, ExchangeData};
use timely::dataflow::operators::Exchange;
use timely::dataflow::operators::vec::Map;

use crate::cluster::ClusterPlace;
use crate::trace::arranged::{ByKey, Storable, by_key_in_place};

/// The rows in every process, each key in the worker that its route modulo the number of workers names.
pub(super) fn per_process<'s, K, V, R>(
    rows: ByKey<'s, K, V, R>,
    place: ClusterPlace,
    route: fn(&K) -> u64,
    name: &str,
) -> ByKey<'s, K, V, R>
where
    K: ExchangeData + Copy,
    V: ExchangeData + Copy,
    R: ExchangeData + Storable + Copy,
{
    if place.processes == 1 {
        return rows;
    }
    let (workers, processes) = (place.workers as u64, place.processes as u64);
    let copies = rows.as_collection(|key, value| (*key, *value)).inner.flat_map(move |(row, time, diff)| {
        let worker = route(&row.0) % workers;
        (0..processes).map(move |process| (process * workers + worker, (row, time, diff)))
    });
    let sent = copies.exchange(|(worker, _)| *worker).map(|(_, update)| update);
    by_key_in_place(sent.as_collection(), name)
}
