//! A running engine over one database of the tests' server.

use std::ops::Deref;
use std::sync::LazyLock;
use std::time::Duration;

use dataflow::rules::Rules;
use harness::postgres::{Server, execute};
use sources::postgres::{Mode, Settings, Source};

use crate::running::Running;
pub(crate) use crate::running::SOON;

/// The tables of FORMATS, with keys.
pub(crate) const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, category_id text);
    CREATE TABLE orders (order_id text PRIMARY KEY, user_id text, created_at timestamptz);
    CREATE TABLE order_items (order_id text, product_id text, quantity int, PRIMARY KEY (order_id, product_id));";

/// One server for all tests that leave it running; each test has a database of its own.
static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

pub(crate) fn database(name: &str) -> String {
    SERVER.create_database(name)
}

/// A database in which this was run.
pub(crate) fn database_of(name: &str, sql: &str) -> String {
    let url = database(name);
    execute(&url, sql);
    url
}

pub(crate) struct Shop(Running);

/// Settings that read again at once.
pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        mode: Mode::Refresh,
        refresh: Duration::from_millis(20),
        backoff_max: Duration::from_millis(400),
        connect_timeout: Duration::from_secs(60),
        ..Settings::at(url)
    }
}

impl Shop {
    pub(crate) fn open(url: &str) -> Shop {
        Shop::with(settings(url), 1)
    }

    pub(crate) fn with(settings: Settings, workers: usize) -> Shop {
        Shop(Running::start(settings.kept_ms, workers, |clock, status, letters| {
            let source = Source::new(settings, clock, status, letters, None).unwrap();
            Box::new(move |worker| source.open(worker))
        }))
    }

    pub(crate) fn by(rules: Rules, settings: Settings) -> Shop {
        let settings = Settings { kept_ms: rules.orders_kept_ms(), ..settings };
        Shop(Running::by(rules, 1, |clock, status, letters| {
            let source = Source::new(settings, clock, status, letters, None).unwrap();
            Box::new(move |worker| source.open(worker))
        }))
    }

    /// Waits until the source has read the tables some times more.
    #[track_caller]
    pub(crate) fn reads_again(&self) {
        let readings = || self.view().partitions.values().map(|progress| progress.next).max().unwrap_or(0);
        let before = readings();
        harness::wait_until(SOON, "the tables are read again", || readings() >= before + 2);
    }
}

impl Deref for Shop {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.0
    }
}
