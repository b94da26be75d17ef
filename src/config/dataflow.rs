//! `[dataflow]`: workers and ticks.

use dataflow::tick_scheduler::TickPolicy;
use settings::{Kind, whole};

settings::section! {
    /// The computation: workers and ticks.
    pub struct Dataflow in "dataflow" {
        /// Worker threads; each reads its share of the partitions and holds its share of the users and products.
        workers: usize = 1, "threads", whole(1, 256);
        /// When ticks close.
        ticks: TickPolicy, inline;
        /// Merging a worker does in an idle step while much is to be merged: more makes look-ups faster and ingest
        /// slower; 0 leaves it to new updates.
        idle_merge_effort: usize = 1000, "updates", whole(0, 100_000);
        /// Key of the hash that turns ids into fixed-size keys; processes that share data need the same one.
        id_key: [u8; 16] = "56697472696e65206964206b65792031", "hex" secret, Kind::Key;
        /// Largest forward jump of the system clock that is believed; a larger one is refused and reported.
        forward_jump_max_ms: u64 = 3_600_000, "ms", whole(1000, 86_400_000);
    }
}
