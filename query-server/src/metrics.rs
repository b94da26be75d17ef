//! What the server counts, and how it is shown.

pub(crate) mod counters;
pub(crate) mod exposition;
pub(crate) mod memory;
