//! The whole graph, compared with plain recomputations from what it was given.
//!
//! These tests are a program of their own because the library's tests would otherwise compile the graph once more, which takes
//! minutes.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

mod attributes;
mod dictionary;
mod feature_reader;
mod features;
mod history;
mod point_in_time;
mod replay;
mod sessions;
mod stepped;
mod user_metadata;
