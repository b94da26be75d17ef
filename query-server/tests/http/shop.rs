//! A small shop to serve: a log in memory that feeds a real engine, and an event writer that appends to it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::engine::{self, Engine};
use dataflow::feed::{Feed, WorkerContext};
use dataflow::ids::Ids;
use dataflow::index_reader::IndexReader;
use dataflow::rules::{BuyAgain, CoViews, Features, Rules};
use dataflow::source_status::{SourceRegistry, SourceStatus, State};
use dataflow::time::{Millis, ServiceClock, Time};
use recommend::Recommender;
use recommend::shadow::{Compared, ListMaker, ShadowHits};
use vitrine_query_server::{
    Access, App, AuditLog, DataCopy, Floor, Peers, Running, Settings, ShadowLists, Shutdown, Tls, serve,
};

use crate::client::{Answer, Connection, PATIENCE};
use crate::log::{Log, LogFeed};

pub(crate) use crate::log::{Mood, TestWriter};
pub(crate) use crate::records::{Record, bought, now_ms, product, viewed};

/// The wall clock, or a clock that is ahead of it.
#[derive(Default)]
struct WallClock {
    ahead_ms: Time,
}

impl ServiceClock for WallClock {
    fn now(&self) -> Time {
        now_ms() + self.ahead_ms
    }
}

/// What the processes of a cluster know.
const SECRET: &str = "5ec2e7";

/// The header field of a request that a process has passed on.
pub(crate) const PASSED_ON: (&str, &str) = ("vitrine-shown-ms", "1 5ec2e7");

/// Where a shop listens, and its place in a cluster of two.
type Place = (TcpListener, Option<(usize, [SocketAddr; 2])>);

pub(crate) fn loopback() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// How a shop begins.
#[derive(Default)]
pub(crate) struct Start {
    pub(crate) floor: Floor,
    /// The time that its source has come to; none if it has caught up.
    pub(crate) reached: Option<Time>,
    /// The sources of recommendations.
    pub(crate) recommendations: recommend::Settings,
    /// The keys, if any are needed.
    pub(crate) access: Option<Arc<Access>>,
    pub(crate) audit: Option<Arc<dyn AuditLog>>,
    /// Keeps the shop's rows.
    pub(crate) store: Option<Arc<dyn store::Store>>,
    /// The chains of variant B.
    pub(crate) test: recommend::TestSettings,
    /// Counts what becomes of recommendations.
    pub(crate) online: Option<Arc<recommend::Online>>,
    /// The models that are not in the graph.
    pub(crate) models: recommend::Models,
    /// How far the service clock is ahead of the wall clock.
    pub(crate) clock_ahead_ms: Time,
    pub(crate) tls: Option<Arc<Tls>>,
}

/// A shop that is served.
pub(crate) struct Shop {
    pub(crate) address: SocketAddr,
    reader: IndexReader,
    engine: Option<Engine>,
    pub(crate) source: Arc<SourceStatus>,
    pub(crate) writer: Arc<TestWriter>,
    /// Counts hits, if the rules have a shadow.
    pub(crate) hits: Option<Arc<ShadowHits>>,
    pub(crate) shutdown: Shutdown,
    log: Arc<Log>,
    running: Option<Running>,
}

impl Shop {
    pub(crate) fn open() -> Shop {
        Shop::with(patient())
    }

    pub(crate) fn with(settings: Settings) -> Shop {
        Shop::with_rules(settings, Rules::default(), 1)
    }

    pub(crate) fn with_rules(settings: Settings, rules: Rules, workers: usize) -> Shop {
        Shop::start(settings, rules, workers, (loopback(), None), Start::default())
    }

    /// A shop that was there before, and may be catching up.
    pub(crate) fn again(start: Start) -> Shop {
        Shop::start(patient(), Rules::default(), 1, (loopback(), None), start)
    }

    /// A shop with keys.
    pub(crate) fn guarded(settings: Settings, start: Start) -> Shop {
        Shop::start(settings, learning_rules(), 1, (loopback(), None), start)
    }

    /// A shop whose models are on and change in every tick.
    pub(crate) fn learning(workers: usize, change: impl FnOnce(&mut Rules, &mut recommend::Settings)) -> Shop {
        let (mut rules, mut start) = (learning_rules(), Start::default());
        change(&mut rules, &mut start.recommendations);
        Shop::start(patient(), rules, workers, (loopback(), None), start)
    }

