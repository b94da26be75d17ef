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

    fn decode(event: &[u8], now: Millis) -> Result<Event<'_>, Malformed> {
        decode::decode(event, Some(now), &TimeBounds::around(now))
    }

    /// The stream and the record of a checked event. One without a time is given the present: what is durable must not
    /// depend on when it is read.
    fn record(&self, event: &Bytes) -> Result<(Stream, Record), Malformed> {
        let now = self.clock.now();
        let decoded = Self::decode(event, now)?;
        let stream = if decoded.kind == Kind::Removal { Stream::Removals } else { Stream::Views };
        let key = decoded.user.as_bytes().to_vec();
        let payload = match decoded.dated {
            true => event.to_vec(),
            false => decode::restamp(&String::from_utf8_lossy(event), now)?.into_bytes(),
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
        Self::decode(event, self.clock.now()).map(drop).map_err(refused)
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

#[cfg(test)]
mod tests {
    use dataflow::time::Time;
    use sinks::log::Appending;

    use super::*;

    const NOW: Time = 1_795_169_700_120;

    /// A log that nothing is written to, and a clock that stands.
    struct Still;

    impl EventLog for Still {
        fn append(&self, _: Stream, _: Vec<Record>) -> Appending {
            Box::pin(async { Ok(Vec::new()) })
        }
    }

    impl ServiceClock for Still {
        fn now(&self) -> Time {
            NOW
        }
    }

    #[test]
    fn an_event_is_written_as_it_came_and_one_without_a_time_is_given_the_present() {
        let intake = LogIntake::new(Arc::new(Still), Arc::new(Still));
        let dated = r#"{"event_type":"view","user_id":"ada","product_id":"lamp","timestamp":1795169700}"#;
        let undated = r#"{"event":"ProductRemoved","userid":"ada","properties":{"productid":"lamp"}}"#;
        let stamped = undated.replace("}}", r#"},"timestamp":1795169700.12}"#);
        for (event, stream, written) in [(dated, Stream::Views, dated), (undated, Stream::Removals, &*stamped)] {
            let (to, record) = intake.record(&Bytes::from(event)).expect("it is an event");
            assert_eq!((to, &*record.key, &*record.payload), (stream, b"ada".as_slice(), written.as_bytes()));
        }
    }
}
