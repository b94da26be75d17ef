//! Outputs: bytes to a durable log, refused records to the dead letters, the changes of every list to a file, and copies
//! of lists.
//!
//! ```text
//! POST, DELETE ──▶ log::EventLog ─┬─ kafka_log::KafkaLog   acks=all, then the offsets
//! refused ▶ dead_letters ▶────────┴─ file_log::FileLog     fsync, then the byte offsets
//! graph ▶ changes::Changes ───────▶ changes.jsonl          closed ticks only, in order
//! lists ▶ copies::Copier ─────────▶ a topic, a table       the latest lists, compared with what is there
//! feature_file ────────────────▶ features as Parquet or JSON, beside the rows of a file of labels
//! audit::AuditFile ───────────────▶ audit.jsonl            fsync, then the answer
//! ```
//! This crate does not know the shapes of events: it is given keys and payloads. Nothing is dropped in silence: a failed
//! append is returned to its caller, everything else is retried for ever and shown in the status.

pub mod audit;
mod block_on;
pub mod changes;
pub mod copies;
pub mod dead_letters;
pub mod feature_file;
pub mod file_log;
pub mod kafka_log;
mod line_file;
pub mod lines;
pub mod list_file;
pub mod log;

use std::sync::Arc;
use std::time::Duration;

use dataflow::backoff::Backoff;
use dataflow::source_status::State;

/// Called with the state of a sink whenever it changes, from the sink's own thread.
pub type Report = Arc<dyn Fn(State) + Send + Sync>;

/// The pauses before a failed write is retried.
fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(100), Duration::from_secs(5))
}
