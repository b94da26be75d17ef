//! Whether the reader succeeds: each new problem is logged once, and the pauses between attempts grow.

use std::time::Duration;

use dataflow::backoff::Backoff;
use dataflow::source_status::State;

use crate::postgres::NAME;
use crate::postgres::context::ReaderContext;

/// The first pause after a failure, unless the limit is less.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// The reader's last outcome.
pub(crate) struct HealthLog {
    backoff: Backoff,
    /// The problem that was logged last.
    reason: String,
    /// Whether nothing has succeeded yet.
    first: bool,
}

impl HealthLog {
    pub(crate) fn new(backoff_max: Duration) -> HealthLog {
        HealthLog { backoff: Backoff::new(FIRST_PAUSE, backoff_max), reason: String::new(), first: true }
    }

    /// The tables are read, again or still.
    pub(crate) fn good(&mut self, context: &ReaderContext) {
        self.backoff.reset();
        if !self.reason.is_empty() || self.first {
            tracing::info!(server = context.target.place(), "the tables have been read");
            self.reason.clear();
            self.first = false;
        }
    }

    /// A problem that the reader works on.
    pub(crate) fn bad(&mut self, context: &ReaderContext, reason: String) {
        if self.reason != reason {
            tracing::warn!(source = NAME, reason, "tables cannot be followed, trying again");
            self.reason.clone_from(&reason);
        }
        context.status.state(0, State::Retrying(reason));
    }

    /// An operator must decide how to continue.
    pub(crate) fn stopped(&mut self, context: &ReaderContext, reason: String) {
        if self.reason != reason {
            tracing::error!(source = NAME, reason, "the tables are not read");
            self.reason.clone_from(&reason);
        }
        context.status.state(0, State::Stopped(reason));
    }

    /// The pause before the next attempt.
    pub(crate) fn pause(&mut self) -> Duration {
        self.backoff.pause()
    }
}
