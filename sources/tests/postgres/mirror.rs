//! A running engine that follows the log of one database, compared with the tables row by row.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Restore, TickCounter};
use dataflow::feed::{Feed, FeedProgress, Position};
use dataflow::graph::{BestSellers, ListId};
use dataflow::ids::{CategoryKey, Ids};
use dataflow::inputs::Inputs;
use dataflow::rules::Rules;
use dataflow::source_status::{SourceRegistry, SourceView, State};
use dataflow::tables::{Catalogue, CatalogueRow, LineRow, Lines, OrderRow, Orders};
use dataflow::time::{Diff, ServiceClock as _, Time};
use events::DeadLetter;
use harness::postgres::{Server, connect, execute};
use postgres::Client;
use sources::postgres::{Definitions, Mode, NAME, Resumed, Settings, Source};

use crate::running::{Clock, SOON};

/// The tables of FORMATS, and one that is none of ours.
pub(crate) const TABLES: &str = "
    CREATE TABLE products (product_id text PRIMARY KEY, category_id text, description text);
    CREATE TABLE orders (order_id text PRIMARY KEY, note text, user_id text, created_at timestamptz);
    CREATE TABLE order_items (quantity int, order_id text, product_id text, PRIMARY KEY (order_id, product_id));
    CREATE TABLE visits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, page text);";

/// A few orders.
pub(crate) const ROWS: &str = "
    INSERT INTO products VALUES ('lamp', 'light'), ('candle', 'light'), ('chair', 'seat'), ('thing', NULL);
    INSERT INTO orders (order_id, user_id, created_at) VALUES ('1', 'ada', now()), ('2', 'bob', now() - interval '3 days');
    INSERT INTO order_items (order_id, product_id) VALUES ('1', 'lamp'), ('1', 'chair'), ('2', 'lamp');";

static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

/// A database with these tables. Its name is that of its slot too: slots are of the whole server.
pub(crate) fn database(name: &str, sql: &str) -> String {
    let url = SERVER.create_database(name);
    execute(&url, sql);
    url
}

/// Settings that follow the log, with a slot of the database's own.
pub(crate) fn settings(url: &str) -> Settings {
    let slot = url.rsplit('/').next().unwrap().to_owned();
    Settings {
        mode: Mode::Replication,
        slot,
        refresh: Duration::from_millis(20),
        backoff_max: Duration::from_millis(400),
        connect_timeout: Duration::from_secs(60),
        ..Settings::at(url)
    }
}

/// All rows of one moment, with the number of their copies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) orders: BTreeMap<OrderRow, Diff>,
    pub(crate) lines: BTreeMap<LineRow, Diff>,
    pub(crate) catalogue: BTreeMap<CatalogueRow, Diff>,
}

/// Rows in the graph, and their position.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) tick: Time,
    pub(crate) rows: Rows,
    pub(crate) position: Position,
    pub(crate) definitions: Definitions,
}

impl Kept {
    pub(crate) fn resumed(&self) -> Resumed {
        fn all<R: Copy>(rows: &BTreeMap<R, Diff>) -> Vec<R> {
            rows.iter().flat_map(|(row, copies)| std::iter::repeat_n(*row, usize::try_from(*copies).unwrap())).collect()
        }
        Resumed {
            lsn: self.position.next,
            fingerprint: self.position.fingerprint,
            definitions: self.definitions,
            orders: all(&self.rows.orders),
            lines: all(&self.rows.lines),
            catalogue: all(&self.rows.catalogue),
        }
    }

    fn restore(&self) -> Restore {
        let rows = self.rows.clone();
        Restore {
            tick: self.tick,
            give: Arc::new(move |worker, _, call, inputs| {
                if (worker, call) == (0, 0) {
                    rows.orders.iter().for_each(|(row, diff)| inputs.update::<Orders>(*row, *diff));
                    rows.lines.iter().for_each(|(row, diff)| inputs.update::<Lines>(*row, *diff));
                    rows.catalogue.iter().for_each(|(row, diff)| inputs.update::<Catalogue>(*row, *diff));
                }
                false
            }),
        }
    }
}

