//! Everything that the reader's thread works with, whichever way it finds changes.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::feed::Waker;
use dataflow::source_status::{SourceStatus, State};
use dataflow::time::ServiceClock;
use events::DeadLetterSender;

use crate::postgres::Settings;
use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::handover::FeedBatch;
use crate::postgres::progress::ReaderProgress;
use crate::postgres::rows::table_scan::TableScan;
use crate::postgres::session::connection::{Connection, Target};
use crate::postgres::session::error::Error;
use crate::postgres::session::liveness::Liveness;
use crate::side_thread::Stopped;

/// The time after which a problem that only an operator can repair is checked again.
pub(crate) const CHECK_AGAIN: Duration = Duration::from_secs(2);

/// Everything the thread works with.
pub(crate) struct ReaderContext {
    pub(crate) settings: Settings,
    pub(crate) target: Target,
    pub(crate) clock: Arc<dyn ServiceClock>,
    pub(crate) status: Arc<SourceStatus>,
    pub(crate) letters: DeadLetterSender,
    pub(crate) dictionary: Arc<Dictionary>,
    pub(crate) liveness: Arc<Liveness>,
    pub(crate) progress: Arc<ReaderProgress>,
    pub(crate) link: FeedSender,
}

/// The reader's ends of the channels between it and the feed.
pub(crate) struct FeedSender {
    pub(crate) batches: SyncSender<FeedBatch>,
    /// The feed has taken a batch.
    pub(crate) taken: Receiver<()>,
    pub(crate) waker: Waker,
}

impl ReaderContext {
    /// Gives the reading of tables the time that it needs; the source's state names the transactions that block it.
    pub(crate) fn allow_reading(&self, client: &mut Connection) -> Result<(), Error> {
        let (status, liveness, place) = (self.status.clone(), self.liveness.clone(), self.target.place());
        let tell = move |found: Option<Diagnostic>| {
            liveness.ask();
            if let Some(finding) = found {
                status.state(0, State::Retrying(format!("PostgreSQL at {place}: {finding}")));
            }
        };
        Ok(client.allow_reporting(self.settings.statement_timeout, "the reading of the tables", Arc::new(tell))?)
    }

    /// The handling of refused rows of the reading or the transaction with this number.
    pub(crate) fn scan<'a>(
        &'a self,
        reading: i64,
        pause: impl Fn(Duration) -> Result<(), Stopped> + 'a,
    ) -> TableScan<'a> {
        TableScan {
            status: &self.status,
            letters: &self.letters,
            liveness: &self.liveness,
            pause: Box::new(pause),
            reading,
        }
    }
}
