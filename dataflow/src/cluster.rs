//! Several processes, one graph: what connects them, and what they tell each other beside rows.
//!
//! ```text
//! process 0: the leader ──marks (tick, cut, end, who is not live)──▶ every worker ─▶ its process's scheduler and registry of sources
//!            the leader ◀──reports (fed, waiting, live)── workers of the other processes
//!            every process ◀──positions, names───── every worker
//! ```
//! Rows, marks and the rest travel on the links as timely's own messages, unencrypted. Who may join, and whether all
//! processes are set up alike, is settled on each link before it is handed over (it is of no concern here).
//! A link that breaks ends the process: a thread panics. All come back together, from the last checkpoint.

pub(crate) mod control;
pub(crate) mod messages;
mod reporter;

use std::any::Any;
use std::io;
use std::net::TcpStream;

use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks};

pub(crate) use control::ClusterControl;
pub(crate) use reporter::Reporter;

/// This process's place in a cluster, and its links to the others.
pub struct Cluster {
    /// Which process this is, from 0. Process 0 leads.
    pub process: usize,
    /// A connection to each process in order, nothing read from it or written to it that is not yet answered; none to
    /// itself.
    pub links: Vec<Option<TcpStream>>,
}

/// A worker's process among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClusterPlace {
    /// Workers of each process.
    pub(crate) workers: usize,
    pub(crate) process: usize,
    pub(crate) processes: usize,
}

impl ClusterPlace {
    /// The only process.
    pub(crate) fn alone(workers: usize) -> Self {
        ClusterPlace { workers, process: 0, processes: 1 }
    }

    /// Workers of all processes.
    pub(crate) fn peers(&self) -> usize {
        self.workers * self.processes
    }

    /// Whether the leader is one of this process's workers.
    pub(crate) fn leads(&self) -> bool {
        self.process == 0
    }
}

impl Cluster {
    pub(crate) fn place(&self, workers: usize) -> ClusterPlace {
        ClusterPlace { workers, process: self.process, processes: self.links.len() }
    }

    /// The builders of so many workers over the links, and what is to be held on to until the workers have ended.
    pub(crate) fn connect(self, workers: usize) -> io::Result<(Vec<AllocatorBuilder>, Box<dyn Any + Send>)> {
        let hooks = Hooks::default();
        let inside = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), hooks.spill.clone());
        let (builders, threads) = initialize_networking_from_sockets(inside, self.links, self.process, workers, hooks)?;
        Ok((builders.into_iter().map(AllocatorBuilder::Tcp).collect(), Box::new(threads)))
    }
}