/// A source that catches up, and has come to a time; 0: it has caught up.
struct Behind(Arc<AtomicU64>);

impl Feed for Behind {
    fn feed(&mut self, _: &mut Inputs, _: usize) -> FeedProgress {
        let reached = Some(self.0.load(Ordering::Relaxed)).filter(|time| *time > 0);
        FeedProgress { records: 0, waiting: 0, reached }
    }

    fn positions(&self, _: &mut Vec<Position>) {}
}

pub(crate) struct Mirror {
    engine: Option<Engine>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) letters: Receiver<DeadLetter>,
    pub(crate) source: Arc<Source>,
    status: Arc<SourceRegistry>,
    dictionary: Arc<Dictionary>,
    /// As whom the tables are compared.
    pub(crate) url: String,
    /// The columns of a line's key.
    pub(crate) key: &'static [&'static str],
}

impl Mirror {
    pub(crate) fn open(url: &str) -> Mirror {
        Mirror::start(settings(url), None)
    }

    /// Has taken the tables over, and follows their log.
    #[track_caller]
    pub(crate) fn following(url: &str) -> Mirror {
        let mirror = Mirror::open(url);
        mirror.agrees();
        mirror.live();
        mirror
    }

    pub(crate) fn with(settings: Settings) -> Mirror {
        Mirror::start(settings, None)
    }

    pub(crate) fn start(settings: Settings, kept: Option<&Kept>) -> Mirror {
        Mirror::beside(settings, kept, None)
    }

    /// Beside another source that has come to that time, if any.
    pub(crate) fn beside(settings: Settings, kept: Option<&Kept>, other: Option<Arc<AtomicU64>>) -> Mirror {
        let clock = Arc::new(Clock::default());
        // A later process does not live before an earlier one.
        kept.iter().for_each(|kept| clock.forward(kept.tick.saturating_sub(clock.now())));
        let status = Arc::new(SourceRegistry::default());
        let (letters_in, letters) = sync_channel(100);
        let (url, window_ms) = (settings.url.expose().to_owned(), settings.kept_ms);
        let source = Source::new(settings, clock.clone(), &status, letters_in, kept.map(Kept::resumed));
        let source = Arc::new(source.unwrap());
        let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
        let opened = source.clone();
        let engine = Engine::start(dataflow::engine::Settings {
            rules: Rules { window_ms, ..Rules::default() },
            restore: kept.map(Kept::restore),
            journal_max: Some(0),
            registry: status.clone(),
            ..dataflow::engine::Settings::new(
                dictionary.clone(),
                clock.clone(),
                Arc::new(move |worker| {
                    let other = other.clone().map(|reached| Box::new(Behind(reached)) as Box<dyn Feed>);
                    opened.open(&worker).into_iter().chain(other).collect()
                }),
                1000,
            )
        });
        let key = &["order_id", "product_id"];
        Mirror { engine: Some(engine.unwrap()), clock, letters, source, status, dictionary, url, key }
    }

    /// The rows that were fed, as of one tick.
    pub(crate) fn kept(&self) -> Kept {
        harness::wait_for(SOON, "a cut with a position", || self.cut())
    }

    /// None before the first tick that has positions.
    fn cut(&self) -> Option<Kept> {
        let cuts = self.engine.as_ref().unwrap().cuts().unwrap();
        let cut = cuts.take(SOON).expect("a cut");
        let mut rows = Rows::default();
        for part in &cut.parts {
            part.base.rows::<Orders>(|row, diff| rows.orders.extend([(row, diff)]));
            part.base.rows::<Lines>(|row, diff| rows.lines.extend([(row, diff)]));
            part.base.rows::<Catalogue>(|row, diff| rows.catalogue.extend([(row, diff)]));
        }
        let find = |stream: &str, partition| {
            let mut positions = cut.parts.iter().flat_map(|part| part.positions.iter());
            positions.find(|position| &*position.stream == stream && position.partition == partition)
        };
        let position = find(NAME, 0)?.clone();
        Some(Kept { tick: cut.tick, rows, position, definitions: Definitions::restored(find) })
    }

