//! Reads the tables for a replay: once, in one transaction, the orders of a time range.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel, sync_channel};
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, ProductKey};
use dataflow::source_status::SourceRegistry;
use dataflow::tables::{CatalogueRow, LineRow, OrderRow, Placed};
use postgres::Client;

use crate::postgres::names::OrderTime;
use crate::postgres::rows::table_scan::{CopiedRow, RowIssue, RowSink, TableScan};
use crate::postgres::session::error::Error;
use crate::postgres::session::liveness::Liveness;
use crate::postgres::snapshot::read_plan::{ReadPlan, TableReadState};
use crate::postgres::{NAME, Settings, SettingsError};
use crate::refusals::Refusals;
use crate::replay::{LetterHandler, ReplayBounds, ReplayTables};
use crate::side_thread::SideThread;

/// Dead letters that may wait to be handled.
const LETTERS_MAX: usize = 1024;

/// How often the server's silence is checked.
const LOOK: Duration = Duration::from_millis(200);

/// Why the tables cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The settings cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Orders have no time of their own.
    #[error(
        "a replay needs the time of each order, and order_time = \"first_seen\" knows only the present: set [postgres] \
         order_time to a column"
    )]
    NoTime,
    /// The server cannot be reached, or the tables cannot be read.
    #[error("PostgreSQL at {place}: {reason}")]
    Failed {
        /// Host, port and database.
        place: String,
        /// The problem, and its solution if it is known.
        reason: String,
    },
}

/// Reads catalogue, orders and lines in one transaction.
///
/// # Errors
/// When the server cannot be reached or is silent for too long, or the tables cannot be read.
pub fn read(
    settings: Settings,
    asked: ReplayBounds,
    dictionary: &Arc<Dictionary>,
    status: &SourceRegistry,
    refused: &LetterHandler,
) -> Result<ReplayTables, RangeError> {
    settings.tables.check().map_err(SettingsError::from)?;
    let target = settings.target().map_err(SettingsError::from)?;
    if settings.tables.orders.time == OrderTime::FirstSeen {
        return Err(RangeError::NoTime);
    }
    let (status, liveness, silence_max) = (status.source(NAME), Arc::new(Liveness::new()), settings.silence_max);
    let place = target.place().to_owned();
    let failed = |reason: String| RangeError::Failed { place: place.clone(), reason };
    let (letters, refusals) = sync_channel(LETTERS_MAX);
    let (done, result) = channel();
    // In a thread of its own: calls to a frozen server do not return.
    let _reader = SideThread::spawn("replay-tables", {
        let (liveness, at_work, dictionary) = (liveness.clone(), liveness.clone(), dictionary.clone());
        move |stop| {
            let pause = Box::new(|time| stop.wait(time));
            let scan = TableScan { status: &status, letters: &letters, liveness: &liveness, pause, reading: 0 };
            liveness.ask();
            let read = target.connect_unless(&stop.signal()).map_err(Error::from);
            let read = read.and_then(|mut client| {
                let tell = Arc::new(move |_| at_work.ask());
                client.allow_reporting(settings.statement_timeout, "the reading of the tables", tell)?;
                scan_tables(&mut client, &settings, asked, &dictionary, &scan)
            });
            // The receiver is gone if the reading was given up.
            let _ = done.send(read);
        }
    })
    .map_err(|error| failed(format!("no thread to read in: {error}")))?;
    loop {
        match refusals.recv_timeout(LOOK) {
            Ok(letter) => refused(letter),
            Err(RecvTimeoutError::Timeout) if liveness.silence() > silence_max => {
                return Err(failed(format!("silent for {} s", silence_max.as_secs())));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let read = result.recv().map_err(|_| failed("the reading ended unexpectedly".to_owned()))?;
    read.map_err(|error| failed(error.to_string()))
}

fn scan_tables(
    client: &mut Client,
    settings: &Settings,
    asked: ReplayBounds,
    dictionary: &Dictionary,
    scan: &TableScan<'_>,
) -> Result<ReplayTables, Error> {
    let cutoff = asked.from.saturating_sub(asked.kept_ms);
    let plan = ReadPlan { settings, snapshot: None, without: [false; 3], cutoff, key: None };
    let (mut state, mut refusals) = (TableReadState::default(), Refusals::default());
    let found = plan.attempts(client, &mut state, scan, |mut opened, unreadable| {
        let mut found = ReplayRows { tables: ReplayTables::default(), accepted: 0, asked };
        plan.read_tables(&mut opened, unreadable, dictionary, &mut refusals, scan, &mut found)?;
        opened.transaction.commit()?;
        Ok(found)
    })?;
    scan.status.accepted(found.accepted);
    Ok(found.tables)
}

/// Takes the rows that the replay needs.
struct ReplayRows {
    tables: ReplayTables,
    accepted: u64,
    asked: ReplayBounds,
}

impl RowSink for ReplayRows {
    fn product(&mut self, product: ProductKey, categories: &[CategoryKey], is_usable: bool) {
        let rows = categories.iter();
        self.tables.catalogue.extend(rows.map(|category| CatalogueRow { product, category: *category }));
        self.accepted += u64::from(is_usable);
    }

    fn order<'c>(&mut self, row: &CopiedRow<'_, 'c>) -> Result<(), RowIssue<'c>> {
        let Some(created_at) = row.created_at()? else { return Ok(()) };
        // An order whose status does not count is known all the same: a purchase event that names it does not count either.
        if self.asked.holds(created_at) {
            let placed = Placed::new(created_at, row.counts()?);
            self.tables.orders.push(OrderRow { order: row.order()?, user: row.user()?, placed });
            self.accepted += 1;
        }
        Ok(())
    }

    fn line(&mut self, line: LineRow) {
        self.tables.lines.push(line);
        self.accepted += 1;
    }
}
