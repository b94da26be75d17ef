//! `[dataflow]`: workers and ticks.

use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

pub(super) const SECTION: Section = Section {
    name: "dataflow",
    sentence: "The computation: workers and ticks.",
    settings: &[
        Setting::new(
            "dataflow.workers",
            Kind::Integer { min: 1, max: 256 },
            "threads",
            "1",
            "Worker threads; each reads its share of the partitions and holds its share of the users and products.",
        ),
        Setting::new(
            "dataflow.tick_ms",
            Kind::Integer { min: 1, max: 1000 },
            "ms",
            "1",
            "Least time between two ticks; a tick closes as soon as there is something to show, not sooner than this.",
        ),
        Setting::new(
            "dataflow.idle_tick_ms",
            Kind::Integer { min: 1, max: 60_000 },
            "ms",
            "100",
            "A tick closes at least this often in silence, so that windows move and `as_of` stays true.",
        ),
        Setting::new(
            "dataflow.tick_ms_max",
            Kind::Integer { min: 1, max: 60_000 },
            "ms",
            "1000",
            "Longest time a tick stays open while sources are far behind.",
        ),
        Setting::new(
            "dataflow.behind_min",
            Kind::Integer { min: 1, max: 100_000_000 },
            "records",
            "50000",
            "Unread records from which sources count as far behind, so that ticks grow.",
        ),
        Setting::new(
            "dataflow.batch_max",
            Kind::Integer { min: 1000, max: 10_000_000 },
            "records",
            "250000",
            "Most records in one tick, over all workers; also the bound of what is read and not yet shown.",
        ),
        Setting::new(
            "dataflow.idle_merge_effort",
            Kind::Integer { min: 0, max: 100_000 },
            "updates",
            "1000",
            "Merging a worker does in an idle step while much is to be merged: more makes look-ups faster and ingest slower; 0 leaves it to new updates.",
        ),
        Setting::new(
            "dataflow.id_key",
            Kind::Key,
            "hex",
            "\"56697472696e65206964206b65792031\"",
            "Key of the hash that turns ids into fixed-size keys; processes that share data need the same one.",
        )
        .secret(),
        Setting::new(
            "dataflow.forward_jump_max_ms",
            Kind::Integer { min: 1000, max: 86_400_000 },
            "ms",
            "3600000",
            "Largest forward jump of the system clock that is believed; a larger one is refused and reported.",
        ),
    ],
};

/// `[dataflow]`, in the units of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct Dataflow {
    pub workers: usize,
    pub tick_ms: u64,
    pub idle_tick_ms: u64,
    pub tick_ms_max: u64,
    pub behind_min: usize,
    pub batch_max: usize,
    pub idle_merge_effort: usize,
    pub id_key: [u8; 16],
    pub forward_jump_max_ms: u64,
}

impl Dataflow {
    pub(super) fn read(values: &Values) -> Dataflow {
        Dataflow {
            workers: values.size("dataflow.workers"),
            tick_ms: values.integer("dataflow.tick_ms"),
            idle_tick_ms: values.integer("dataflow.idle_tick_ms"),
            tick_ms_max: values.integer("dataflow.tick_ms_max"),
            behind_min: values.size("dataflow.behind_min"),
            batch_max: values.size("dataflow.batch_max"),
            idle_merge_effort: values.size("dataflow.idle_merge_effort"),
            id_key: values.key("dataflow.id_key"),
            forward_jump_max_ms: values.integer("dataflow.forward_jump_max_ms"),
        }
    }
}
