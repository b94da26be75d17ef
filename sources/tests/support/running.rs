//! A running engine around one source, seen from the shop's side.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Settings};
use dataflow::feed::{Feed, WorkerContext};
use dataflow::graph::{BestSellers, ListId};
use dataflow::ids::Ids;
use dataflow::rules::{BuyAgain, Features, Rules};
use dataflow::source_status::{SourceRegistry, SourceView, State};
use dataflow::time::{Diff, Millis, ServiceClock, Time};
use events::DeadLetter;
use events::DeadLetterSender;

/// Many times what any of these tests waits for on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// The wall clock, which a test may put forward.
#[derive(Default)]
pub(crate) struct Clock {
    ahead: AtomicU64,
    last: AtomicU64,
}

impl Clock {
    pub(crate) fn forward(&self, ms: Millis) {
        self.ahead.fetch_add(ms, Ordering::Relaxed);
    }
}

impl ServiceClock for Clock {
    fn now(&self) -> Time {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let now = Time::try_from(wall).unwrap() + self.ahead.load(Ordering::Relaxed);
        self.last.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

/// By these rules orders count for features and "buy again" for a year, and for best sellers for thirty days.
pub(crate) fn counting_older_orders() -> Rules {
    let features = Features { enabled: true, days: 365, ..Features::OFF };
    Rules { features, buy_again: BuyAgain { enabled: true }, history_ms: Millis::MAX, ..Rules::default() }
}

/// Opens a source for one worker.
type Open = Box<dyn Fn(&WorkerContext) -> Option<Box<dyn Feed>> + Send + Sync>;

/// A running engine.
pub(crate) struct Running {
    pub(crate) engine: Mutex<Option<Engine>>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) letters: Receiver<DeadLetter>,
    status: Arc<SourceRegistry>,
}

impl Running {
    /// Starts an engine with the source that `source` makes.
    pub(crate) fn start(
        window_ms: Millis,
        workers: usize,
        source: impl FnOnce(Arc<Clock>, &SourceRegistry, DeadLetterSender) -> Open,
    ) -> Running {
        Running::by(Rules { window_ms, history_ms: Millis::MAX, ..Rules::default() }, workers, source)
    }

    /// The same, by other rules.
    pub(crate) fn by(
        rules: Rules,
        workers: usize,
        source: impl FnOnce(Arc<Clock>, &SourceRegistry, DeadLetterSender) -> Open,
    ) -> Running {
        let clock = Arc::new(Clock::default());
        let status = Arc::new(SourceRegistry::default());
        let (letters_in, letters) = sync_channel(100);
        let open = source(clock.clone(), &status, letters_in);
        let engine = Engine::start(Settings {
            workers,
            rules,
            registry: status.clone(),
            ..Settings::new(
                Arc::new(Dictionary::new(Ids::new([7; 16]))),
                clock.clone(),
                Arc::new(move |worker| open(&worker).into_iter().collect()),
                1000,
            )
        });
        Running { engine: Mutex::new(Some(engine.unwrap())), clock, letters, status }
    }

    /// Asks the shelf of the running engine.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&dataflow::index_reader::IndexReader) -> T) -> T {
        question(self.engine.lock().unwrap().as_ref().unwrap().reader())
    }

    /// The general list (no category) or a category's: products with their buyers.
    pub(crate) fn best_sellers(&self, category: Option<&str>) -> Vec<(String, u64)> {
        self.ask(|reader| {
            let ranking = match category.map(|category| reader.dictionary().find_category(category)) {
                None => ListId::General,
                Some(Some(key)) => ListId::Category(key),
                Some(None) => return Vec::new(),
            };
            let mut rows: Vec<(_, Diff)> = Vec::new();
            reader.view_any().rows::<BestSellers>(&ranking, &mut rows);
            let name = |product| reader.dictionary().product_name(product).unwrap().to_string();
            let mut list: Vec<(String, u64)> =
                rows.into_iter().map(|(row, _)| (name(row.product), row.buyers())).collect();
            // Ties are in the order of the keys, which these tests do not care for.
            list.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
            list
        })
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

    /// Waits until the features have these numbers of orders of the user, and "buy again" has exactly these products.
    #[track_caller]
    pub(crate) fn expect_bought(&self, user: &str, right: &[(&str, u64)]) {
        let right: BTreeMap<String, u64> =
            right.iter().map(|(product, orders)| ((*product).to_owned(), *orders)).collect();
        harness::wait_until(SOON, &format!("{user} has bought {right:?}"), || {
            let (counted, again) = self.ask(|reader| {
                let (dictionary, user) = (reader.dictionary(), reader.dictionary().user(user));
                let name = |product| dictionary.product_name(product).unwrap().to_string();
                let view = reader.wide_view(user);
                let bought = view.features(user, None).products.into_iter().filter(|of| of.purchases > 0);
                let counted: BTreeMap<String, u64> = bought.map(|of| (name(of.product), of.purchases)).collect();
                let again = view.buy_again(user, &[], 100, |_| true).into_iter();
                (
                    counted,
                    again.map(|repeat| (name(repeat.product), repeat.orders as u64)).collect::<BTreeMap<String, u64>>(),
                )
            });
            counted == right && again == right
        });
    }

    /// What the source says of itself.
    pub(crate) fn view(&self) -> SourceView {
        self.status.snapshot().pop().unwrap()
    }

    /// Waits until the source is live.
    #[track_caller]
    pub(crate) fn live(&self) {
        harness::wait_until(SOON, "the source is live", || self.view().state == State::Live);
    }

    /// Waits until the source says what is wrong in words that hold all of these.
    #[track_caller]
    pub(crate) fn complains(&self, words: &[&str]) {
        harness::wait_until(SOON, &format!("the source complains of {words:?}"), || match self.view().state {
            State::Retrying(reason) => words.iter().all(|word| reason.contains(word)),
            _ => false,
        });
    }

    pub(crate) fn stop(&self) {
        if let Some(engine) = self.engine.lock().unwrap().take() {
            engine.stop().unwrap();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}
