//! Finds changes by reading the tables again: reads, hands the difference over, waits.

use std::time::{Duration, Instant};

use dataflow::source_status::State;

use crate::postgres::context::ReaderContext;
use crate::postgres::handover::{FeedBatch, ReadingInfo};
use crate::postgres::health::HealthLog;
use crate::postgres::rows::table_cache::TableCache;
use crate::postgres::session::connection::Connection;
use crate::postgres::session::error::Error;
use crate::postgres::snapshot;
use crate::postgres::snapshot::read_plan::{ReadPlan, TableReadState};
use crate::postgres::{Definitions, Resumed};
use crate::side_thread::{Stop, Stopped};

/// Time between two checks of an idle connection.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads the tables again and again.
pub(crate) struct PollingReader {
    client: Option<Connection>,
    cache: TableCache,
    read_state: TableReadState,
    /// The number of readings, including those of an earlier process.
    count: i64,
}

impl PollingReader {
    pub(crate) fn new(resumed: Option<Resumed>) -> Self {
        let cache = TableCache::of_readings(resumed.as_ref());
        // A place in a log is no number of readings.
        let count = resumed.filter(|rows| rows.fingerprint.is_none()).map_or(0, |rows| rows.lsn);
        PollingReader { client: None, cache, read_state: TableReadState::default(), count }
    }

    /// Reads once and waits for the time of the next reading.
    pub(crate) fn turn(&mut self, context: &ReaderContext, health: &mut HealthLog, stop: &Stop) -> Result<(), Error> {
        let done = self.read(context, stop).and_then(|()| {
            health.good(context);
            context.progress.reach(None);
            context.status.state(0, State::Live);
            self.idle(context, stop)
        });
        if !matches!(done, Ok(()) | Err(Error::Layout(_))) {
            self.client = None;
        }
        done
    }

    /// Reads the tables once and waits until the difference has been fed.
    fn read(&mut self, context: &ReaderContext, stop: &Stop) -> Result<(), Error> {
        context.liveness.ask();
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(context.target.connect_unless(&stop.signal())?),
        };
        let (settings, now) = (&context.settings, context.clock.now());
        let cutoff = settings.span(now).cutoff();
        let plan = ReadPlan { settings, snapshot: None, without: [false; 3], cutoff, key: None };
        let scan = context.scan(self.count, |time| stop.wait(time));
        context.allow_reading(client)?;
        let held = Some(context.dictionary.hold());
        let change =
            snapshot::read(&mut self.cache, &mut self.read_state, client, &plan, &context.dictionary, now, &scan)?;
        client.expect_answers();
        context.liveness.rest();
        self.count += 1;
        context.progress.hand(change.len());
        let reading = ReadingInfo { spoils: context.progress.spoils(), definitions: Definitions::default() };
        let batch =
            FeedBatch { change, next: self.count, fingerprint: None, reached: None, reading: Some(reading), held };
        context.link.batches.send(batch).map_err(|_| Stopped)?;
        context.link.waker.wake();
        context.link.taken.recv().map_err(|_| Stopped)?;
        Ok(())
    }

    /// Waits for the next reading, and notices a lost connection before it.
    fn idle(&mut self, context: &ReaderContext, stop: &Stop) -> Result<(), Error> {
        let until = Instant::now() + context.settings.refresh;
        loop {
            context.liveness.rest();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            stop.wait(left.min(LOOK_EVERY))?;
            if let Some(client) = &mut self.client {
                context.liveness.ask();
                client.check_connection()?;
            }
        }
    }
}
