//! The whole of Vitrine on one thread, in a world that fails as a seed decides.
//!
//! ```text
//!  seed ─▶ operations ─▶ run ──┬─▶ log, database, clock, disk: in memory, with all their faults
//!                              ├─▶ process: graph, sources, checkpoints: the product's own code, moved step by step
//!                              └─▶ after each closed tick: shown = recomputed plainly?  else: shrink, tell
//! ```
//! - **In memory**: topics with offsets, aborted transactions, retention, lost ends, topics made anew under the same name
//!   and new partitions; a replication slot with its places in the log, transactions of rows, changed keys, values that
//!   are not sent, TRUNCATE, and a slot that is dropped, lost or moved on; tables that lose a column, leave the publication
//!   or are rewritten; a clock that is set; a disk that crashes, tears files, fills up and fails.
//! - **The product's own**: the graph, cuts, the series of checkpoints and their restoring, the mark of what was answered
//!   with, the watcher and the feed of Kafka with their decoding and judgement of positions, the state machine that follows
//!   the database's log. In the place of sockets and threads stands the run.
//! - **Compared**: every list at every closed tick, with what the events given to the process and the tables as of its
//!   place in the log come to. At rest: everything that was acknowledged and is still to be had has been read. Always: a
//!   slot is never confirmed beyond what is durable, no checkpoint that was written whole is damaged, no answer is older
//!   than one before. Nothing panics.
//!
//! [`Plant`] puts bugs in, to see that they are found.

mod clock;
mod dice;
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

pub use operation::{Fault, Operation};
pub use outcome::{Failure, Outcome};
pub use plant::Plant;
pub use run::run;
pub use shrink::shrink;
