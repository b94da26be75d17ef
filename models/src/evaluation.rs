//! How good lists are: measures of one list against what came next, their means with intervals, tests that compare two
//! variants, and how far the users' interests have moved.
//!
//! Each measure is in a file of its own, with its definition, its source and cases that were worked out by hand. A list has
//! distinct products, best first; `relevant` are the products that came next.

pub mod ab_test;
pub mod interval;
pub mod novelty;
pub mod ranking;
pub mod sampled;
pub mod stability;
mod tally;

pub use tally::{Answer, LENGTH, Measured, NAMES, Tally};
