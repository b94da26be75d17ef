//! The whole of Vitrine on one thread, in a world whose faults a seed decides.
//!
//! ```text
//!  seed ─▶ operations ─▶ run ──┬─▶ log, database, clock, disk: in memory, with all their faults
//!                              ├─▶ process: graph, sources, checkpoints: the product's own code, moved step by step
//!                              └─▶ after each closed tick: shown = recomputed plainly?  else: shrink, report
//! ```
//! - **In memory**: events of all kinds, their repeats, erasures and merchandising rules in topics with offsets, aborted
//!   transactions, retention, lost ends, topics created again under the same name and new partitions; a replication slot with
//!   its places in the log, transactions of rows, changed keys, values that are not sent, TRUNCATE, and a slot that is dropped,
//!   lost or moved on; tables that lose a column, leave the publication or are rewritten; a clock that is set; a disk that
//!   crashes, tears files, fills up and fails.
//! - **The product's own code**: the graph, cuts, the series of checkpoints and their restoring, the served watermark,
//!   the watcher and the feed of Kafka with their decoding and judgement of positions, the state machine that follows the
//!   database's log. The run takes the place of sockets and threads.
//! - **Compared**: every list and every user's features at every closed tick, with a recomputation from the records given
//!   to the process and the tables as of its place in the log. From time to time: features before times of the past, with
//!   a recomputation from all events. At rest: every event that was acknowledged and still exists has been read.
//!   Always: a slot is never confirmed beyond the durable place, no checkpoint that was written completely is damaged, no
//!   answer is older than an earlier answer. Nothing panics.
//!
//! [`Plant`] plants bugs, to check that the simulation finds them.

mod clock;
mod join;
mod log;
mod operation;
mod oracle;
mod outcome;
mod panics;
mod plant;
mod process;
mod run;
mod server;
mod shrink;
mod world;

pub use log::EventBody;
pub use operation::{Fault, Operation};
pub use outcome::{Failure, Outcome};
pub use plant::Plant;
pub use run::run;
pub use shrink::shrink;
