//! The consumer with its callbacks: librdkafka's log and its errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kafka_batch::BrokerAddresses;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, ClientContext};

use super::notify::Notify;

/// A consumer with our callbacks.
pub(super) type Consumer = BaseConsumer<Context>;

/// The most log lines and errors that are taken from librdkafka in one call.
const NOTICES_MAX: usize = 64;

/// A consumer with these settings; its errors wake `notify`.
pub(super) fn consumer(config: &ClientConfig, notify: Arc<Notify>) -> KafkaResult<Consumer> {
    let context = Context { notify, addresses: BrokerAddresses::new(config), spent: AtomicBool::new(false) };
    config.create_with_context(context)
}

/// Runs librdkafka's callbacks; returns whether more may be left. Records never come this way: each partition has its own queue.
pub(super) fn serve(consumer: &Consumer) -> bool {
    let is_over = |_| consumer.poll(Duration::ZERO).is_none() && !consumer.context().take_spent();
    let is_more = !(0..NOTICES_MAX).any(is_over);
    consumer.context().addresses.restore(consumer.client());
    is_more
}

/// Receives what is not a record. All calls come from the thread that polls, during the poll.
pub(super) struct Context {
    notify: Arc<Notify>,
    addresses: BrokerAddresses,
    /// Whether the current poll handled something that it does not return.
    spent: AtomicBool,
}

impl Context {
    /// Notes that a request has failed.
    pub(super) fn failed(&self, error: &KafkaError) {
        self.addresses.note(error);
    }

    /// Whether a poll that returned nothing may have left more to handle.
    fn take_spent(&self) -> bool {
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
        // The end of a partition is no error: it comes with the partition's records.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            tracing::debug!(target: "librdkafka", %error, reason);
            self.addresses.note(&error);
            self.notify.notify();
        }
    }
}

impl ConsumerContext for Context {}
