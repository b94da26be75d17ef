//! Histories of random users over HTTP, beside a bare hyper that answers a constant of the same size: idle, while 50 k
//! events a second come in, and idle with keys of the API whose rates are limited.
//!
//! The two servers take turns in short slices of one run. While busy, both are measured under the same traffic, which
//! the product takes in the whole time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use harness::{Process, free_port, wait_until};
use tempfile::TempDir;

use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::load::{Requests, pace, saturate};
use crate::machine::{cpu_s, rest};
use crate::numbers::{median, percentile};
use crate::product::Product;
use crate::shop::{USERS, shop};

const CONNECTIONS: usize = 32;
/// The product's default.
const SERVING_THREADS: &str = "2";
pub(super) const BUSY_EVENTS_PER_S: &str = "50000";
/// A rate well below what saturates the machine: latencies are the server's then, not those of a queue.
pub(super) const PACED_PER_S: f64 = 2000.0;
pub(super) const PACED_CONNECTIONS: usize = 8;
const WARM_UP: Duration = Duration::from_secs(1);

/// One server under load.
pub(super) struct Target {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) pid: u32,
}

/// What a server did, slice by slice.
#[derive(Default)]
pub(super) struct Slices {
    pub(super) per_s: Vec<f64>,
    pub(super) cpu_us: Vec<f64>,
    pub(super) p99_ms: Vec<f64>,
}

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let views = if context.quick { 200_000 } else { 1_000_000 };
    let topic = context.topic("lookups", views, figures)?;
    let mut product = Product::on_topic(context, 1, &topic)?;
    product.wait_read(&topic, views)?;

    let requests = requests();
    let bytes = answer_bytes(&product)?;
    figures.put("lookup_answer_bytes", bytes as f64);
    let (hyper, hyper_target) = bare_hyper(bytes)?;
    let targets = [Target { name: "lookup", address: product.address(), pid: product.pid() }, hyper_target];

    measure(context, &targets, &requests, "idle", figures)?;
    let visitors = child::spawn(&["traffic", context.broker().bootstrap(), &topic, BUSY_EVENTS_PER_S])?;
    rest(2 * WARM_UP);
    let (events, since) = (product.events()?, std::time::Instant::now());
    measure(context, &targets, &requests, "busy", figures)?;
    figures.put("lookups_busy_events_per_s", (product.events()? - events) / since.elapsed().as_secs_f64());
    stop(visitors);
    product.stop();
    let [_, hyper_target] = targets;
    with_keys(context, &topic, views, hyper_target, figures)?;
    stop(hyper);
    Ok(())
}

/// A bare hyper that answers with the given number of bytes, with the product's serving threads.
pub(super) fn bare_hyper(bytes: usize) -> anyhow::Result<(Process, Target)> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let hyper = child::spawn(&["bare-http", &address.to_string(), SERVING_THREADS, &bytes.to_string()])?;
    wait_until(WARM_UP * 10, "the bare hyper listens", || std::net::TcpStream::connect(address).is_ok());
    let pid = hyper.pid();
    Ok((hyper, Target { name: "hyper", address, pid }))
}

/// The same idle look-ups with a key whose rate is limited, though far above what is asked.
fn with_keys(context: &Context, topic: &str, views: u64, hyper: Target, figures: &mut Figures) -> anyhow::Result<()> {
    let dir = TempDir::with_prefix("vitrine-bench-keys-")?;
    let file = dir.path().join("keys.toml");
    let made = std::process::Command::new(&context.vitrine)
        .args(["key", "create", "--name", "bench", "--scope", "read", "--file"])
        .arg(&file)
        .output()?;
    anyhow::ensure!(made.status.success(), "no key is made: {}", String::from_utf8_lossy(&made.stderr));
    let key = String::from_utf8(made.stdout)?.trim().to_owned();
    let auth = format!("[auth]\nkeys = \"{}\"\nrequests_per_s = 1000000\nburst = 1000000\n", file.display());
    let mut product = Product::on_topic_with(context, 1, topic, &auth)?.with_key(key.clone());
    product.wait_read(topic, views)?;
    let targets = [Target { name: "lookup", address: product.address(), pid: product.pid() }, hyper];
    let requests = Requests::gets_with(paths(), &format!("x-api-key: {key}\r\n"));
    measure(context, &targets, &requests, "keyed", figures)?;
    product.stop();
    Ok(())
}

