//! `[checkpoint]`: the directory that a restart goes on from.

use std::path::PathBuf;
use std::time::Duration;

use settings::{Kind, seconds, whole};

settings::section! {
    /// Checkpoints, from which a restart goes on. Without this section everything is read again at every start.
    pub struct Checkpoint in "checkpoint" {
        /// Directory for checkpoints, made if need be; the processes of a cluster share it.
        dir: PathBuf = "checkpoints", "directory", Kind::Path { empty: false };
        /// Time from one checkpoint to the next; after a crash the sources are read again from the last one on.
        every as "every_s": Duration = 60, "s", whole(1, 86_400) => seconds;
        /// Checkpoints that stay; from 2 on also one with other files than those, should these be damaged.
        keep: usize = 2, "checkpoints", whole(1, 1000);
        /// Updates a worker notes between two checkpoints, about 50 bytes each; half of them bring the next one early,
        /// more than all make it hold everything.
        journal_max: usize = 2_000_000, "updates", whole(1000, 1_000_000_000);
    }
}
