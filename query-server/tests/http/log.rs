//! The log in memory of a small shop, the feed that reads it, and the event writer that appends to it.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use dataflow::feed::{Feed, FeedProgress, Position, Waker};
use dataflow::inputs::Inputs;
use dataflow::merchandising::{RuleId, RuleText};
use dataflow::source_status::{Progress, SourceStatus};
use dataflow::time::{Millis, Time};
use serde_json::Value;
use tokio::sync::Notify;
use vitrine_query_server::{BoxFuture, EventWriter, InvalidEvent, WriteError};

use crate::records::{Record, feed_one, now_ms};

pub(crate) const STREAM: &str = "events";

#[derive(Default)]
pub(crate) struct Log {
    /// See [`FeedProgress::reached`].
    pub(crate) reached: Mutex<Option<Time>>,
    pub(crate) records: Mutex<Vec<Record>>,
    pub(crate) waker: Mutex<Option<Waker>>,
}

impl Log {
    pub(crate) fn append(&self, records: impl IntoIterator<Item = Record>) -> Position {
        let mut log = self.records.lock().unwrap();
        log.extend(records);
        if let Some(waker) = &*self.waker.lock().unwrap() {
            waker.wake();
        }
        Position::new(STREAM, 0, i64::try_from(log.len()).unwrap())
    }
}

pub(crate) struct LogFeed {
    pub(crate) log: Arc<Log>,
    pub(crate) registry: Arc<SourceStatus>,
    pub(crate) next: usize,
}

impl Feed for LogFeed {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        let log = self.log.records.lock().unwrap();
        let end = log.len().min(self.next + budget);
        for record in &log[self.next..end] {
            feed_one(inputs, record);
        }
        let records = end - self.next;
        self.next = end;
        self.registry.accepted(records as u64);
        self.registry.partition(&STREAM.into(), 0, Progress { next: end as i64, end: log.len() as i64 });
        let reached = *self.log.reached.lock().unwrap();
        FeedProgress { records, waiting: log.len() - end, reached }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        out.push(Position::new(STREAM, 0, self.next as i64));
    }
}

/// How the event writer behaves.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Mood {
    Well,
    /// Nothing is accepted.
    Down,
    /// Nothing is acknowledged.
    Silent,
    /// Whether something was accepted is not known.
    Unsure,
    /// The log refuses one of the events for good.
    Strict,
    /// Acknowledged, and never seen again.
    Lost,
    /// There is no log.
    Off,
    /// Accepted once the mood is another one.
    Held,
}

pub(crate) struct TestWriter {
    pub(crate) log: Arc<Log>,
    mood: AtomicU8,
    changed: Notify,
    held: AtomicUsize,
}

impl TestWriter {
    pub(crate) fn new(log: Arc<Log>) -> TestWriter {
        let mood = AtomicU8::new(Mood::Well as u8);
        TestWriter { log, mood, changed: Notify::new(), held: AtomicUsize::new(0) }
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// How many writes were held.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    async fn release(&self) {
        self.held.fetch_add(1, Ordering::SeqCst);
        loop {
            // Made before the mood is looked at, so that no change is missed.
            let changed = self.changed.notified();
            if self.mood.load(Ordering::SeqCst) != Mood::Held as u8 {
                return;
            }
            changed.await;
        }
    }

    fn write(&self, records: Vec<Record>) -> BoxFuture<'_, Result<Position, WriteError>> {
        let mood = self.mood.load(Ordering::SeqCst);
        Box::pin(async move {
            match mood {
                0 => Ok(self.log.append(records)),
                1 => Err(WriteError::Unavailable("the broker does not answer".into())),
                2 => std::future::pending().await,
                3 => Err(WriteError::Unsure("the broker went away".into())),
                4 => Err(WriteError::RefusedByLog { index: Some(7), reason: "the topic takes no such event".into() }),
                6 => Err(WriteError::Off("there is no log".into())),
                7 => {
                    self.release().await;
                    Ok(self.log.append(records))
                }
                _ => Ok(Position::new("nowhere", 0, 1)),
            }
        })
    }
}

fn field(event: &Value, pointer: &str, name: &str) -> Result<String, InvalidEvent> {
    let refused = |reason: &str| InvalidEvent { field: Some(name.into()), reason: reason.into() };
    let value = event.pointer(pointer).ok_or_else(|| refused("missing"))?;
    value.as_str().map(str::to_owned).ok_or_else(|| refused("not a string"))
}

fn view(event: &[u8]) -> Result<Record, InvalidEvent> {
    let json = |_| InvalidEvent { field: None, reason: "not JSON".into() };
    let event: Value = serde_json::from_slice(event).map_err(json)?;
    let at = event["timestamp"].as_u64().unwrap_or_else(now_ms);
    Ok(Record::View {
        user: field(&event, "/userid", "userid")?,
        product: field(&event, "/productid", "productid")?,
        at,
    })
}

type Writing<'a> = BoxFuture<'a, Result<Position, WriteError>>;

impl EventWriter for TestWriter {
    fn check_log(&self) -> Result<(), WriteError> {
        match self.mood.load(Ordering::SeqCst) {
            6 => Err(WriteError::Off("there is no log".into())),
            _ => Ok(()),
        }
    }

    fn check(&self, event: &[u8]) -> Result<(), InvalidEvent> {
        assert!(!event.contains(&b'\n'), "an event is on one line");
        view(event).map(drop)
    }

    fn append(&self, events: Vec<Bytes>) -> BoxFuture<'_, Result<Vec<Position>, WriteError>> {
        let writing = self.write(events.iter().map(|event| view(event).unwrap()).collect());
        Box::pin(async move { Ok(vec![writing.await?]) })
    }

    fn present(&self) -> Millis {
        now_ms()
    }

    fn remove(&self, user: &str, product: &str, at: Millis) -> BoxFuture<'_, Result<Position, WriteError>> {
        self.write(vec![Record::Removal { user: user.into(), product: product.into(), at }])
    }

    fn erase(&self, user: &str, at: Millis) -> Writing<'_> {
        self.write(vec![Record::Erasure { user: user.into(), at }])
    }

    fn write_rule(&self, rule: RuleId, text: Option<&RuleText>, at: Millis) -> Writing<'_> {
        self.write(vec![Record::Rule { rule, text: text.cloned(), at }])
    }
}
