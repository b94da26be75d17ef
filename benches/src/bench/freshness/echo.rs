//! A bare consumer beside the product, which notes when each probe's record arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rdkafka::consumer::BaseConsumer;
use rdkafka::{Message as _, Offset};

use super::SHOWN_MAX;
use crate::floor;
use crate::latencies::contains;

/// A text that only payloads of probes contain.
const MARK: &[u8] = b"\"probe-";

/// A consuming thread, ended on drop.
pub(in crate::bench) struct Echo {
    arrivals: Receiver<(Instant, Vec<u8>)>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Starts reading at the topic's end.
    pub(in crate::bench) fn start(brokers: &str, topic: &str) -> anyhow::Result<Echo> {
        let consumer = floor::consumer(brokers, topic, Offset::End)?;
        let (arrive, arrivals) = mpsc::channel();
        let stopped = Arc::new(AtomicBool::new(false));
        let (ended, ready) = (stopped.clone(), Instant::now());
        let thread = std::thread::spawn(move || read(&consumer, &ended, &arrive));
        // If the end were looked up only after the first probe, the consumer would miss that probe.
        crate::machine::rest(Duration::from_secs(2).saturating_sub(ready.elapsed()));
        Ok(Echo { arrivals, stopped, thread: Some(thread) })
    }

    /// When the record with this product arrived.
    pub(in crate::bench) fn wait(&self, product_id: &str) -> anyhow::Result<Instant> {
        let needle = format!("\"{product_id}\"");
        loop {
            let (at, payload) = self.arrivals.recv_timeout(SHOWN_MAX).context("no echo")?;
            if contains(&payload, needle.as_bytes()) {
                return Ok(at);
            }
        }
    }
}

fn read(consumer: &BaseConsumer, stopped: &AtomicBool, arrive: &mpsc::Sender<(Instant, Vec<u8>)>) {
    while !stopped.load(Ordering::Relaxed) {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let payload = message.payload().unwrap_or_default();
        if contains(payload, MARK) && arrive.send((Instant::now(), payload.to_vec())).is_err() {
            return;
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The thread ends at its next check. Its panic was already visible as a missing echo.
            let _ = thread.join();
        }
    }
}
