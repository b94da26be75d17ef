//! Whether the reader succeeds: each new problem is logged once, and the pauses between attempts grow.

use std::time::Duration;

use dataflow::backoff::Backoff;
use dataflow::source_status::State;

use super::NAME;
use super::context::Context;

/// The first pause after a failure, unless the limit is less.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The reader's last outcome.
pub(super) struct Health {
    backoff: Backoff,
    /// The problem that was logged last.
    reason: String,
    /// Nothing has succeeded yet.
    first: bool,
}

impl Health {
    pub(super) fn new(backoff_max: Duration) -> Health {
        Health { backoff: Backoff::new(FIRST_PAUSE, backoff_max), reason: String::new(), first: true }
    }

    /// The tables are read, again or still.
    pub(super) fn good(&mut self, context: &Context) {
        self.backoff.reset();
        if !self.reason.is_empty() || self.first {
            tracing::info!(server = context.target.place(), "the tables have been read");
            self.reason.clear();
            self.first = false;
        }
    }

    /// A problem that the reader works on.
    pub(super) fn bad(&mut self, context: &Context, reason: String) {
        if self.reason != reason {
            tracing::warn!(source = NAME, reason, "tables cannot be followed, trying again");
            self.reason.clone_from(&reason);
        }
        context.status.state(0, State::Retrying(reason));
    }

    /// A person must decide how to go on.
    pub(super) fn stopped(&mut self, context: &Context, reason: String) {
        if self.reason != reason {
            tracing::error!(source = NAME, reason, "the tables are not read");
            self.reason.clone_from(&reason);
        }
        context.status.state(0, State::Stopped(reason));
    }

    /// The pause before the next attempt.
    pub(super) fn pause(&mut self) -> Duration {
        self.backoff.pause()
    }
}
