//! The consumer's callbacks: librdkafka's log, its errors, and the offset at which a partition ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::notify::Notify;

/// A consumer with our callbacks.
pub(super) type Consumer = BaseConsumer<Context>;

const NONE: i64 = -1;

/// The most log lines and errors that are taken from librdkafka in one call.
const NOTICES_MAX: usize = 64;

/// Runs librdkafka's callbacks. Records never come this way: each partition has its own queue.
pub(super) fn serve(consumer: &Consumer) {
    for _ in 0..NOTICES_MAX {
        if consumer.poll(Duration::ZERO).is_none() && !consumer.context().take_spent() {
            return;
        }
    }
}

/// Receives what is not a record. All calls come from the thread that polls, during the poll.
pub(super) struct Context {
    notify: Arc<Notify>,
    /// Where the partition ended whose end the current poll is about to report.
    end: AtomicI64,
    /// Whether the current poll handled something that it does not return.
    spent: AtomicBool,
}

impl Context {
    pub(super) fn new(notify: Arc<Notify>) -> Self {
        Context { notify, end: AtomicI64::new(NONE), spent: AtomicBool::new(false) }
    }

    /// The end of the partition that the last poll reported as ended.
    pub(super) fn take_end(&self) -> Option<i64> {
        Some(self.end.swap(NONE, Ordering::Relaxed)).filter(|end| *end != NONE)
    }

    /// Whether a poll that returned nothing may have left more to handle.
    pub(super) fn take_spent(&self) -> bool {
        self.spent.swap(false, Ordering::Relaxed)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.spent.store(true, Ordering::Relaxed);
        // The watcher reports broken connections, once and in its own words.
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::warn!(target: "librdkafka", facility, message);
            }
            _ => tracing::debug!(target: "librdkafka", facility, message),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            self.end.store(end_in(reason).unwrap_or(NONE), Ordering::Relaxed);
        } else {
            tracing::debug!(target: "librdkafka", %error, reason);
            self.notify.notify();
        }
    }
}

impl ConsumerContext for Context {}

/// The offset in librdkafka's "Fetch from broker 1 reached end of partition at offset 12 (HighwaterMark 13)": the event
/// itself carries it, and the binding gives it in no other way. Without it only the position after the last record is
/// known, which is before the end if aborted records or transaction markers follow.
fn end_in(reason: &str) -> Option<i64> {
    let (_, after) = reason.split_once("at offset ")?;
    after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_read_from_the_reason() {
        let reason = "Fetch from broker 1 reached end of partition at offset 12 (HighwaterMark 13)";
        assert_eq!(end_in(reason), Some(12));
        assert_eq!(end_in("Broker: No more messages"), None);
        assert_eq!(end_in("at offset "), None);
    }
}