/// Both servers, by turns, as much as they take.
pub(super) fn turns(context: &Context, targets: &[Target; 2], requests: &Requests) -> anyhow::Result<[Slices; 2]> {
    let (rounds, slice) = (context.repeats(3, 5).max(3), if context.quick { 1 } else { 2 });
    let mut slices = [Slices::default(), Slices::default()];
    for target in targets {
        saturate(target.address, requests, CONNECTIONS, 0, WARM_UP)?;
    }
    for round in 0..rounds {
        for (target, slices) in targets.iter().zip(&mut slices) {
            let before = cpu_s(target.pid);
            let load = saturate(target.address, requests, CONNECTIONS, round * 31_337, Duration::from_secs(slice))
                .with_context(|| target.name.to_owned())?;
            slices.cpu_us.push((cpu_s(target.pid) - before) * 1e6 / load.latencies_ms.len() as f64);
            slices.p99_ms.push(percentile(&load.latencies_ms, 99.0));
            slices.per_s.push(load.per_s);
        }
    }
    Ok(slices)
}

/// Both servers, by turns: first as much as they take, then at a rate both bear easily.
fn measure(
    context: &Context,
    targets: &[Target; 2],
    requests: &Requests,
    when: &str,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let slices = turns(context, targets, requests)?;
    let mut medians = [0.0; 2];
    for ((target, slices), middle) in targets.iter().zip(&slices).zip(&mut medians) {
        *middle = figures.spread(&format!("{}s_per_s_{when}", target.name), &slices.per_s);
        // While busy, the product's processor time is also that of the events it takes in.
        if when == "idle" {
            figures.put(&format!("{}_cpu_us", target.name), median(&slices.cpu_us));
        }
        figures.put(&format!("{}_p99_ms_{when}_saturated", target.name), median(&slices.p99_ms));
    }
    let ratio = if when == "idle" { "lookups_to_hyper".to_owned() } else { format!("lookups_to_hyper_{when}") };
    figures.put(&ratio, medians[0] / medians[1]);

    for target in targets {
        let duration = Duration::from_secs(if context.quick { 3 } else { 10 });
        let latencies = pace(target.address, requests, PACED_CONNECTIONS, PACED_PER_S, duration)?;
        figures.put(&format!("{}_p50_ms_{when}", target.name), median(&latencies));
        figures.put(&format!("{}_p99_ms_{when}", target.name), percentile(&latencies, 99.0));
    }
    Ok(())
}

/// Histories of random users, all alike: most have few views.
pub(super) fn requests() -> Requests {
    Requests::gets(paths())
}

fn paths() -> impl Iterator<Item = String> {
    let shop = shop(0);
    let mut rng = shop.rng("look-ups");
    (0..100_000).map(move |_| format!("/v1/users/{}/history", shop.user_id(rng.below(USERS))))
}

/// The usual size of an answer's body.
fn answer_bytes(product: &Product) -> anyhow::Result<usize> {
    let shop = shop(0);
    let mut rng = shop.rng("sizes of answers");
    let mut sizes = Vec::new();
    for _ in 0..200 {
        let path = format!("/v1/users/{}/history", shop.user_id(rng.below(USERS)));
        sizes.push(product.get(&path)?.context("a history is not to be had")?.len() as f64);
    }
    Ok(median(&sizes) as usize)
}

pub(super) fn stop(mut process: Process) {
    process.kill9();
}
