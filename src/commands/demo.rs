//! `vitrine demo`: the system on a simulated shop, with visitors and orders without end.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use query_server::EventWriter;
use store::{Action, Condition, Kind, Line, Purchase, Row, Status, Store, Write, WriteRequest};
use tokio::time::{MissedTickBehavior, interval};

use super::ending;
use super::generate::files;
use super::serve;
use super::signals::Signals;
use crate::cli::DemoArgs;
use crate::clock::wall_ms;
use crate::config::{Config, Files};
use crate::generate::{Order, Shop, ShopPlan, Style};
use crate::system::{System, embedded};

/// How often the visitors act.
const BEAT: Duration = Duration::from_millis(100);
/// One view in this many leads to an order.
const ORDER_ONE_IN: u32 = 20;

/// Runs until SIGTERM, SIGHUP or Ctrl-C.
///
/// # Errors
/// The directory is another shop's, the system cannot start, or a file cannot be written.
pub fn run(args: DemoArgs, config: Config) -> anyhow::Result<()> {
    // Signals are acted on only after the start, which waits for no service, so that the temporary directory is always
    // removed.
    let mut signals = Signals::listen()?;
    serve::end_with_any_thread();
    serve::open_many_files(&config);
    let temporary = tempfile::Builder::new()
        .prefix("vitrine-demo-")
        .tempdir()
        .context("a temporary directory cannot be created")?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    // Before anything else is made there.
    files::claim_for_demo(&dir)?;
    let shop = Shop::new(plan(args.seed));
    let settings = store::Settings { path: dir.join(files::STORE), ..config.store.clone().unwrap_or_default() };
    let store = store::sqlite::open(settings.clone()).context("the demo's store cannot be opened")?;
    // The store loads the tables when the system starts.
    files::write_first(&shop, &dir)?;
    let files = Some(Files { dir: dir.clone() });
    let config = Config { kafka: None, postgres: None, files, store: Some(settings), ..config };
    let system = System::start(&config)?;
    // The page shows this text as well, so the demo continues if stdout is closed.
    let _ = writeln!(std::io::stdout(), "{}", introduction(&system, &config, &shop));
    let visitors = Visitors { shop, store, event_writer: system.event_writer().clone(), rate: args.rate, views: 0.0 };
    let worked = signals.or_fail(visitors.visit());
    ending::stop(system, serve::patience(&config)).and(worked)
}

fn introduction(system: &System, config: &Config, shop: &Shop) -> String {
    let (address, parts, user) = (system.address(), embedded(config).join(", "), shop.user_id(0));
    let scheme = if config.server.tls_cert.is_some() { "https" } else { "http" };
    format!("embedded, as files: {parts}; everything else is the real thing\nopen {scheme}://{address}/#user={user}")
}

fn now() -> i64 {
    i64::try_from(wall_ms()).unwrap_or(i64::MAX)
}

/// A shop small enough to read: its products have names.
fn plan(seed: u64) -> ShopPlan {
    ShopPlan {
        users: 200,
        products: 240,
        categories: 12,
        views: 20_000,
        orders: 4_000,
        days: 60,
        user_skew: 0.8,
        product_skew: 0.9,
        seed,
        until: wall_ms(),
        style: Style::Readable,
    }
}

/// The simulated visitors.
struct Visitors {
    shop: Shop,
    store: Arc<dyn Store>,
    event_writer: Arc<dyn EventWriter>,
    /// Views a second.
    rate: u32,
    /// Views that are due and not yet made; a fraction carries over to the next round.
    views: f64,
}

impl Visitors {
    async fn visit(mut self) -> anyhow::Result<Infallible> {
        let mut rng = self.shop.rng(&format!("visitors at {}", wall_ms()));
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
        // Order numbers start at the current time, so that a second demo on the same files repeats none.
        let mut number = wall_ms();
        loop {
            beat.tick().await;
            self.views += f64::from(self.rate) * BEAT.as_secs_f64();
            let due = self.views.trunc();
            self.views -= due;
            let views: Vec<_> = (0..due as u32).map(|_| self.shop.view(wall_ms(), &mut rng).json(&self.shop)).collect();
            let mut writes = Vec::new();
            for _ in &views {
                if rng.one_in(ORDER_ONE_IN) {
                    number += 1;
                    writes.push(write(&self.shop, &self.shop.order(number, wall_ms(), &mut rng)));
                }
            }
            if !writes.is_empty() {
                let request = WriteRequest { writes, repeatable: None, now: now() };
                // An import may hold the store for longer than a write waits.
                if let Err(error) = self.store.write(request).await {
                    tracing::warn!(%error, "the demo's orders are not written");
                }
            }
            if !views.is_empty() {
                self.event_writer.append(views.into_iter().map(Into::into).collect()).await?;
            }
        }
    }
}

/// The write of an order into the store.
fn write(shop: &Shop, order: &Order) -> Write {
    let line = |line: &crate::generate::OrderLine| Line {
        product_id: shop.product_id(line.product),
        quantity: line.quantity.into(),
        price: None,
        returned: line.returned,
    };
    let purchase = Purchase {
        purchase_id: order.id(),
        user_id: shop.user_id(order.user),
        created_at: i64::try_from(order.at).unwrap_or(i64::MAX),
        status: Status::Placed,
        lines: order.lines.iter().map(line).collect(),
    };
    let (id, action) = (purchase.purchase_id.clone(), Action::Put(Row::Purchase(purchase)));
    Write { kind: Kind::Purchases, id, action, condition: Condition::Nothing }
}
