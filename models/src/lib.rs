//! Learned models of a shop: what they compute, how they are stored, and how their lists are measured.
//!
//! ```text
//! pairs of user and product ─▶ als ─▶ vectors ─┬▶ scan ─▶ the best products
//! texts and embeddings ─▶ content ─▶ vectors ──┤
//!                                              └▶ store: versioned files, the last N kept
//! lists and what came next ─▶ evaluation ─▶ report: one HTML page
//! ```
//! Users and products are dense numbers here; callers map their ids. All results depend only on the input: not on the
//! number of threads, and not on the machine.

pub mod als;
pub mod content;
pub mod evaluation;
mod random;
pub mod report;
pub mod scan;
pub mod store;
mod vectors;

pub use vectors::Vectors;
