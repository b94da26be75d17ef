//! Writes the server's events to the log: checks them as the sources do, and appends them with the user's id as key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dataflow::feed::Position;
use dataflow::merchandising::{RuleId, RuleText};
use dataflow::time::{Millis, ServiceClock};
use events::{Event, EventKind, Malformed, PAYLOAD_BYTES_MAX, TimeBounds};
use query_server::{BoxFuture, EventWriter, InvalidEvent, WriteError};
use sinks::log::{AppendError, EventLog, Record, Refused as NeverWritten, Stream, Unavailable};

use bytes::Bytes;

use crate::clock::LaterClock;

/// Writes events that the server has accepted to a log that the sources read.
pub struct LogEventWriter {
    log: Arc<dyn EventLog>,
    /// The times that events state are checked against the later of the two clocks. Records get the wall clock's time.
    clock: LaterClock,
    /// These two make ids of removals, erasures and rules unique: the time of the start, and their number since.
    started: Millis,
    numbered: AtomicU64,
}

impl LogEventWriter {
    /// A writer to `log`. An event without a time gets the service clock's time, but never a time after the wall
    /// clock's: records get the wall clock's time, and sources check an event's time against its record's. So no
    /// accepted event is refused when its record is read.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, clock: LaterClock) -> Self {
        let started = clock.service();
        LogEventWriter { log, clock, started, numbered: AtomicU64::new(0) }
    }

    /// Decodes an event as the sources will decode its record.
    /// Merchandising rules are not taken among events: they would miss the checks of their own address.
    fn decode<'a>(&self, event: &'a [u8]) -> Result<Event<'a>, InvalidEvent> {
        let decoded = events::decode(event, Some(self.clock.wall().into()), &TimeBounds::around(self.clock.now()));
        let decoded = decoded.map_err(refused)?;
        let elsewhere = match decoded.kind {
            EventKind::Rule => Some("a merchandising rule is written with PUT /v1/rules/{rule}"),
            EventKind::Erasure => Some("a user is erased with DELETE /v1/users/{user}"),
            _ => None,
        };
        if let Some(reason) = elsewhere {
            return Err(InvalidEvent { field: Some("event".to_owned()), reason: reason.to_owned() });
        }
        Ok(decoded)
    }

    /// The stream and the record of an event. An event without a time gets the current time: the meaning of a durable
    /// record must not depend on when it is read.
    fn record(&self, event: &Bytes) -> Result<(Stream, Record), InvalidEvent> {
        let now = self.present();
        let decoded = self.decode(event)?;
        let stream = if decoded.kind == EventKind::Removal { Stream::Removals } else { Stream::Views };
        let key = decoded.user.as_bytes().to_vec();
        let payload = match decoded.stated.is_some() {
            true => event.to_vec(),
            false => events::restamp(&String::from_utf8_lossy(event), now).map_err(refused)?.into_bytes(),
        };
        let record = Record { key, payload };
        self.check_size(&record)?;
        Ok((stream, record))
    }

    /// Refuses an event whose record would be too long to read or write, before anything is written.
    fn check_size(&self, record: &Record) -> Result<(), InvalidEvent> {
        let (payload, record) = (record.payload.len(), record.key.len() + record.payload.len());
        let too_long = |what: &str, bytes, most| {
            let reason = format!("{what} has {bytes} bytes, more than the limit of {most}");
            Err(InvalidEvent { field: None, reason })
        };
        match self.log.record_bytes_max() {
            _ if payload > PAYLOAD_BYTES_MAX => {
                too_long("the event with the time it is given", payload, PAYLOAD_BYTES_MAX)
            }
            most if record > most => too_long("the event with its key", record, most),
            _ => Ok(()),
        }
    }

    /// An id for an event of this process.
    fn next_id(&self) -> String {
        format!("{:x}-{:x}", self.started, self.numbered.fetch_add(1, Ordering::Relaxed))
    }

    /// Appends a record to the stream of removals.
    fn append_one(&self, record: Record) -> BoxFuture<'_, Result<Position, WriteError>> {
        let appended = self.log.append(Stream::Removals, vec![record]);
        Box::pin(async move {
            let position = appended.await.map_err(|error| write_error(error, &[0], false))?.pop();
            position.ok_or_else(|| WriteError::Unsure("the log gave no position".to_owned()))
        })
    }

    async fn append_all(&self, events: Vec<Bytes>) -> Result<Vec<Position>, WriteError> {
        let (mut views, mut removals) = (StreamBatch::default(), StreamBatch::default());
        for (index, event) in events.iter().enumerate() {
            // The event was checked before. It can fail now because time has passed, or because the record adds bytes.
            let (stream, record) = self.record(event).map_err(|event| WriteError::Malformed { index, event })?;
            let batch = if stream == Stream::Removals { &mut removals } else { &mut views };
            batch.records.push(record);
            batch.places.push(index);
        }
        let mut positions = Vec::new();
        for (stream, StreamBatch { records, places }) in [(Stream::Views, views), (Stream::Removals, removals)] {
            if !records.is_empty() {
                let wrote_before = !positions.is_empty();
                let appended = self.log.append(stream, records).await;
                positions.extend(appended.map_err(|error| write_error(error, &places, wrote_before))?);
            }
        }
        Ok(positions)
    }
}

