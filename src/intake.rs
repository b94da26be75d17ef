//! Between the server and the log: checks events by the shapes the sources read, and appends them under their user.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dataflow::feed::Position;
use dataflow::time::{Millis, ServiceClock};
use query_server::{BoxFuture, Intake, Refused, Unavailable};
use sinks::log::{EventLog, Record, Stream};
use sources::decode::{self, Event, Kind, Malformed, TimeBounds};

use bytes::Bytes;

/// Writes what the server takes in to a log that the sources read.
pub struct LogIntake {
    log: Arc<dyn EventLog>,
    clock: Arc<dyn ServiceClock>,
    /// Makes ids of removals unique: the time of the start, and how many there were since.
    started: Millis,
    removals: AtomicU64,
}

impl LogIntake {
    /// An intake into `log`; `clock` dates events that carry no time of their own.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: Arc<dyn ServiceClock>) -> Self {
        let started = clock.now();
        LogIntake { log, clock, started, removals: AtomicU64::new(0) }
    }

    fn decode<'a>(&self, event: &'a [u8]) -> Result<Event<'a>, Malformed> {
        let now = self.clock.now();
        decode::decode(event, Some(now), &TimeBounds::around(now))
    }

    /// The stream and the record of a checked event. One without a time is given the present: what is durable must not
    /// depend on when it is read.
    fn record(&self, event: &Bytes) -> Result<(Stream, Record), Malformed> {
        let now = self.clock.now();
        let decoded = self.decode(event)?;
        let stream = if decoded.kind == Kind::Removal { Stream::Removals } else { Stream::Views };
        let key = decoded.user.as_bytes().to_vec();
        let payload = match decode::decode(event, None, &TimeBounds::around(now)) {
            Ok(_) => event.to_vec(),
            Err(_) => decode::restamp(&String::from_utf8_lossy(event), now)?.into_bytes(),
        };
        Ok((stream, Record { key, payload }))
    }

    async fn append_all(&self, events: Vec<Bytes>) -> Result<Vec<Position>, Unavailable> {
        let (mut views, mut removals) = (Vec::new(), Vec::new());
        for event in &events {
            // It was checked; what makes it wrong since can only be the time that has passed.
            let (stream, record) = self.record(event).map_err(|error| Unavailable(error.to_string()))?;
            if stream == Stream::Removals { removals.push(record) } else { views.push(record) }
        }
        let mut positions = Vec::new();
        for (stream, records) in [(Stream::Views, views), (Stream::Removals, removals)] {
            if !records.is_empty() {
                positions.extend(self.log.append(stream, records).await.map_err(unavailable)?);
            }
        }
        Ok(positions)
    }
}

impl Intake for LogIntake {
    fn check(&self, event: &[u8]) -> Result<(), Refused> {
        let refused = |error: Malformed| Refused { field: error.field().map(str::to_owned), reason: error.to_string() };
        self.decode(event).map(drop).map_err(refused)
    }

    fn append(&self, events: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Position>, Unavailable>> {
        Box::pin(self.append_all(events))
    }

    fn remove(&self, user: &str, product: &str, at: Millis) -> BoxFuture<'_, Result<Position, Unavailable>> {
        let id = format!("{:x}-{:x}", self.started, self.removals.fetch_add(1, Ordering::Relaxed));
        let payload = decode::removal_json(user, product, at, &id).into_bytes();
        let record = Record { key: user.as_bytes().to_vec(), payload };
        let appended = self.log.append(Stream::Removals, vec![record]);
        Box::pin(async move {
            let position = appended.await.map_err(unavailable)?.pop();
            position.ok_or_else(|| Unavailable("the log gave no position".to_owned()))
        })
    }
}

fn unavailable(error: sinks::log::AppendError) -> Unavailable {
    Unavailable(error.to_string())
}
