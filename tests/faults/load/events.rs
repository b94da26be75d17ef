//! Views written to Kafka in transactions: some views are late, some are repeated, and some transactions are aborted.

use std::time::Duration;

use harness::Dice;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use vitrine::clock::wall_ms;

use super::{LoadTarget, Work, product, user, view};

const PATIENCE: Duration = Duration::from_secs(10);
const BATCH_MAX: usize = 20;
const LATE_MS_MAX: usize = 600_000;

/// A shop's tracker.
pub(super) struct Events {
    target: LoadTarget,
    rng: Dice,
    producer: Option<BaseProducer>,
    sent: usize,
}

impl Events {
    pub(super) fn new(target: LoadTarget, rng: Dice) -> Events {
        Events { target, rng, producer: None, sent: 0 }
    }

    fn transaction(&mut self) -> Result<(), KafkaError> {
        let producer = match self.producer.take() {
            Some(producer) => producer,
            None => self.producer()?,
        };
        producer.begin_transaction()?;
        for _ in 0..=self.rng.below(BATCH_MAX) {
            let (user, payload) = self.event();
            let times = if self.rng.below(10) == 0 { 2 } else { 1 };
            for _ in 0..times {
                let record = BaseRecord::to(&self.target.topic).key(&user).payload(&payload);
                producer.send(record).map_err(|(error, _)| error)?;
            }
        }
        producer.flush(PATIENCE)?;
        if self.rng.below(6) == 0 {
            producer.abort_transaction(PATIENCE)?
        } else {
            producer.commit_transaction(PATIENCE)?
        }
        self.producer = Some(producer);
        Ok(())
    }

    fn producer(&self) -> Result<BaseProducer, KafkaError> {
        let mut config = self.target.kafka.clone();
        config.set("transactional.id", format!("load-of-{}", self.target.topic)).set("linger.ms", "0");
        let producer: BaseProducer = config.create()?;
        producer.init_transactions(PATIENCE)?;
        Ok(producer)
    }

    fn event(&mut self) -> (String, String) {
        self.sent += 1;
        let late_ms = if self.rng.below(5) == 0 { self.rng.below(LATE_MS_MAX) } else { 0 };
        let at_ms = wall_ms() - late_ms as u64;
        let (user, product) = (user(self.rng.below(1_000_000)), product(self.rng.below(1_000_000)));
        let mut event = view(&user, &product, &format!("e-{}", self.sent));
        event["timestamp"] = (at_ms as f64 / 1000.0).into();
        (user, event.to_string())
    }
}

impl Work for Events {
    fn once(&mut self) {
        // The broker may be away; what was written is read from the topic, whatever came of it.
        if self.transaction().is_err() {
            self.producer = None;
        }
    }
}
