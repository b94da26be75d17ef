//! Brokers that a client has forgotten.

use std::ffi::CString;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// The time between an error of a connection and the call that adds the brokers again. librdkafka keeps the text of every such call.
const PAUSE: Duration = Duration::from_secs(10);

/// The addresses of a client's brokers. They are added to the client again after errors of its connections.
///
/// librdkafka replaces its brokers by those of each answer about the cluster. A broker whose session with the controller has ended
/// answers that there are none. A client that hears so has nobody left to ask, for ever (librdkafka's issue 5301).
#[derive(Debug)]
pub struct BrokerAddresses {
    addresses: CString,
    failed_at: Mutex<Option<Instant>>,
}

impl BrokerAddresses {
    /// The addresses in the settings of a client.
    #[must_use]
    pub fn new(config: &ClientConfig) -> Self {
        let addresses = config.get("bootstrap.servers").unwrap_or_default();
        // librdkafka refuses settings with a zero byte, so that there is no such client.
        BrokerAddresses { addresses: CString::new(addresses).unwrap_or_default(), failed_at: Mutex::default() }
    }

    /// Notes an error of the client, if its connections may have failed.
    pub fn note(&self, error: &KafkaError) {
        use RDKafkaErrorCode as Code;
        if let Some(Code::AllBrokersDown | Code::BrokerTransportFailure | Code::MessageTimedOut) =
            error.rdkafka_error_code()
        {
            self.failed_at.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        }
    }

    /// Tells the client of its brokers again, once some seconds have passed since an error was noted. Brokers that it knows are
    /// not added.
    pub fn restore<C: ClientContext>(&self, client: &Client<C>) {
        let mut failed_at = self.failed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if failed_at.take_if(|failed_at| failed_at.elapsed() >= PAUSE).is_some() {
            drop(failed_at);
            add(client, &self.addresses);
        }
    }
}

/// Adds brokers to those that the client knows.
fn add<C: ClientContext>(client: &Client<C>, addresses: &CString) {
    // SAFETY: the client lives as long as `client`, and librdkafka copies the text, which ends with a zero byte.
    unsafe { sys::rd_kafka_brokers_add(client.native_ptr(), addresses.as_ptr()) };
}

#[cfg(test)]
mod tests {
    use harness::kafka::Broker;
    use rdkafka::consumer::{BaseConsumer, Consumer as _};

    use super::*;

    #[test]
    fn a_client_without_a_broker_finds_those_that_it_is_told_of() {
        let broker = Broker::start();
        broker.create_topic("views", 1);
        let mut config = broker.client_config();
        let told = BrokerAddresses::new(&config);
        config.set("bootstrap.servers", "127.0.0.1:1");
        let consumer: BaseConsumer = config.create().expect("these settings are valid");
        let look = || consumer.fetch_metadata(Some("views"), Duration::from_secs(1)).map(|found| found.brokers().len());
        let error = look().expect_err("nobody listens at this port");
        told.restore(consumer.client());
        assert!(told.failed_at.lock().unwrap().is_none(), "no error was noted");
        told.note(&error);
        told.restore(consumer.client());
        assert!(told.failed_at.lock().unwrap().is_some(), "{error:?}: too early");
        assert_eq!(look(), Err(error));
        add(consumer.client(), &told.addresses);
        add(consumer.client(), &told.addresses);
        harness::wait_until(Duration::from_secs(60), "the client finds the broker", || look() == Ok(1));
    }

    #[test]
    fn only_errors_of_connections_count() {
        let addresses = BrokerAddresses::new(&ClientConfig::new());
        addresses.note(&KafkaError::Global(RDKafkaErrorCode::PartitionEOF));
        assert!(addresses.failed_at.lock().unwrap().is_none());
        addresses.note(&KafkaError::Global(RDKafkaErrorCode::AllBrokersDown));
        assert!(addresses.failed_at.lock().unwrap().is_some());
    }
}
