//! `vitrine produce`.

use std::path::PathBuf;

use clap::Args;

use super::ConfigArgs;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine produce --config vitrine.toml --file product-views.json --rate 100
  vitrine produce --brokers localhost:9092 --file views.jsonl --rate 0     as fast as possible
  zcat views.jsonl.gz | vitrine produce --config vitrine.toml --file - --rate 1000 --topic clicks

Each line is one event:
  {\"event\":\"ProductView\",\"messageid\":\"5b8e…\",\"userid\":\"user-120\",\"properties\":{\"productid\":\"product-393\"},\
\"context\":{\"source\":\"mobile-app\"}}
or the clickstream format:
  {\"user_id\":120,\"product_id\":393,\"event_type\":\"view\"}

Each event gets the current time as its `timestamp` and goes to the partition of its user; the broker acknowledges it with \
all replicas. A missing topic is created. Malformed lines are reported, skipped and counted; the exit code is then 1.";

/// Flags of `vitrine produce`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct ProduceArgs {
    /// File with one JSON event per line; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// Events per second; 0 means as fast as possible
    #[arg(short, long, value_name = "N", value_parser = rate)]
    pub rate: f64,
    /// Topic to send to; by default the first of kafka.views
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// Number of partitions if the topic has to be created
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: i32,
    /// Kafka brokers for the first connection: HOST:PORT, separated by commas
    #[arg(short, long, value_name = "BROKERS")]
    pub brokers: Option<String>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl ProduceArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        self.settings.request(&[("--brokers", "kafka.brokers", self.brokers.clone())])
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "write a number of events per second, or 0")?;
    if rate.is_finite() && (0.0..=10_000_000.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("write a number from 0 to 10000000".into())
    }
}