/// One stream's records, and the place of each event in its request.
#[derive(Default)]
struct StreamBatch {
    records: Vec<Record>,
    places: Vec<usize>,
}

impl EventWriter for LogEventWriter {
    fn check_log(&self) -> Result<(), WriteError> {
        match self.log.is_configured() {
            true => Ok(()),
            false => Err(write_error(Unavailable::Unconfigured.into(), &[], false)),
        }
    }

    fn check(&self, event: &[u8]) -> Result<(), InvalidEvent> {
        self.decode(event).map(drop)
    }

    fn append(&self, events: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Position>, WriteError>> {
        Box::pin(self.append_all(events))
    }

    /// After a restart, and where the wall clock was set back, the service clock is ahead of it.
    fn present(&self) -> Millis {
        self.clock.service().min(self.clock.wall())
    }

    fn remove(&self, user: &str, product: &str, at: Millis) -> BoxFuture<'_, Result<Position, WriteError>> {
        let payload = events::removal_json(user, product, at, &self.next_id()).into_bytes();
        self.append_one(Record { key: user.as_bytes().to_vec(), payload })
    }

    fn erase(&self, user: &str, at: Millis) -> BoxFuture<'_, Result<Position, WriteError>> {
        let payload = events::erasure_json(user, at, &self.next_id()).into_bytes();
        self.append_one(Record { key: user.as_bytes().to_vec(), payload })
    }

    /// Rules go where removals go: to the stream that keeps its records.
    fn write_rule(
        &self,
        rule: RuleId,
        text: Option<&RuleText>,
        at: Millis,
    ) -> BoxFuture<'_, Result<Position, WriteError>> {
        let payload = events::rule_json(rule, text, at, &self.next_id()).into_bytes();
        self.append_one(Record { key: format!("rule/{}", rule.text()).into_bytes(), payload })
    }
}

fn refused(error: Malformed) -> InvalidEvent {
    InvalidEvent { field: error.field().map(str::to_owned), reason: error.to_string() }
}

