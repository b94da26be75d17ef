//! How far the end of the system has come: what it waits for, in words.

use std::sync::{Mutex, PoisonError};

/// Written by the end, read by whoever watches it.
#[derive(Debug, Default)]
pub struct Stage(Mutex<Option<&'static str>>);

impl Stage {
    /// From now on the end waits for this.
    pub(super) fn is_at(&self, what: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
    }

    /// What the end waits for; none before it has begun.
    #[must_use]
    pub fn waits_for(&self) -> Option<&'static str> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
