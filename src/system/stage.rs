//! The progress of the shutdown: what it waits for, in words.

use std::sync::{Mutex, PoisonError};

/// Written by the shutdown, read by its observers.
#[derive(Debug, Default)]
pub struct Stage(Mutex<Option<&'static str>>);

impl Stage {
    /// The shutdown now waits for `what`.
    pub(super) fn is_at(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    /// What the shutdown waits for; `None` before it has begun.
    #[must_use]
    pub fn waits_for(&self) -> Option<&'static str> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
