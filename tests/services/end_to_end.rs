//! The real program on a real Kafka and a real PostgreSQL: its answers, and its behaviour when services fail.
//!
//! ```text
//! vitrine generate --to services ─▶ Kafka, PostgreSQL ─▶ vitrine serve --workers 2 ─▶ HTTP answers ─┐
//!                                          └─────────▶ plain recomputation ─────────────────────────┴▶ equal?
//! ```
//! `story` is one test, as the services take longest to start; `refusals` and `unheard` need none.

mod another_server;
mod descriptors;
mod failures;
mod first_start;
mod from_archive;
mod hang_up;
mod load;
mod program;
mod refusals;
mod story;
mod unheard;