    /// The same, with models that are not in the graph.
    pub(crate) fn modelled(
        workers: usize,
        models: recommend::Models,
        change: impl FnOnce(&mut Rules, &mut recommend::Settings),
    ) -> Shop {
        let (mut rules, mut start) = (learning_rules(), Start { models, ..Start::default() });
        change(&mut rules, &mut start.recommendations);
        Shop::start(patient(), rules, workers, (loopback(), None), start)
    }

    /// The same, counting what becomes of recommendations.
    pub(crate) fn counted(
        online: Arc<recommend::Online>,
        test: recommend::TestSettings,
        change: impl FnOnce(&mut Rules, &mut recommend::Settings),
    ) -> Shop {
        let (mut rules, mut start) = (learning_rules(), Start { online: Some(online), test, ..Start::default() });
        change(&mut rules, &mut start.recommendations);
        Shop::start(patient(), rules, 1, (loopback(), None), start)
    }

    /// One of two processes; the addresses are those of both.
    pub(crate) fn beside(process: usize, listener: TcpListener, addresses: [SocketAddr; 2]) -> Shop {
        Shop::guarded_beside(process, listener, addresses, Start::default())
    }

    /// Both processes.
    pub(crate) fn pair() -> [Shop; 2] {
        let listeners = [loopback(), loopback()];
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let [one, other] = listeners;
        [Shop::beside(0, one, addresses), Shop::beside(1, other, addresses)]
    }

    /// One of two processes with keys.
    pub(crate) fn guarded_beside(
        process: usize,
        listener: TcpListener,
        addresses: [SocketAddr; 2],
        start: Start,
    ) -> Shop {
        Shop::start(patient(), learning_rules(), 1, (listener, Some((process, addresses))), start)
    }

    fn start(settings: Settings, rules: Rules, workers: usize, (listener, place): Place, start: Start) -> Shop {
        let online = start.online;
        let registry = Arc::new(match &online {
            Some(online) => SourceRegistry::observed_by(online.clone()),
            None => SourceRegistry::default(),
        });
        let (log, source) = (Arc::new(Log::default()), registry.source("events"));
        *log.reached.lock().unwrap() = start.reached;
        let engine = engine(rules, workers, log.clone(), registry.clone());
        source.state(0, State::Live);
        let live_since = registry.snapshot()[0].live_since;
        let reader = engine.reader().clone();
        let reader = if let Some((process, _)) = place { reader.in_cluster(process, 2) } else { reader };
        let writer = Arc::new(TestWriter::new(log.clone()));
        let recommender = |rules: &Rules| {
            let (recommendations, models) = (start.recommendations.clone(), start.models.clone());
            Arc::new(Recommender::new(rules, recommendations, &start.test, models))
        };
        let shadow = shadow(&reader, &recommender);
        let hits = shadow.as_ref().map(|shadow| shadow.hits.clone());
        let app = App {
            shadow,
            floor: start.floor,
            copies: Arc::new([DataCopy {
                place: "the topic views".into(),
                holds: "the user's events".into(),
                until: "the topic deletes them".into(),
                run: None,
            }]),
            peers: place.map(|(_, addresses)| Peers {
                addresses: addresses.map(|it| it.to_string()).to_vec(),
                secret: SECRET.into(),
            }),
            access: start.access.unwrap_or_else(|| Arc::new(Access::open())),
            audit: start.audit,
            tls: start.tls,
            checkpoints: None,
            als: None,
            content: None,
            archive: None,
            sinks: Arc::new(Vec::new),
            store: start.store.clone(),
            reader: reader.clone(),
            recommender: recommender(&rules),
            online,
            registry,
            ticks: engine.tick_counter(),
            clock: Arc::new(WallClock { ahead_ms: start.clock_ahead_ms }),
            event_writer: writer.clone(),
            workers,
            version: "1.2.3",
            embedded: vec!["log".into()],
        };
        let shutdown = Shutdown::new();
        let running = serve(listener, settings, app, shutdown.clone()).unwrap();
        let shop = Shop {
            address: running.address(),
            reader,
            engine: Some(engine),
            source,
            writer,
            hits,
            shutdown,
            log,
            running: Some(running),
        };
        // Answers have a time, and the shop is ready.
        assert!(shop.reader.snapshots().wait_until(PATIENCE, || shop.reader.snapshots().closed() > live_since));
        shop
    }

