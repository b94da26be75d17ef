//! A thousand clients that follow the histories of a thousand users while fifty histories a second change: the processor time of
//! the server; and its memory while a thousand clients follow one list and never read.

mod readers;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use crate::child;
use crate::context::Context;
use crate::figures::Figures;
use crate::machine::{cpu_s, resident_bytes, rest};
use crate::product::Product;
use crate::steady::Steady;
use readers::ReadersResult;

pub(crate) use readers::{ReadersArgs, run_part};

/// Clients, and the users that they follow.
const CLIENTS: usize = 1000;

/// Processes that share the clients: a process may usually open 1,024 files.
const PROCESSES: usize = 2;

/// Views a second, each of another user.
const CHANGES_PER_S: f64 = 50.0;

/// Views of each user before.
const VIEWS_BEFORE: usize = 10;

/// Until the clients are there and the server has come to rest.
const SETTLING: Duration = Duration::from_secs(5);

pub(crate) fn run(context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    let slice = Duration::from_secs(if context.quick { 10 } else { 20 });
    let dir = TempDir::with_prefix("vitrine-bench-push-")?;
    let views = dir.path().join("views.jsonl");
    let before: String = (0..VIEWS_BEFORE * CLIENTS).map(|number| view(number % CLIENTS, number)).collect();
    fs::write(&views, before)?;
    for (name, columns) in
        [("product_catalog.csv", "product_id,category\n"), ("orders.csv", "order_id,user_id,product_id,created_at\n")]
    {
        fs::write(dir.path().join(name), columns)?;
    }
    // The clients of the part before may not be gone at once.
    let config = format!(
        "[files]\ndir = \"{}\"\n\n[server]\nreaders_max = {}\n\n[log]\nlevel = \"warn\"\n",
        dir.path().display(),
        3 * CLIENTS
    );
    let mut product = Product::start(context, 1, &config)?;
    product.wait_ready()?;

    let changing = changes(&views, |number| number % CLIENTS)?;
    rest(SETTLING);
    let without = cpu_share(product.pid(), slice);
    let clients = start(&product, None, SETTLING + slice)?;
    rest(SETTLING);
    let with = cpu_share(product.pid(), slice);
    figures.put("push_cpu_share", with - without);
    figures.put("push_cpu_share_without_clients", without);
    let results = finish(clients)?;
    changing.stop()?;
    let seen: usize = results.iter().map(|result| result.changes).sum();
    let due = CHANGES_PER_S * slice.as_secs_f64();
    figures.put("push_changes_per_s", seen as f64 / (SETTLING + slice).as_secs_f64());
    ensure!(seen as f64 > 0.8 * due, "the clients have seen {seen} changes");

    rest(SETTLING);
    let before = resident_bytes(product.pid());
    let changing = changes(&views, |_| 0)?;
    let clients = start(&product, Some(0), SETTLING + slice)?;
    rest(SETTLING);
    let first = resident_bytes(product.pid());
    rest(slice - Duration::from_secs(1));
    let last = resident_bytes(product.pid());
    finish(clients)?;
    changing.stop()?;
    figures.put("push_unread_kib_per_client", (first - before) / 1024.0 / CLIENTS as f64);
    figures.put("push_unread_rss_growth", last / first);
    product.stop();
    Ok(())
}

/// A view as a line of the file.
fn view(user: usize, product: usize) -> String {
    format!("{{\"event\":\"ProductView\",\"userid\":\"u{user}\",\"properties\":{{\"productid\":\"p{product}\"}}}}\n")
}

/// Appends views at the rate, each of the user that `user` names by the view's number.
fn changes(views: &Path, user: fn(usize) -> usize) -> anyhow::Result<Steady> {
    let mut file = File::options().append(true).open(views)?;
    Ok(Steady::start(CHANGES_PER_S, move |number| {
        let number = usize::try_from(number)?;
        Ok(file.write_all(view(user(number), VIEWS_BEFORE * CLIENTS + number).as_bytes())?)
    }))
}

/// The part of one core that a process uses for this long.
fn cpu_share(pid: u32, slice: Duration) -> f64 {
    let (before, since) = (cpu_s(pid), Instant::now());
    rest(slice);
    (cpu_s(pid) - before) / since.elapsed().as_secs_f64()
}

type Running = Vec<thread::JoinHandle<anyhow::Result<ReadersResult>>>;

/// Starts the clients, which stay for this long: each follows the history of a user of its own and reads it; or all follow that
/// of one user and do not read.
fn start(product: &Product, only: Option<usize>, stay: Duration) -> anyhow::Result<Running> {
    let (address, each) = (product.address().to_string(), CLIENTS / PROCESSES);
    let start = |part: usize| {
        let mut arguments = vec!["readers".to_owned(), address.clone()];
        arguments.extend([part * each, each].map(|number| number.to_string()));
        arguments.push(stay.as_secs().to_string());
        arguments.extend(only.map(|user| format!("--unread={user}")));
        thread::Builder::new().spawn(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            child::output(&arguments)
        })
    };
    (0..PROCESSES).map(|part| start(part).context("no thread for the clients")).collect()
}

fn finish(clients: Running) -> anyhow::Result<Vec<ReadersResult>> {
    clients.into_iter().map(|client| client.join().expect("clients do not panic")).collect()
}
