//! Changed lists per second into a topic and into a table, on services of its own: `cargo run --example copy_rate`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dataflow::dictionary::Dictionary;
use dataflow::graph::{TouchOutlet as _, TouchedList};
use dataflow::ids::{Ids, UserKey};
use dataflow::time::Time;
use harness::Services;
use sinks::copies::kafka::Topic;
use sinks::copies::postgres::Table;
use sinks::copies::{
    CopiedLists, CopiedRow, Copier, Destination, KafkaCopy, ListName, PostgresCopy, SharedCopyStatus, Shown,
    ShownLists, Touches, Turn, WaitingLists,
};

const USERS: usize = 20_000;
const ROWS: u64 = 10;
const ROUNDS: u64 = 5;

/// Histories of ten products, all of which change from one time to the next.
struct Histories {
    users: Arc<Vec<(UserKey, Arc<str>)>>,
    as_of: Arc<AtomicU64>,
}

impl ShownLists for Histories {
    fn is_ready(&self) -> bool {
        true
    }

    fn as_of(&self) -> Time {
        self.as_of.load(Ordering::Relaxed)
    }

    fn read(&mut self, _name: &ListName) -> Shown {
        let as_of = self.as_of();
        let row = |at: u64| CopiedRow { product: format!("product-{}", as_of + at).into(), value: Some(at as f64) };
        Shown::Rows(as_of, (0..ROWS).map(row).collect())
    }

    fn all(&self) -> Vec<TouchedList> {
        self.users.iter().map(|(user, _)| TouchedList::History(*user)).collect()
    }

    fn names(&mut self, touched: TouchedList) -> Vec<ListName> {
        let TouchedList::History(user) = touched else { return Vec::new() };
        let found = self.users.binary_search_by_key(&user, |(user, _)| *user);
        found.ok().map(|at| ListName::History(self.users[at].1.clone())).into_iter().collect()
    }
}

fn run(what: &str, destination: impl Destination) {
    let ids = Ids::new([7; 16]);
    let named = |number: usize| -> (UserKey, Arc<str>) {
        let name = format!("user-{number}");
        (ids.user(&name), name.into())
    };
    let mut users: Vec<_> = (0..USERS).map(named).collect();
    users.sort_unstable_by_key(|(user, _)| *user);
    let (users, as_of) = (Arc::new(users), Arc::new(AtomicU64::new(1)));
    let settings = KafkaCopy::default().copy();
    let dictionary = Arc::new(Dictionary::new(ids));
    let waiting = Arc::new(WaitingLists::new(&[CopiedLists::Histories], settings.waiting_max, dictionary));
    let (touches, status) = (Touches::new(vec![waiting.clone()]), SharedCopyStatus::new(waiting.clone(), 1));
    let lists = Histories { users: users.clone(), as_of: as_of.clone() };
    let mut copier = Copier::new(destination, lists, waiting, &settings, status.clone());
    let mut settle = || while copier.turn(Duration::ZERO).expect("the service works") != Turn::Done {};
    let (start, count) = (Instant::now(), USERS as f64);
    settle();
    println!("{what}: {:.0} lists/s at the first comparison", count / start.elapsed().as_secs_f64());
    let start = Instant::now();
    for _ in 0..ROUNDS {
        let tick = as_of.fetch_add(100, Ordering::Relaxed) + 100;
        touches.touched(tick, &mut users.iter().map(|(user, _)| TouchedList::History(*user)));
        settle();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{what}: {:.0} changed lists/s of {ROWS} rows", count * ROUNDS as f64 / seconds);
    assert_eq!(status.get().written, USERS as u64 * (ROUNDS + 1));
}

fn main() {
    let services = Services::start();
    let topic = KafkaCopy { topic: Some("lists".into()), ..KafkaCopy::default() };
    run("Kafka", Topic::new(&topic, &services.kafka.client_config(), 0).expect("a topic is named"));
    let table = PostgresCopy { table: Some("lists".into()), ..PostgresCopy::default() };
    let table = Table::new(&table, &services.postgres.url()).expect("a sound connection string");
    run("PostgreSQL", table.expect("a table is named"));
}
