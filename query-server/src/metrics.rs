//! The metrics and their text.

pub(crate) mod exposition;
pub(crate) mod memory;
