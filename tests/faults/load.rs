//! The load during all faults: events, transactions of orders, and clients over HTTP.

#[path = "load/clients.rs"]
mod clients;
#[path = "load/events.rs"]
mod events;
#[path = "load/orders.rs"]
mod orders;

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use harness::Dice;

use crate::running_program::Launcher;

const USERS: usize = 40;
const PRODUCTS: usize = 60;
const CATEGORIES: usize = 6;
const CLIENTS: usize = 2;

pub(crate) fn user(number: usize) -> String {
    format!("u-{}", number % USERS)
}

pub(crate) fn users() -> Vec<String> {
    (0..USERS).map(user).collect()
}

pub(crate) fn product(number: usize) -> String {
    format!("p-{}", number % PRODUCTS)
}

/// The tables, with all products in them.
pub(crate) fn schema() -> String {
    format!(
        "CREATE TABLE products (product_id text PRIMARY KEY, category_id text NOT NULL, description text);
         CREATE TABLE orders (order_id text PRIMARY KEY, user_id text NOT NULL, created_at timestamptz NOT NULL);
         CREATE TABLE order_items (order_id text NOT NULL, product_id text NOT NULL, quantity int NOT NULL DEFAULT 1,
             PRIMARY KEY (order_id, product_id));
         INSERT INTO products SELECT 'p-' || n, 'c-' || n % {CATEGORIES}, repeat('x', 100)
             FROM generate_series(0, {}) AS n",
        PRODUCTS - 1
    )
}

/// Waits that long, and for nothing: a moment that is part of what is injected, or the pace of a load.
pub(crate) fn pause(duration: Duration) {
    let (_kept, never) = channel::<()>();
    assert_eq!(never.recv_timeout(duration), Err(RecvTimeoutError::Timeout));
}

/// What was acknowledged, and what should not have been answered.
#[derive(Default)]
pub(crate) struct Acknowledged {
    /// Ids of the messages of events that were answered with 202.
    pub(crate) posts: Vec<String>,
    /// By user and product: removals that were answered with 204.
    pub(crate) removals: HashMap<(String, String), usize>,
    pub(crate) wrong: Vec<String>,
}

/// Where the load goes.
#[derive(Clone)]
pub(crate) struct LoadTarget {
    pub(crate) kafka: rdkafka::ClientConfig,
    pub(crate) topic: String,
    pub(crate) database: String,
    /// Before the number of an order, in its id.
    pub(crate) order_prefix: &'static str,
    pub(crate) start: Launcher,
}

/// The load at work; ended when dropped.
pub(crate) struct Load {
    gate: Arc<RwLock<()>>,
    acknowledged: Arc<Mutex<Acknowledged>>,
    stops: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// Something that is done again and again, with a pause in between. Outcomes that a fault explains are no failures.
trait Work: Send + 'static {
    fn once(&mut self);
}

impl Load {
    pub(crate) fn start(target: &LoadTarget, seed: u64) -> Load {
        let mut load =
            Load { gate: Arc::default(), acknowledged: Arc::default(), stops: Vec::new(), threads: Vec::new() };
        load.add(events::Events::new(target.clone(), Dice::new(seed)), Duration::from_millis(30));
        load.add(orders::Orders::new(target.clone(), Dice::new(seed + 1)), Duration::from_millis(20));
        for number in 0..CLIENTS {
            let (rng, acknowledged) = (Dice::new(seed + 2 + number as u64), load.acknowledged.clone());
            let client = clients::Client::new(target.start.through(number), rng, acknowledged, format!("m-{number}"));
            load.add(client, Duration::from_millis(15));
        }
        load
    }

    /// While it is locked for writing nothing begins; once it can be locked, what had begun has ended.
    pub(crate) fn gate(&self) -> Arc<RwLock<()>> {
        self.gate.clone()
    }

    pub(crate) fn acknowledged(&self) -> &Mutex<Acknowledged> {
        &self.acknowledged
    }

    fn add(&mut self, mut work: impl Work, every: Duration) {
        let (stop, stopped): (Sender<()>, Receiver<()>) = channel();
        let gate = self.gate.clone();
        self.stops.push(stop);
        self.threads.push(std::thread::spawn(move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let _open = gate.read().expect("no holder of this lock panics");
                work.once();
            }
        }));
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stops.clear();
        for thread in self.threads.drain(..) {
            // What it panicked with has been told.
            let _ = thread.join();
        }
    }
}

/// The body of a view without a time of its own.
pub(crate) fn view(user: &str, product: &str, message: &str) -> serde_json::Value {
    serde_json::json!({
        "event": "ProductView", "messageid": message, "userid": user, "properties": {"productid": product}
    })
}

/// The event as a tracker sends it now.
pub(crate) fn stamped(mut event: serde_json::Value) -> String {
    event["timestamp"] = (::vitrine::clock::wall_ms() as f64 / 1000.0).into();
    event.to_string()
}
