//! `[dataflow]`: workers and ticks.

use dataflow::tick_scheduler::TickPolicy;
use settings::{Kind, whole};

settings::section! {
    /// The computation: workers and ticks.
    pub struct Dataflow in "dataflow" {
        /// Worker threads. Each reads its share of the partitions and holds its share of the users and products.
        workers: usize = 1, "threads", whole(1, 256);
        /// When ticks close.
        ticks: TickPolicy, inline;
        /// Updates that a worker merges in an idle step while there is much to merge. A larger value makes look-ups
        /// faster and ingestion slower. 0: only new updates cause merging.
        idle_merge_effort: usize = 1000, "updates", whole(0, 100_000);
        /// Key of the hash that maps ids to fixed-size keys. Processes that share data need the same key.
        id_key: [u8; 16] = "56697472696e65206964206b65792031", "hex" secret, Kind::Key;
        /// Largest forward jump of the system clock that Vitrine follows. A larger jump is ignored and logged.
        forward_jump_max_ms: u64 = 3_600_000, "ms", whole(1000, 86_400_000);
    }
}