/// The error of events at these places of a request. `wrote_before` says whether other events of the request were
/// written.
fn write_error(error: AppendError, places: &[usize], wrote_before: bool) -> WriteError {
    let reason = error.to_string();
    match error {
        AppendError::Refused(NeverWritten::TooLarge { index, .. }) => {
            WriteError::RefusedByLog { index: places.get(index).copied(), reason }
        }
        AppendError::Refused(NeverWritten::ByBroker { index, .. }) => {
            WriteError::RefusedByLog { index: index.and_then(|index| places.get(index).copied()), reason }
        }
        AppendError::Unavailable(Unavailable::Unconfigured) => WriteError::Off(reason),
        AppendError::Unavailable(why) if why.wrote_nothing() && !wrote_before => WriteError::Unavailable(reason),
        AppendError::Unavailable(_) => WriteError::Unsure(reason),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use dataflow::time::Time;
    use sinks::log::Appending;

    use super::*;

    const NOW: Time = 1_795_169_700_120;
    const VIEW: &str = r#"{"event_type":"view","user_id":"ada","product_id":"lamp","timestamp":1795169700}"#;
    const REMOVAL: &str = r#"{"event":"ProductRemoved","userid":"ada","properties":{"productid":"lamp"}}"#;

    /// A log that takes records up to a size, until it fails to take those of a stream.
    struct Fragile {
        bytes_max: usize,
        fails: Option<(Stream, AppendError)>,
        given: Mutex<Vec<(Stream, usize)>>,
    }

    impl EventLog for Fragile {
        fn append(&self, stream: Stream, records: Vec<Record>) -> Appending {
            self.given.lock().expect("nobody panics with it").push((stream, records.len()));
            let position = Position::new("log", 0, 1);
            let failure = self.fails.as_ref().filter(|(failing, _)| *failing == stream).map(|(_, error)| error.clone());
            Box::pin(async { failure.map_or(Ok(vec![position]), Err) })
        }

        fn record_bytes_max(&self) -> usize {
            self.bytes_max
        }
    }

    /// A clock that stands.
    struct Still;

    impl ServiceClock for Still {
        fn now(&self) -> Time {
            NOW
        }
    }

    fn event_writer(log: &Arc<Fragile>) -> LogEventWriter {
        LogEventWriter::new(log.clone(), LaterClock::new(Arc::new(Still), || NOW))
    }

    fn log(bytes_max: usize, fails: Option<(Stream, AppendError)>) -> Arc<Fragile> {
        Arc::new(Fragile { bytes_max, fails, given: Mutex::default() })
    }

    /// What becomes of the events, and how many appends there were.
    fn given(log: &Arc<Fragile>, events: &[&str]) -> (Result<Vec<Position>, WriteError>, usize) {
        let events = events.iter().map(|event| Bytes::copy_from_slice(event.as_bytes())).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let result = runtime.block_on(event_writer(log).append(events));
        (result, log.given.lock().expect("nobody panics with it").len())
    }

    #[test]
    fn an_event_is_written_as_it_came_and_one_without_a_time_is_given_the_present() {
        let event_writer = event_writer(&log(usize::MAX, None));
        let stamped = REMOVAL.replace("}}", r#"},"timestamp":1795169700.12}"#);
        for (event, stream, written) in [(VIEW, Stream::Views, VIEW), (REMOVAL, Stream::Removals, &*stamped)] {
            let (to, record) = event_writer.record(&Bytes::from(event)).expect("it is an event");
            assert_eq!((to, &*record.key, &*record.payload), (stream, b"ada".as_slice(), written.as_bytes()));
        }
    }

    #[test]
    fn what_is_taken_is_not_refused_when_its_record_is_read() {
        const HOUR_MS: Millis = 3_600_000;
        // The wall clock was set back by an hour; the service clock never is.
        let clock = LaterClock::new(Arc::new(Still), || NOW - HOUR_MS);
        let event_writer = LogEventWriter::new(log(usize::MAX, None), clock);
        let read = |payload: &[u8]| {
            let bounds = TimeBounds::around(NOW);
            events::decode(payload, Some((NOW - HOUR_MS).into()), &bounds).map(|event| event.at)
        };
        assert_eq!(event_writer.present(), NOW - HOUR_MS, "a removal hides no view that comes after it");
        let undated = VIEW.replace(r#","timestamp":1795169700"#, "");
        let (_, record) = event_writer.record(&Bytes::from(undated)).expect("it is an event");
        assert_eq!(read(&record.payload), Ok(NOW - HOUR_MS));
        // By the clock that dates its record it is an hour ahead.
        assert!(event_writer.check(VIEW.as_bytes()).is_err() && read(VIEW.as_bytes()).is_err());
    }

    #[test]
    fn an_event_that_can_never_be_written_or_read_stops_all_of_its_request_before_anything_is_written() {
        let long = |event: &str, bytes: usize| event.replace('}', &format!("}}{}", " ".repeat(bytes - event.len())));
        let at_the_limit = VIEW.replace(r#","timestamp":1795169700"#, "");
        let at_the_limit = long(&at_the_limit, PAYLOAD_BYTES_MAX);
        assert_eq!(
            event_writer(&log(usize::MAX, None)).check(at_the_limit.as_bytes()),
            Ok(()),
            "as it came it is not too long"
        );
        for (bytes_max, event, words) in
            [(usize::MAX, &*at_the_limit, "time it is given"), (200, &*format!("{REMOVAL:200}"), "key")]
        {
            let log = log(bytes_max, None);
            let (result, appends) = given(&log, &[VIEW, VIEW, event, VIEW]);
            let Err(WriteError::Malformed { index: 2, event: refused }) = &result else { panic!("{result:?}") };
            assert!(refused.reason.contains(words), "{refused}");
            assert_eq!(appends, 0);
        }
        assert!(given(&log(usize::MAX, None), &[&long(VIEW, PAYLOAD_BYTES_MAX)]).0.is_ok(), "it states its time");
    }

    #[test]
    fn nothing_was_accepted_is_said_only_where_it_is_known() {
        let (busy, disk) = (
            AppendError::from(Unavailable::Busy),
            AppendError::from(Unavailable::Disk { file: "views.jsonl".into(), reason: "full".into() }),
        );
        for (stream, error, known) in
            [(Stream::Views, &busy, true), (Stream::Removals, &busy, false), (Stream::Views, &disk, false)]
        {
            let (result, _) = given(&log(usize::MAX, Some((stream, error.clone()))), &[VIEW, REMOVAL]);
            let returned_error = result.expect_err("the log fails");
            let expected = if known { WriteError::Unavailable } else { WriteError::Unsure };
            assert_eq!(returned_error, expected(error.to_string()));
        }
    }

    #[test]
    fn what_the_broker_refuses_is_named_by_its_place_in_the_request() {
        let refused =
            |index| AppendError::from(NeverWritten::ByBroker { topic: "r".into(), reason: "too large".into(), index });
        for (index, place) in [(Some(1), Some(3)), (None, None)] {
            let log = log(usize::MAX, Some((Stream::Removals, refused(index))));
            let (result, _) = given(&log, &[VIEW, REMOVAL, VIEW, REMOVAL]);
            assert!(matches!(&result, Err(WriteError::RefusedByLog { index, .. }) if *index == place), "{result:?}");
        }
    }
}