    /// How far time has come.
    pub(crate) fn ticks(&self) -> TickCounter {
        self.engine.as_ref().unwrap().tick_counter()
    }

    /// Distinct buyers of all products, as shown.
    pub(crate) fn buyers(&self) -> u64 {
        let mut sellers = Vec::new();
        self.engine.as_ref().unwrap().reader().view_any().rows::<BestSellers>(&ListId::General, &mut sellers);
        sellers.iter().map(|(seller, _)| seller.buyers()).sum()
    }

    /// What the tables hold that counts or will: orders in the window or ahead of it, and lines of theirs or without any order.
    pub(crate) fn tables(&self, client: &mut Client) -> Rows {
        let dictionary = &self.dictionary;
        let mut rows = Rows::default();
        let mut transaction =
            client.build_transaction().isolation_level(postgres::IsolationLevel::RepeatableRead).start().unwrap();
        let orders = "SELECT order_id::text, user_id::text, floor(extract(epoch FROM created_at) * 1000)::bigint FROM \
                      orders WHERE created_at > now() - interval '30 days'";
        for row in transaction.query(orders, &[]).unwrap() {
            let (order, user) = (dictionary.order(row.get(0)), dictionary.user(row.get(1)));
            let row = OrderRow::counting(order, user, row.get::<_, i64>(2) as u64);
            *rows.orders.entry(row).or_default() += 1;
        }
        let key: Vec<String> = self.key.iter().map(|column| format!("{column}::text")).collect();
        let lines = format!(
            "SELECT order_id::text, product_id::text, ARRAY[{}] FROM order_items AS i WHERE NOT EXISTS (SELECT FROM orders \
             AS o WHERE o.order_id = i.order_id AND o.created_at <= now() - interval '30 days')",
            key.join(", ")
        );
        for row in transaction.query(&lines, &[]).unwrap() {
            let (order, product) = (dictionary.order(row.get(0)), dictionary.product(row.get(1)).unwrap());
            let key: Vec<String> = row.get(2);
            let row = dictionary.row(key.iter().map(String::as_bytes));
            *rows.lines.entry(LineRow { order, product, row }).or_default() += 1;
        }
        for row in transaction.query("SELECT product_id::text, category_id::text FROM products", &[]).unwrap() {
            let product = dictionary.product(row.get(0)).unwrap();
            let category = row.get::<_, Option<&str>>(1).map(|category| dictionary.category(category).unwrap());
            let category = category.unwrap_or(CategoryKey::NONE);
            *rows.catalogue.entry(CatalogueRow { product, category }).or_default() += 1;
        }
        rows
    }

    /// What the tables hold while the one of the products cannot be read: of the products nothing.
    pub(crate) fn tables_but_products(&self) -> Rows {
        let mut client = connect(&self.url);
        let sql = "CREATE SCHEMA IF NOT EXISTS whole; SET search_path = whole, public;
                   CREATE OR REPLACE VIEW whole.products AS SELECT ''::text AS product_id, NULL::text AS category_id WHERE false";
        client.batch_execute(sql).unwrap();
        self.tables(&mut client)
    }

    /// Waits until the rows that were fed are those of the tables.
    #[track_caller]
    pub(crate) fn agrees(&self) {
        let mut client = connect(&self.url);
        let mut last = None;
        harness::wait_until(SOON, "the rows are those of the tables", || {
            let (mut fed, tables) = (self.kept().rows, self.tables(&mut client));
            // What is told of deleted products is in no table.
            fed.catalogue.retain(|row, _| row.category != CategoryKey::DELETED);
            let agree = fed == tables;
            let shown = (differences(&fed, &tables), self.view().state);
            if !agree && last.as_ref() != Some(&shown) {
                println!("{shown:?}");
                last = Some(shown);
            }
            agree
        });
    }

    /// Runs SQL and waits until the rows are those of the tables again.
    #[track_caller]
    pub(crate) fn follows(&self, sql: &str) {
        execute(&self.url, sql);
        self.agrees();
    }

