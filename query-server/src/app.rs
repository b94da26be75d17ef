//! What the server answers from; whoever starts it gives it.

use std::sync::Arc;

use dataflow::engine::TickCounter;
use dataflow::index_reader::IndexReader;
use dataflow::source_status::SourceRegistry;
use dataflow::time::{ServiceClock, Time};
use serde::Serialize;

use crate::event_writer::EventWriter;

/// Everything the endpoints read from and write to.
#[derive(Clone)]
pub struct App {
    /// The published indexes.
    pub reader: IndexReader,
    /// What the sources say about themselves.
    pub registry: Arc<SourceRegistry>,
    /// Counts closed ticks, and knows which show all there was.
    pub ticks: TickCounter,
    /// The clock that stamps removals and tells how old the state is: the one the engine runs on.
    pub clock: Arc<dyn ServiceClock>,
    /// What may have been answered with before the last start: nothing older is answered with.
    pub floor: Floor,
    /// What is told of checkpoints, where they are taken.
    pub checkpoints: Option<Arc<dyn Fn() -> LastCheckpoint + Send + Sync>>,
    /// Where events and removals go.
    pub event_writer: Arc<dyn EventWriter>,
    /// Where the other processes of the cluster are, if there are any.
    pub peers: Option<Peers>,
    /// Worker threads of the engine.
    pub workers: usize,
    /// The product's version.
    pub version: &'static str,
    /// The parts that run inside this process instead of a service of their own, for the page.
    pub embedded: Vec<String>,
}

/// The least that is answered with after a start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// States of this tick or later ones.
    pub as_of: Time,
    /// States that hold everything the sources had at the start: what was answered with before did so too.
    pub caught_up: bool,
}

/// The processes of a cluster, each of which holds the rows of some users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// `HOST:PORT` of each process's server, this one's too, in the order of their numbers.
    pub addresses: Vec<String>,
}

/// What is told of the checkpoints that were taken since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LastCheckpoint {
    /// The tick of the newest durable one, or of the one restored; 0 where there is none.
    pub as_of_ms: Time,
    /// Whether it holds all rows or what came since the one before.
    pub full: bool,
    /// Rows in it.
    pub rows: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How many were taken.
    pub taken: u64,
    /// How many failed.
    pub failed: u64,
    /// Why the last attempt failed, if it did.
    pub failure: Option<String>,
}
