//! `[checkpoint]`: the directory from which a restart continues.

use std::path::PathBuf;
use std::time::Duration;

use settings::{Kind, seconds, whole};

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
