//! `vitrine produce`: the product-view producer.
//!
//! ```text
//! file ─▶ lines ─▶ restamp (now) ─▶ user id as key ─▶ Kafka, acknowledged by all replicas
//!            └─ malformed: named with its line, skipped, counted
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use events::{Malformed, TimeBounds};
use indicatif::ProgressBar;

use super::broker::BrokerClient;
use super::progress;
use crate::cli::ProduceArgs;
use crate::clock::wall_ms;
use crate::config::{Config, Kafka};
use sinks::lines::{LineReader, TextLine};

/// Number of malformed lines that are reported one by one; further lines are only counted.
const NAMED_MAX: u64 = 100;

/// Sends the file; exit code 1 if a line was malformed.
///
/// # Errors
/// The file or the broker cannot be reached, or a record was not acknowledged.
pub fn run(args: &ProduceArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let kafka = config
        .kafka
        .as_ref()
        .context("no Kafka is configured: give --brokers HOST:PORT, or a --config file with [kafka]")?;
    let (input, size) = open(&args.file)?;
    let topic = topic(args, kafka);
    let (broker, metadata) = BrokerClient::connect(kafka)?;
    if broker.ensure_topic(&metadata, topic, args.partitions)? {
        tracing::info!(topic, partitions = args.partitions, "topic created");
    }
    let mut job = Production {
        broker,
        topic,
        pace: SendRate::new(args.rate),
        bar: progress::bytes("produce", size),
        sent: 0,
        malformed: 0,
    };
    let done = job.send_all(input);
    job.bar.finish_and_clear();
    // The events that were sent before an error are reported as well.
    let seconds = job.pace.start.elapsed().as_secs_f64();
    println!("sent {} events to {topic} in {seconds:.1} s, skipped {} malformed lines", job.sent, job.malformed);
    done?;
    Ok(if job.malformed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn topic<'a>(args: &'a ProduceArgs, kafka: &'a Kafka) -> &'a str {
    args.topic
        .as_deref()
        .unwrap_or_else(|| kafka.views.first().expect("the configuration has at least one topic of views"))
}

fn open(path: &Path) -> anyhow::Result<(Box<dyn BufRead>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Box::new(std::io::stdin().lock()), None));
    }
    let file = File::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
    let size = file.metadata().ok().map(|metadata| metadata.len());
    Ok((Box::new(BufReader::with_capacity(1 << 16, file)), size))
}

struct Production<'a> {
    broker: BrokerClient,
    topic: &'a str,
    pace: SendRate,
    bar: ProgressBar,
    sent: u64,
    malformed: u64,
}

impl Production<'_> {
    fn send_all(&mut self, input: Box<dyn BufRead>) -> anyhow::Result<()> {
        let mut lines = LineReader::new(input, events::PAYLOAD_BYTES_MAX);
        let mut number = 0_u64;
        while let Some(line) = lines.read_line().context("the rest of the file cannot be read")? {
            number += 1;
            match line {
                TextLine::Text(text) if text.trim_start_matches(events::BYTE_ORDER_MARK).trim().is_empty() => {}
                TextLine::Text(text) => self.send(number, &text)?,
                TextLine::NotUtf8 => self.skip(number, "not UTF-8"),
                TextLine::TooLong => self.skip(number, &format!("longer than {} bytes", events::PAYLOAD_BYTES_MAX)),
            }
            self.bar.set_position(lines.bytes_read());
        }
        self.broker.finish()
    }

    fn send(&mut self, number: u64, line: &str) -> anyhow::Result<()> {
        self.pace.wait(self.sent, &self.broker);
        match stamped(line) {
            Err(malformed) => self.skip(number, &malformed.to_string()),
            Ok((user, event)) => {
                self.broker.send(self.topic, &user, &event)?;
                self.sent += 1;
                self.bar.set_message(format!("{} sent", self.sent));
            }
        }
        Ok(())
    }

    fn skip(&mut self, number: u64, reason: &str) {
        self.malformed += 1;
        if self.malformed <= NAMED_MAX {
            self.bar.suspend(|| eprintln!("line {number}: {reason}; skipped"));
        }
        if self.malformed == NAMED_MAX {
            self.bar.suspend(|| eprintln!("further malformed lines are only counted"));
        }
    }
}

/// The event's user, and the event with the current time.
fn stamped(line: &str) -> Result<(String, String), Malformed> {
    let now = wall_ms();
    let event = events::restamp(line, now)?;
    let user = events::decode(event.as_bytes(), Some(now.into()), &TimeBounds::around(now))?.user.into_owned();
    Ok((user, event))
}

/// When each event is due: event n at the start + n / rate, so that a delay is made up for.
struct SendRate {
    start: Instant,
    rate: f64,
}

impl SendRate {
    fn new(rate: f64) -> SendRate {
        SendRate { start: Instant::now(), rate }
    }

    /// Waits for the time of event `number`, and handles acknowledgements meanwhile.
    fn wait(&self, number: u64, broker: &BrokerClient) {
        while let Some(left) = self.left(number, self.start.elapsed()) {
            broker.serve(left);
        }
    }

    fn left(&self, number: u64, elapsed: Duration) -> Option<Duration> {
        if self.rate <= 0.0 {
            return None;
        }
        // Waits are limited to a century, which keeps the division within the range of a duration.
        let due = Duration::from_secs_f64((number as f64 / self.rate).min(4e9));
        due.checked_sub(elapsed).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_due_one_after_the_other() {
        let pace = SendRate::new(10.0);
        assert_eq!(pace.left(0, Duration::ZERO), None);
        assert_eq!(pace.left(10, Duration::from_millis(400)), Some(Duration::from_millis(600)));
        assert_eq!(pace.left(10, Duration::from_millis(1001)), None);
        assert_eq!(SendRate::new(0.0).left(u64::MAX, Duration::ZERO), None);
        assert!(SendRate::new(1e-9).left(u64::MAX, Duration::ZERO).is_some());
    }
}
