//! The sections that only the root crate uses: `[dataflow]`, `[files]`, `[checkpoint]` and `[sinks]`.

use std::path::PathBuf;
use std::time::Duration;

use dataflow::tick_scheduler::TickPolicy;
use settings::{Kind, seconds, whole};
use sinks::copies::{CopiedLists, KafkaCopy, PostgresCopy};

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

settings::section! {
    /// Files instead of services: views.jsonl, product_catalog.csv and orders.csv are read from a directory and
    /// followed as they grow. Use this section instead of [kafka] and [postgres], not together with them.
    pub struct Files in "files" {
        /// Directory with the files. Vitrine writes events, removals and dead letters there too.
        dir: PathBuf = "data", "directory", Kind::Path { empty: false };
    }
}

settings::section! {
    /// Checkpoints, from which a restart continues. Without this section, every start reads everything from the
    /// beginning.
    pub struct Checkpoint in "checkpoint" {
        /// Directory for checkpoints. Vitrine creates it if necessary. The processes of a cluster share it.
        dir: PathBuf = "checkpoints", "directory", Kind::Path { empty: false };
        /// Time from one checkpoint to the next. After a crash, the sources are read from the last checkpoint on.
        every as "every_s": Duration = 60, "s", whole(1, 86_400) => seconds;
        /// Number of checkpoints to keep. From 2 on, Vitrine also keeps one that is based on another full checkpoint,
        /// in case a file is damaged.
        keep: usize = 2, "checkpoints", whole(1, 1000);
        /// Limit of updates that a worker holds for the next checkpoint, about 50 bytes each. At half of it the next
        /// checkpoint is taken early. Above it the next checkpoint holds all rows.
        journal_max: usize = 2_000_000, "updates", whole(1000, 1_000_000_000);
    }
}

settings::section! {
    /// Files that Vitrine writes besides its log and checkpoints.
    pub struct Sinks in "sinks" {
        /// File to which every change of a list is appended as a JSON line with its tick. "": no file.
        changes: Option<PathBuf> = "", "file", Kind::Path { empty: true };
        /// File to which every removal, erasure, import, change of rules and change of keys is appended as a JSON line: who,
        /// what, when, and the result. A request is answered after its line is durable. "": no file.
        audit: Option<PathBuf> = "", "file", Kind::Path { empty: true };
        /// The copy of lists in a topic.
        kafka: KafkaCopy, below;
        /// The copy of lists in a table.
        postgres: PostgresCopy, below;
    }
}

impl Sinks {
    /// Whether the ids of users have to be remembered, to write them with their lists.
    #[must_use]
    pub fn needs_users(&self) -> bool {
        let is_of_users = |lists: &[CopiedLists]| lists.iter().any(|lists| lists.is_of_users());
        let is_copied = self.kafka.topic.is_some() && is_of_users(&self.kafka.lists)
            || self.postgres.table.is_some() && is_of_users(&self.postgres.lists);
        self.changes.is_some() || is_copied
    }
}
