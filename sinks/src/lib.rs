//! What Vitrine writes: bytes into a durable log, refused records into the dead letters, every list's changes into a
//! file.
//!
//! ```text
//! POST, DELETE ──▶ log::EventLog ─┬─ kafka_log::KafkaLog   acks=all, then the offsets
//! refused ▶ dead_letters ▶────────┴─ file_log::FileLog     fsync, then the byte offsets
//! graph ▶ changes::Changes ───────▶ changes.jsonl          closed ticks only, in order
//! ```
//! This crate knows no shape of an event: it is given keys and payloads. What cannot be written is never forgotten in
//! silence: an append says so to its caller, everything else is tried again for ever and shown.

mod backoff;
mod block_on;
pub mod changes;
pub mod dead_letters;
pub mod file_log;
pub mod kafka_log;
mod line_file;
pub mod log;

/// Is told how a sink is doing whenever that changes; called from the sink's own thread.
pub type Report = std::sync::Arc<dyn Fn(dataflow::source_status::State) + Send + Sync>;