    pub(crate) fn dictionary(&self) -> &Arc<Dictionary> {
        self.reader.dictionary()
    }

    /// A user whom another process holds.
    pub(crate) fn user_elsewhere(&self) -> String {
        let of_another =
            |user: &String| self.reader.owner_elsewhere(self.reader.dictionary().find_user(user)).is_some();
        (0..).map(|number| format!("user-{number}")).find(of_another).unwrap()
    }

    pub(crate) fn reader(&self) -> &IndexReader {
        &self.reader
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.connect().get(target)
    }

    /// The source has caught up.
    pub(crate) fn catches_up(&self) {
        *self.log.reached.lock().unwrap() = None;
    }

    /// Writes to the log and waits until it shows.
    pub(crate) fn happened(&self, records: impl IntoIterator<Item = Record>) {
        let position = self.log.append(records);
        let snapshots = self.reader.snapshots();
        assert!(snapshots.wait_until(PATIENCE, || snapshots.covers(&position)), "what happened must show");
    }

    /// Writes to the log, whenever it may show.
    pub(crate) fn happens(&self, records: impl IntoIterator<Item = Record>) {
        self.log.append(records);
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.log.records.lock().unwrap().clone()
    }

    /// Begins the end and waits for it.
    pub(crate) fn end(&mut self) {
        self.shutdown.begin();
        self.running.take().unwrap().join().unwrap();
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(running) = self.running.take() {
            running.join().unwrap();
        }
        if let Some(engine) = self.engine.take() {
            engine.stop().unwrap();
        }
    }
}

/// The lists of the shadow, if the rules have one.
fn shadow(reader: &IndexReader, recommender: &impl Fn(&Rules) -> Arc<Recommender>) -> Option<ShadowLists> {
    let maker = |reader: IndexReader| ListMaker { recommender: recommender(reader.rules()), reader };
    let lists = maker(reader.in_shadow()?);
    let hits = Arc::new(ShadowHits::new(Arc::new(WallClock::default())));
    hits.compare(Compared { live: maker(reader.clone()), shadow: lists.clone() });
    Some(ShadowLists { lists, hits })
}

/// The models are on, and their counts change in every tick.
fn learning_rules() -> Rules {
    Rules {
        co_views: CoViews { enabled: true, every_ms: 1, ..CoViews::OFF },
        buy_again: BuyAgain { enabled: true },
        features: Features { enabled: true, ..Features::OFF },
        ..Rules::default()
    }
}

fn engine(rules: Rules, workers: usize, log: Arc<Log>, registry: Arc<SourceRegistry>) -> Engine {
    let source = registry.source("events");
    let open_feeds = move |seat: WorkerContext| -> Vec<Box<dyn Feed>> {
        if seat.index > 0 {
            return Vec::new();
        }
        *log.waker.lock().unwrap() = Some(seat.waker);
        vec![Box::new(LogFeed { log: log.clone(), registry: source.clone(), next: 0 })]
    };
    let settings = engine::Settings {
        workers,
        // Some views have fixed dates.
        rules: Rules { history_ms: Millis::MAX, ..rules },
        registry,
        ..engine::Settings::new(
            Arc::new(Dictionary::new(Ids::new([7; 16]))),
            Arc::new(WallClock::default()),
            Arc::new(open_feeds),
            1000,
        )
    };
    Engine::start(settings).unwrap()
}

/// The settings of a shop whose test is not of time limits: on a busy machine an honest client takes seconds for its
/// request, and a tick takes seconds to close.
pub(crate) fn patient() -> Settings {
    Settings { header_timeout_ms: 60_000, body_timeout_ms: 60_000, wait_ms_max: 60_000, ..Settings::default() }
}

/// Short bounds for tests of bounds.
pub(crate) fn short(change: impl FnOnce(&mut Settings)) -> Settings {
    let wait_ms_max = Settings::default().wait_ms_max;
    let mut settings = Settings { linger_ms: 200, shutdown_ms: 2_000, wait_ms_max, ..patient() };
    change(&mut settings);
    settings
}

/// Waits until `ready`, for what has no notification.
pub(crate) fn eventually(mut ready: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE;
    while !ready() {
        assert!(std::time::Instant::now() < deadline, "it never happened");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
