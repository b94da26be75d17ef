//! `[cluster]`: several processes as one.

use std::path::PathBuf;
use std::time::Duration;

use settings::{Kind, Value, seconds, whole};

settings::section! {
    /// Several processes that share the work. All need the same settings, but for their own number and addresses.
    pub struct Cluster in "cluster" {
        /// How many processes there are; each has as many workers.
        processes: usize = 1, "processes", whole(1, 64);
        /// Which of them this one is, from 0; number 0 reads the database and closes the ticks.
        process: usize = 0, "number", whole(0, 63);
        /// File with a line for each process in order: the address for its peers, a blank, its HTTP address for them.
        hosts: Option<PathBuf> = "", "file", Kind::Path { empty: true };
        /// Key by which processes prove to each other that they belong together; only zeros: none, and loopback only.
        key: [u8; 16] = "00000000000000000000000000000000", "hex" secret, Kind::Key;
        /// Addresses that peers may have: rows cross the links unencrypted, so public ones must be asked for.
        public as "reach": bool = "private", "word", Kind::Choice(&["private", "public"])
            => |word: &Value| word.text() == "public";
        /// A process ends when no tick has closed for as long, as when a peer is frozen; ten times as long at a start.
        stall as "stall_s": Duration = 30, "s", whole(1, 3600) => seconds;
    }
}

impl Cluster {
    /// Whether there are other processes.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.processes > 1
    }

    /// Whether this process closes the ticks and reads what only one can read.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.process == 0
    }

    /// Whether the processes have a key.
    #[must_use]
    pub fn has_key(&self) -> bool {
        self.key != [0; 16]
    }
}
