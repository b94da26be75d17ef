//! `[cluster]`: several processes as one.

use std::path::PathBuf;

use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

pub(super) const SECTION: Section = Section {
    name: "cluster",
    sentence: "Several processes that share the work. All need the same settings, but for their own number and addresses.",
    settings: &[
        Setting::new(
            "cluster.processes",
            Kind::Integer { min: 1, max: 64 },
            "processes",
            "1",
            "How many processes there are; each has as many workers.",
        ),
        Setting::new(
            "cluster.process",
            Kind::Integer { min: 0, max: 63 },
            "number",
            "0",
            "Which of them this one is, from 0; number 0 reads the database and closes the ticks.",
        ),
        Setting::new(
            "cluster.hosts",
            Kind::Path { empty: true },
            "file",
            "\"\"",
            "File with a line for each process in order: the address for its peers, a blank, its HTTP address for them.",
        ),
        Setting::new(
            "cluster.key",
            Kind::Key,
            "hex",
            "\"00000000000000000000000000000000\"",
            "Key by which processes prove to each other that they belong together; only zeros: none, and loopback only.",
        )
        .secret(),
        Setting::new(
            "cluster.reach",
            Kind::Choice { allowed: &["private", "public"], planned: &[] },
            "word",
            "\"private\"",
            "Addresses that peers may have: rows cross the links unencrypted, so public ones must be asked for.",
        ),
        Setting::new(
            "cluster.stall_s",
            Kind::Integer { min: 1, max: 3600 },
            "s",
            "30",
            "A process ends when no tick has closed for as long, as when a peer is frozen; ten times as long at a start.",
        ),
    ],
};

/// `[cluster]`, in the units of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct Cluster {
    pub processes: usize,
    pub process: usize,
    pub hosts: Option<PathBuf>,
    pub key: [u8; 16],
    pub public: bool,
    pub stall_s: u64,
}

impl Cluster {
    pub(super) fn read(values: &Values) -> Cluster {
        Cluster {
            processes: values.size("cluster.processes"),
            process: values.size("cluster.process"),
            hosts: values.path("cluster.hosts"),
            key: values.key("cluster.key"),
            public: values.text("cluster.reach") == "public",
            stall_s: values.integer("cluster.stall_s"),
        }
    }

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