    /// Gives the products their column back, and waits until everything was read anew and is followed.
    #[track_caller]
    pub(crate) fn follows_products_again(&self) {
        execute(&self.url, "ALTER TABLE products ADD COLUMN category_id text; UPDATE products SET category_id = 'new'");
        self.agrees();
        self.live();
        harness::wait_until(SOON, "a restart would go on", || self.kept().position.next > 0);
        self.follows("UPDATE products SET category_id = 'newer' WHERE product_id = 'lamp'");
    }

    pub(crate) fn view(&self) -> SourceView {
        self.status.snapshot().pop().unwrap()
    }

    #[track_caller]
    pub(crate) fn live(&self) {
        harness::wait_until(SOON, "the source is live", || self.view().state == State::Live);
    }

    /// Waits until the source says what is wrong in words that hold all of these.
    #[track_caller]
    pub(crate) fn complains(&self, words: &[&str]) {
        self.complains_as(&format!("{words:?}"), |reason| words.iter().all(|word| reason.contains(word)));
    }

    /// The same with one of these words: the first reason may be followed by another one before anybody looks.
    #[track_caller]
    pub(crate) fn complains_of_one(&self, words: &[&str]) {
        self.complains_as(&format!("one of {words:?}"), |reason| words.iter().any(|word| reason.contains(word)));
    }

    #[track_caller]
    fn complains_as(&self, what: &str, fits: impl Fn(&str) -> bool) {
        let mut last = None;
        harness::wait_until(SOON, &format!("the source complains of {what}"), || {
            let state = self.view().state;
            let found = match &state {
                State::Retrying(reason) | State::Stopped(reason) => fits(reason),
                State::CatchingUp | State::Live => false,
            };
            if last.as_ref() != Some(&state) {
                println!("{state:?}");
                last = Some(state);
            }
            found
        });
    }

    /// The rows that are in the graph at the end.
    pub(crate) fn stop(mut self) -> Kept {
        let kept = self.kept();
        self.engine.take().unwrap().stop().unwrap();
        kept
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take()
            && !std::thread::panicking()
        {
            engine.stop().unwrap();
        }
    }
}

/// How many rows of each table are here and not there, and the other way round.
fn differences(here: &Rows, there: &Rows) -> [(usize, usize); 3] {
    fn count<R: Ord>(here: &BTreeMap<R, Diff>, there: &BTreeMap<R, Diff>) -> (usize, usize) {
        let lacks =
            |a: &BTreeMap<R, Diff>, b: &BTreeMap<R, Diff>| a.iter().filter(|(row, n)| b.get(row) != Some(n)).count();
        (lacks(here, there), lacks(there, here))
    }
    [count(&here.orders, &there.orders), count(&here.lines, &there.lines), count(&here.catalogue, &there.catalogue)]
}

/// Waits until the server has been told so often how far the reader of the slot is. By itself it asks after 30 seconds.
#[track_caller]
pub(crate) fn hears(client: &mut Client, slot: &str, times: usize) {
    let sql = "SELECT reply_time::text FROM pg_stat_replication JOIN pg_replication_slots ON active_pid = pid
               WHERE slot_name::text = $1 AND reply_time IS NOT NULL";
    let mut heard = BTreeSet::new();
    harness::wait_until(Duration::from_secs(25), "the server hears of us", || {
        heard.extend(client.query_opt(sql, &[&slot]).unwrap().map(|row| row.get::<_, String>(0)));
        heard.len() > times
    });
}

/// Where the server would let a reader of the slot go on.
pub(crate) fn confirmed(client: &mut Client, slot: &str) -> i64 {
    let sql = "SELECT (confirmed_flush_lsn - '0/0')::bigint FROM pg_replication_slots WHERE slot_name::text = $1";
    client.query_one(sql, &[&slot]).unwrap().get(0)
}

/// Where the server's log ends.
pub(crate) fn end(client: &mut Client) -> i64 {
    client.query_one("SELECT (pg_current_wal_lsn() - '0/0')::bigint", &[]).unwrap().get(0)
}
