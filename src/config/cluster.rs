//! `[cluster]`: several processes as one.

use std::path::PathBuf;
use std::time::Duration;

use settings::{Kind, Value, seconds, whole};

settings::section! {
    /// Several processes that share the work. All need the same settings, except their own number and addresses, `server.threads`,
    /// [log], and paths, secrets and settings of clients that differ from machine to machine.
    pub struct Cluster in "cluster" {
        /// Number of processes. All have the same number of workers.
        processes: usize = 1, "processes", whole(1, 64);
        /// Number of this process, from 0. Process 0 reads the database and closes the ticks.
        process: usize = 0, "number", whole(0, 63);
        /// File with one line for each process, in order: the address for its peers, a space, its HTTP address for
        /// them.
        hosts: Option<PathBuf> = "", "file", Kind::Path { empty: true };
        /// Key with which processes prove to each other that they belong to the same cluster, and under which their links
        /// are encrypted. Zeros only: no key, and links on loopback only.
        key: [u8; 16] = "00000000000000000000000000000000", "hex" secret, Kind::Key;
        /// Addresses that peers may have. Public ones must be allowed explicitly: strangers can reach them.
        public as "reach": bool = "private", "word", Kind::Choice(&["private", "public"])
            => |word: &Value| word.text() == "public";
        /// A process ends if no tick has closed for this time, for example because a peer is frozen. At a start the
        /// limit is ten times as long.
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
