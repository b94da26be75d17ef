//! Everything that the reader's thread works with, whichever way it finds changes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{StreamFingerprint, Waker};
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::{ServiceClock, Time};
use events::DeadLetterSender;

use super::connection::{Connection, Target};
use super::diagnostic::Diagnostic;
use super::error::Error;
use super::liveness::Pulse;
use super::progress::Flow;
use super::table::Scan;
use super::table_cache::Change;
use super::{Definitions, Settings};
use crate::side_thread::Stopped;

/// A problem that lasts until a person mends it is checked again after this long.
pub(super) const CHECK_AGAIN: Duration = Duration::from_secs(2);

/// Everything the thread works with.
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) target: Target,
    pub(super) clock: Arc<dyn ServiceClock>,
    pub(super) status: Arc<SourceStatus>,
    pub(super) letters: DeadLetterSender,
    pub(super) dictionary: Arc<Dictionary>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) flow: Arc<Flow>,
    pub(super) link: Link,
}

/// The reader's ends of the channels between it and the feed.
pub(super) struct Link {
    pub(super) batches: SyncSender<FeedBatch>,
    /// The feed has taken a batch.
    pub(super) taken: Receiver<()>,
    pub(super) waker: Waker,
}

/// A change on its way to the feed, and the source's position after it.
pub(super) struct FeedBatch {
    pub(super) change: Change,
    /// The number of readings, or the place in the log.
    pub(super) next: i64,
    pub(super) fingerprint: Option<StreamFingerprint>,
    /// The time of the tables that was reached, while there is more to catch up on.
    pub(super) reached: Option<Time>,
    /// Where the tables were read for it.
    pub(super) reading: Option<ReadingInfo>,
}

/// What a reading of all tables means for the rows from then on.
#[derive(Clone, Copy)]
pub(super) struct ReadingInfo {
    /// The rows are good again up to this number of [spoils](Flow::spoils).
    pub(super) spoils: u64,
    /// The definitions of the tables at the reading.
    pub(super) definitions: Definitions,
}

impl Context {
    /// Allows the reading of tables to take its time; the source's state names the transactions that hold it up.
    pub(super) fn allow_reading(&self, client: &mut Connection) -> Result<(), Error> {
        let (status, pulse, place) = (self.status.clone(), self.pulse.clone(), self.target.place());
        let tell = move |found: Option<Diagnostic>| {
            pulse.ask();
            if let Some(finding) = found {
                status.state(0, State::Retrying(format!("PostgreSQL at {place}: {finding}")));
            }
        };
        Ok(client.allow_telling(self.settings.statement_timeout, "the reading of the tables", Arc::new(tell))?)
    }

    /// For the refused rows of the reading or the transaction with this number.
    pub(super) fn scan<'a>(&'a self, reading: i64, pause: impl Fn(Duration) -> Result<(), Stopped> + 'a) -> Scan<'a> {
        Scan { status: &self.status, letters: &self.letters, pulse: &self.pulse, pause: Box::new(pause), reading }
    }
}
