//! Visitors: events at a steady rate, until the process is killed.

use std::time::{Duration, Instant};

use clap::Args;
use vitrine::clock::wall_ms;

use crate::event_mix::EventMix;
use crate::machine::rest;
use crate::shop::shop;
use crate::topic::{self, PARTITIONS};

const ROUND: Duration = Duration::from_millis(1);

#[derive(Debug, Args)]
pub(crate) struct TrafficArgs {
    brokers: String,
    topic: String,
    /// Events a second.
    rate: u64,
    /// Events of all types, not views alone
    #[arg(long)]
    all_types: bool,
}

/// Sends the events that are due, once per millisecond.
pub(crate) fn run(args: &TrafficArgs) -> anyhow::Result<()> {
    let producer =
        topic::producer(&args.brokers, &[("acks", "1"), ("linger.ms", "1"), ("socket.nagle.disable", "true")])?;
    let shop = shop(0);
    let mut rng = shop.rng("visitors");
    let mix = if args.all_types { EventMix::AllTypes } else { EventMix::Views };
    let start = Instant::now();
    let mut sent = 0;
    loop {
        let due = (start.elapsed().as_secs_f64() * args.rate as f64) as u64;
        while sent < due {
            let view = shop.view(wall_ms(), &mut rng);
            topic::send(&producer, &args.topic, sent as i32 % PARTITIONS, &mix.json(&shop, &view, sent))?;
            sent += 1;
        }
        producer.poll(Duration::ZERO);
        rest(ROUND);
    }
}
