//! What the server answers from; whoever starts it gives it.

use std::sync::Arc;

use dataflow::board::Board;
use dataflow::engine::TickCounter;
use dataflow::shelf::Shelf;
use dataflow::time::ServiceClock;

use crate::intake::Intake;

/// Everything the endpoints read from and write to.
#[derive(Clone)]
pub struct App {
    /// The published indexes.
    pub shelf: Shelf,
    /// What the sources say about themselves.
    pub board: Arc<Board>,
    /// Counts closed ticks.
    pub ticks: TickCounter,
    /// The clock that stamps removals and tells how old the state is: the one the engine runs on.
    pub clock: Arc<dyn ServiceClock>,
    /// Where events and removals go.
    pub intake: Arc<dyn Intake>,
    /// Worker threads of the engine.
    pub workers: usize,
    /// The product's version.
    pub version: &'static str,
    /// The parts that run inside this process instead of a service of their own, for the page.
    pub embedded: Vec<String>,
}
