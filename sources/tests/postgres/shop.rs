//! A running engine over one database of the tests' server, seen from the shop's side.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dataflow::board::{Board, SourceView, State};
use dataflow::dictionary::Dictionary;
use dataflow::engine::{self, Engine};
use dataflow::ids::Ids;
use dataflow::pace::TickRules;
use dataflow::rows::Ranking;
use dataflow::rules::Rules;
use dataflow::time::{Diff, ServiceClock, Time};
use harness::postgres::Server;
use sources::decode::DeadLetter;
use sources::postgres::{Settings, Source};

pub(crate) const SOON: Duration = Duration::from_secs(30);

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

/// The wall clock, which a test may put forward.
#[derive(Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn forward(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl ServiceClock for Clock {
    fn now(&self) -> Time {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
        u64::try_from(wall.as_millis()).expect("milliseconds fit") + self.0.load(Ordering::Relaxed)
    }
}

pub(crate) struct Shop {
    engine: Option<Engine>,
    board: Arc<Board>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) letters: Receiver<DeadLetter>,
}

/// Settings that read again at once.
pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        refresh: Duration::from_millis(20),
        backoff_max: Duration::from_millis(400),
        connect_timeout: Duration::from_secs(60),
        ..Settings::new(url)
    }
}

impl Shop {
    pub(crate) fn open(url: &str) -> Shop {
        Shop::with(settings(url), 1)
    }

    pub(crate) fn with(settings: Settings, workers: usize) -> Shop {
        let clock = Arc::new(Clock::default());
        let board = Arc::new(Board::default());
        let (letters_in, letters) = sync_channel(100);
        let rules = Rules { window_ms: settings.window_ms, ..Rules::default() };
        let source = Source::new(settings, clock.clone(), &board, letters_in).expect("sound settings");
        let engine = Engine::start(engine::Settings {
            workers,
            rules,
            ticks: TickRules::default(),
            idle_merge_effort: 1000,
            dictionary: Arc::new(Dictionary::new(Ids::new([7; 16]))),
            clock: clock.clone(),
            open_feeds: Arc::new(move |seat| source.open(&seat).into_iter().collect()),
            changes: None,
            board: board.clone(),
        });
        Shop { engine: Some(engine.expect("workers start")), board, clock, letters }
    }

    /// The general list (no category) or a category's: products with their buyers.
    pub(crate) fn best_sellers(&self, category: Option<&str>) -> Vec<(String, u64)> {
        let shelf = self.engine.as_ref().expect("the engine runs").shelf();
        let ranking = match category.map(|category| shelf.dictionary().find_category(category)) {
            None => Ranking::General,
            Some(Some(key)) => Ranking::Category(key),
            Some(None) => return Vec::new(),
        };
        let mut rows: Vec<(_, Diff)> = Vec::new();
        shelf.glance_any().best_sellers(ranking, &mut rows);
        let name = |product| shelf.dictionary().product_name(product).expect("listed products are known").to_string();
        let mut list: Vec<(String, u64)> = rows.into_iter().map(|(row, _)| (name(row.product), row.buyers())).collect();
        // Ties are in the order of the keys, which these tests do not care for.
        list.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        list
    }

    #[track_caller]
    pub(crate) fn expect(&self, category: Option<&str>, list: &[(&str, u64)]) {
        let list: Vec<(String, u64)> = list.iter().map(|(product, buyers)| ((*product).to_owned(), *buyers)).collect();
        let mut seen = Vec::new();
        harness::wait_until(SOON, &format!("the list of {category:?} is {list:?}"), || {
            let now = self.best_sellers(category);
            if now != seen {
                println!("{category:?}: {now:?}, {:?}", self.view().state);
                seen = now;
            }
            seen == list
        });
    }

    pub(crate) fn view(&self) -> SourceView {
        self.board.snapshot().into_iter().find(|view| view.name == "postgres").expect("the source is on the board")
    }

    /// Waits until the source is live.
    #[track_caller]
    pub(crate) fn live(&self) {
        harness::wait_until(SOON, "the source is live", || self.view().state == State::Live);
    }

    /// Waits until the source has read the tables some times more.
    #[track_caller]
    pub(crate) fn reads_again(&self) {
        let readings = || self.view().partitions.values().map(|progress| progress.next).max().unwrap_or(0);
        let before = readings();
        harness::wait_until(SOON, "the tables are read again", || readings() >= before + 2);
    }

    /// Waits until the source says what is wrong in words that hold all of these.
    #[track_caller]
    pub(crate) fn complains(&self, words: &[&str]) {
        harness::wait_until(SOON, &format!("the source complains of {words:?}"), || match self.view().state {
            State::Retrying(reason) => words.iter().all(|word| reason.contains(word)),
            _ => false,
        });
    }

    pub(crate) fn stop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.stop().expect("no worker has panicked");
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}
