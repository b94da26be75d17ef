//! How many requests were passed on to the processes that hold their users, and why some failed.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::problem::Problem;

/// Why passing a request on can fail, as metrics name it.
const REASONS: [&str; 7] = ["unreachable", "untrusted", "broken", "late", "behind", "busy", "misrouted"];

/// The counts of all threads.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    asked: AtomicU64,
    failed: [AtomicU64; REASONS.len()],
}

impl Counts {
    /// Counts a request that is to be passed on.
    pub(super) fn ask(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that could not be passed on or was not answered.
    pub(super) fn fail(&self, problem: &Problem) {
        let reason = match problem {
            Problem::OwnerAway(failure) => failure.name(),
            Problem::Behind => "behind",
            Problem::Misrouted => "misrouted",
            _ => "busy",
        };
        if let Some(at) = REASONS.iter().position(|known| *known == reason) {
            self.failed[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The requests that were to be passed on.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// The requests that failed, by reason.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REASONS.into_iter().zip(self.failed.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}
