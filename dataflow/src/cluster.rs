//! Several processes, one graph: the links between them, and their control messages.
//!
//! ```text
//! process 0: the leader ──tick, cut, end, process not live──▶ every worker ─▶ TickScheduler, SourceRegistry
//!            the leader ◀──progress (fed, waiting, live)── workers of the other processes
//!            every process ◀──positions, names───── every worker
//! ```
//! Rows and control messages travel on the links as timely's own messages. Whether a link is encrypted, whether a peer may
//! join, and whether all processes have the same settings, is decided on each link before the link is handed to this
//! module. A link that breaks ends the process: a thread panics. All processes then start again together, from the last
//! checkpoint.

pub(crate) mod control;
mod link;
pub(crate) mod messages;
mod reporter;

use std::any::Any;
use std::io;

use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks};

pub(crate) use control::ClusterControl;
pub use link::{Link, LinkStream};
pub(crate) use reporter::Reporter;

/// The place of this process in a cluster, and its links to the other processes.
pub struct Cluster {
    /// The number of this process, from 0. Process 0 leads.
    pub process: usize,
    /// A connection to each process, in order; `None` for this process. All messages on it so far have been answered.
    pub links: Vec<Option<Link>>,
}

/// The place of a worker's process among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClusterPlace {
    /// The number of workers in each process.
    pub(crate) workers: usize,
    pub(crate) process: usize,
    pub(crate) processes: usize,
}

impl ClusterPlace {
    /// A place without other processes.
    pub(crate) fn alone(workers: usize) -> Self {
        ClusterPlace { workers, process: 0, processes: 1 }
    }

    /// The number of workers in all processes.
    pub(crate) fn peers(&self) -> usize {
        self.workers * self.processes
    }

    /// Whether the leader is a worker of this process.
    pub(crate) fn leads(&self) -> bool {
        self.process == 0
    }
}

impl Cluster {
    pub(crate) fn place(&self, workers: usize) -> ClusterPlace {
        ClusterPlace { workers, process: self.process, processes: self.links.len() }
    }

    /// The builders of the process's workers over the links, and the guard to keep until the workers have ended.
    pub(crate) fn connect(self, workers: usize) -> io::Result<(Vec<AllocatorBuilder>, Box<dyn Any + Send>)> {
        let hooks = Hooks::default();
        let inside = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), hooks.spill.clone());
        let (builders, threads) = initialize_networking_from_sockets(inside, self.links, self.process, workers, hooks)?;
        Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(threads)))
    }
}
