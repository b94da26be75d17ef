//! An engine of two workers that reads topics of a real broker, and the queries of the tests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, SystemTime};

use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Settings};
use dataflow::feed::Position;
use dataflow::graph::History;
use dataflow::ids::Ids;
use dataflow::rules::{Features, Rules};
use dataflow::source_status::{SourceRegistry, SourceView, State};
use dataflow::time::{Millis, ServiceClock, Time};
use events::DeadLetter;
use harness::kafka::Broker;
use harness::wait_until;
use sources::kafka::{self, ReadFrom, Resume, Source};

/// Many times what any of these tests waits for on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(120);

const WORKERS: usize = 2;

#[derive(Default)]
struct Clock(AtomicU64);

impl ServiceClock for Clock {
    fn now(&self) -> Time {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let wall = Time::try_from(wall).unwrap();
        self.0.fetch_max(wall, Ordering::Relaxed).max(wall)
    }
}

/// A running engine.
pub(crate) struct Shop {
    pub(crate) engine: Engine,
    pub(crate) dead_letters: Receiver<DeadLetter>,
}

impl Shop {
    pub(crate) fn open(broker: &Broker, topics: &[&str]) -> Shop {
        Shop::resume(broker, topics, 100, Arc::new(|_, _| None))
    }

    pub(crate) fn resume(broker: &Broker, topics: &[&str], dead_letters_max: usize, resume: Resume) -> Shop {
        let settings = kafka::Settings::new(broker.bootstrap(), topics.iter().copied(), Duration::from_millis(200));
        Shop::start(settings, dead_letters_max, resume)
    }

    pub(crate) fn start(settings: kafka::Settings, dead_letters_max: usize, resume: Resume) -> Shop {
        Shop::reading(settings, dead_letters_max, ReadFrom { resume, past: None })
    }

    pub(crate) fn reading(settings: kafka::Settings, dead_letters_max: usize, from: ReadFrom) -> Shop {
        let status = Arc::new(SourceRegistry::default());
        let (outlet, dead_letters) = sync_channel(dead_letters_max);
        // Erasures must be known before events only if events are counted.
        let features = Features { enabled: settings.erasures.is_some(), ..Features::OFF };
        let source = Source::resuming(settings, Arc::new(Clock::default()), &status, outlet, from).unwrap();
        let engine = Engine::start(Settings {
            workers: WORKERS,
            rules: Rules { list_size: 1000, history_ms: Millis::MAX, features, ..Rules::default() },
            journal_max: Some(0),
            registry: status,
            ..Settings::new(
                Arc::new(Dictionary::new(Ids::new([7; 16]))),
                Arc::new(Clock::default()),
                Arc::new(move |worker| vec![source.open(&worker)]),
                1000,
            )
        });
        Shop { engine: engine.unwrap(), dead_letters }
    }

    /// The products in a user's history, each with when it was viewed.
    pub(crate) fn viewed_at(&self, user: &str) -> BTreeMap<String, Millis> {
        let reader = self.engine.reader();
        let user = reader.dictionary().user(user);
        let mut rows = Vec::new();
        reader.view(user).rows::<History>(&user, &mut rows);
        let name = |product| reader.dictionary().product_name(product).unwrap().to_string();
        rows.into_iter().map(|(viewed, _)| (name(viewed.product), viewed.at())).collect()
    }

    pub(crate) fn source_view(&self) -> SourceView {
        self.engine.registry().snapshot().into_iter().find(|view| view.name == kafka::NAME).unwrap()
    }

    #[track_caller]
    pub(crate) fn wait_live(&self) {
        wait_until(SOON, "the source is live", || self.source_view().state == State::Live);
    }

    /// Waits until the source says that it tries again, for a reason that names `what`.
    #[track_caller]
    pub(crate) fn wait_retrying(&self, what: &str) {
        wait_until(SOON, &format!("the source names {what}"), || match self.source_view().state {
            State::Retrying(reason) => reason.contains(what),
            _ => false,
        });
    }

    /// Waits until the published position of a partition is exactly `next`.
    #[track_caller]
    pub(crate) fn wait_position(&self, topic: &str, partition: i32, next: i64) {
        let at = |next| Position::new(topic, partition, next);
        let covers = |next| self.engine.reader().snapshots().covers(&at(next));
        let what = format!("{topic}/{partition} is published up to {next}");
        wait_until(SOON, &what, || covers(next) && !covers(next + 1));
    }
}
