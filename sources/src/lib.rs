//! Sources: Kafka topics, PostgreSQL tables and files, read into the graph's inputs with their positions.
//!
//! ```text
//! kafka ────▶ events ──┬─▶ Inputs
//! files ────▶ events ──┤       refused records ─▶ dead letters
//!       └──▶ row_store ┤
//! postgres ▶ row_store ┤
//! store ───▶ row_store ┘
//! ```
//! Each source is a [`Feed`](dataflow::feed::Feed): the worker polls it and never waits for it.

mod deleted;
pub mod description;
pub mod descriptions;
mod erasures;
mod fault;
mod file_check;
mod file_position;
mod file_sum;
mod file_tail;
pub mod files;
pub mod kafka;
pub mod postgres;
mod read_ahead;
mod refusals;
pub mod replay;
mod retention;
pub mod row_store;
mod side_thread;
pub mod store;
mod wall_clock;
