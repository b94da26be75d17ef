//! Diagnostic changes by reading again: read, hand the difference over, wait, again.

use std::time::{Duration, Instant};

use dataflow::source_status::State;

use super::connection::Connection;
use super::error::Error;
use super::reader::{Health, Reader, Reading, Step};
use super::snapshot::How;
use super::table_cache::TableCache;
use super::{Definitions, Resumed};
use crate::side_thread::{Stop, Stopped};

/// Time between two looks at an idle connection.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// PollingReader so far.
pub(super) struct PollingReader {
    client: Option<Connection>,
    memory: TableCache,
    /// How many there were, those of an earlier process included.
    count: i64,
}

impl PollingReader {
    pub(super) fn new(resumed: Option<Resumed>) -> Self {
        let memory = TableCache::of_readings(resumed.as_ref());
        // A place in a log is no number of readings.
        let count = resumed.filter(|rows| rows.fingerprint.is_none()).map_or(0, |rows| rows.lsn);
        PollingReader { client: None, memory, count }
    }

    /// Reads once and waits for the time of the next reading.
    pub(super) fn turn(&mut self, reader: &Reader, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        let done = self.read(reader, stop).and_then(|()| {
            health.good(reader);
            reader.flow.reach(None);
            reader.status.state(0, State::Live);
            self.idle(reader, stop)
        });
        if !matches!(done, Ok(()) | Err(Error::Layout(_))) {
            self.client = None;
        }
        done
    }

    /// Reads the tables once and waits until the difference has been fed.
    fn read(&mut self, reader: &Reader, stop: &Stop) -> Result<(), Error> {
        reader.pulse.ask();
        let client = match &mut self.client {
            Some(client) => client,
            None => self.client.insert(reader.target.connect_unless(&stop.signal())?),
        };
        let (settings, dictionary, now) = (&reader.settings, &reader.dictionary, reader.clock.now());
        let scan = &mut reader.scan(self.count, stop);
        reader.allow_reading(client)?;
        let change = self.memory.read(client, settings, dictionary, now, &How::Again, scan)?;
        client.expect_answers();
        reader.pulse.rest();
        self.count += 1;
        reader.flow.hand(change.len());
        let reading = Reading { spoils: reader.flow.spoils(), definitions: Definitions::default() };
        let step = Step { change, next: self.count, fingerprint: None, reached: None, reading: Some(reading) };
        reader.link.steps.send(step).map_err(|_| Stopped)?;
        reader.link.waker.wake();
        reader.link.fed.recv().map_err(|_| Stopped)?;
        Ok(())
    }

    /// Waits for the next reading, and notices a lost connection before it.
    fn idle(&mut self, reader: &Reader, stop: &Stop) -> Result<(), Error> {
        let until = Instant::now() + reader.settings.refresh;
        loop {
            reader.pulse.rest();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            stop.wait(left.min(LOOK_EVERY))?;
            if let Some(client) = &mut self.client {
                reader.pulse.ask();
                client.check_connection()?;
            }
        }
    }
}
