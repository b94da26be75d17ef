//! Single views, each with the moments at which it was sent and acknowledged.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use rdkafka::producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use vitrine::clock::wall_ms;

use super::SHOWN_MAX;

/// The user of all probes.
pub(super) const USER: &str = "probe";

/// Sends each acknowledgement's moment on, from the thread that receives it.
struct Acknowledgements(Sender<anyhow::Result<Instant>>);

impl ClientContext for Acknowledgements {}

impl ProducerContext for Acknowledgements {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let now = Instant::now();
        let result = result.as_ref().map(|_| now).map_err(|(error, _)| anyhow!("not delivered: {error}"));
        // The receiver is gone only when the run has ended.
        let _ = self.0.send(result);
    }
}

/// Sends one view at a time.
pub(super) struct Prober {
    // This producer polls in a thread of its own, because `poll` and `flush` return much later than the
    // acknowledgement.
    producer: ThreadedProducer<Acknowledgements>,
    acknowledged: Receiver<anyhow::Result<Instant>>,
}

impl Prober {
    /// Connects.
    pub(super) fn new(brokers: &str) -> anyhow::Result<Prober> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("acks", "all").set("linger.ms", "0");
        config.set("socket.nagle.disable", "true");
        let (acknowledge, acknowledged) = mpsc::channel();
        let producer = config.create_with_context(Acknowledgements(acknowledge)).context("the prober's settings")?;
        Ok(Prober { producer, acknowledged })
    }

    /// Sends a view of this product; returns when it was sent and when it was acknowledged.
    pub(super) fn view(&self, topic: &str, partition: i32, product: &str) -> anyhow::Result<[Instant; 2]> {
        let at = wall_ms() as f64 / 1e3;
        let view = format!(
            r#"{{"event":"ProductView","messageid":"{product}","userid":"{USER}","properties":{{"productid":"{product}"}},"context":{{"source":"web"}},"timestamp":{at:.3}}}"#
        );
        let record = BaseRecord::<str, str>::to(topic).partition(partition).payload(&view);
        let sent = Instant::now();
        self.producer.send(record).map_err(|(error, _)| error)?;
        let acknowledged = self.acknowledged.recv_timeout(SHOWN_MAX).context("no acknowledgement")??;
        Ok([sent, acknowledged])
    }
}
