//! The real program on a real Kafka and a real PostgreSQL: what it answers, and what becomes of it when things fail.
//!
//! ```text
//! vitrine generate --to services ─▶ Kafka, PostgreSQL ─▶ vitrine serve --workers 2 ─▶ HTTP answers ─┐
//!                                          └─────────▶ plain recomputation ─────────────────────────┴▶ equal?
//! ```
//! `story` is one test, as the services take longest to start; `refusals` and `unheard` need none.

#[path = "end_to_end/another_server.rs"]
mod another_server;
#[path = "end_to_end/descriptors.rs"]
mod descriptors;
#[path = "end_to_end/failures.rs"]
mod failures;
#[path = "end_to_end/first_start.rs"]
mod first_start;
#[path = "end_to_end/hang_up.rs"]
mod hang_up;
#[path = "end_to_end/load.rs"]
mod load;
#[path = "end_to_end/plain.rs"]
mod plain;
#[path = "end_to_end/program.rs"]
mod program;
#[path = "end_to_end/refusals.rs"]
mod refusals;
#[path = "end_to_end/story.rs"]
mod story;
#[path = "end_to_end/unheard.rs"]
mod unheard;
