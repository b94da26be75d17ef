//! The graph of Vitrine: from views and orders to published indexes.
//!
//! ```text
//! Feed ─▶ Inputs ─(tick)─▶ graph ─▶ traces ─▶ Publisher ─▶ PublishedSnapshots ─▶ IndexReader ─▶ ReadView ─▶ an answer
//! ```
//! [`engine`] runs the workers, [`tick_scheduler`] decides when a tick closes, [`graph`] is the computation,
//! [`publish`] makes its indexes readable from any thread, [`index_reader`] reads them. [`tables`] declares the rows
//! that sources give, [`rules`] holds the business numbers, [`features`] declares the features of users.
//!
//! This crate knows no Kafka, SQL, HTTP, JSON, async runtime or wall clock: "now" is an input.

mod allocator_trim;
pub mod backoff;
pub mod cluster;
pub mod cut;
mod declare;
pub mod dictionary;
pub mod engine;
mod erased_users;
pub mod features;
pub mod feed;
pub mod freshness;
pub mod graph;
mod graph_part;
pub mod ids;
pub mod index_reader;
pub mod inputs;
pub mod lease;
pub mod merchandising;
pub mod ops;
pub mod point_in_time;
pub mod product_attributes;
pub mod publish;
pub mod replay;
pub mod rules;
pub mod sessions;
pub mod short_text;
pub mod source_status;
pub mod stamp;
pub mod stepped;
pub mod tables;
pub mod tick_scheduler;
pub mod time;
pub mod trace;
pub mod worker_graph;
pub mod workers;
