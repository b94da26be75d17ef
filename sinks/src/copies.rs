//! `[sinks.kafka]` and `[sinks.postgres]`: copies of chosen lists in a topic or a table, which correct themselves.
//!
//! ```text
//! graph (every worker) ─▶ WaitingLists (each list once, bounded) ──┐
//! indexes ─▶ ShownLists (a list as of now) ────────────────────────┼▶ Copier ─▶ Destination ─┬▶ a compacted topic
//! what the topic or the table holds ─▶ compared, now and then ─────┘  (a thread)             └▶ a table
//! ```
//! A copier has no position of its own. At its start it reads what the destination holds, compares it with the lists, and
//! writes the difference; then it writes the lists that change. It compares again on schedule, and after every failure.
//! So a copy is right after a crash, a restore, a change of rules or an edit by hand, and after an outage it gets the
//! latest lists and not the states in between.
//!
//! The graph never waits: a list that changes again while it waits is held once, and if too many wait, the set is
//! dropped and everything is compared.

mod copier;
mod destination;
pub mod kafka;
mod list_name;
pub mod postgres;
mod rows;
mod settings;
mod shown;
mod status;
mod thread;
mod waiting;

pub use copier::{Copier, Turn};
pub use destination::{Destination, DestinationError, FoundList, ListChange, Presence};
pub use list_name::ListName;
pub use rows::{CopiedRow, Digest, RowDigest, digest};
pub use settings::{CopiedLists, CopySettings, KafkaCopy, PostgresCopy};
pub use shown::{Shown, ShownLists};
pub use status::{CopyStatus, SharedCopyStatus};
pub use thread::CopyThread;
pub use waiting::{Touches, WaitingLists};
