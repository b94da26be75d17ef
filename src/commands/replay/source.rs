//! The sources of a replay, as configured, opened once in every worker.

use std::sync::{Arc, Mutex};

use dataflow::dictionary::Dictionary;
use dataflow::feed::WorkerContext;
use dataflow::replay::{Failure, OpenReplaySources, ReplaySource};
use dataflow::source_status::SourceRegistry;
use sources::kafka::range::Patience;
use sources::replay::{LetterHandler, ReplayBounds, ReplayProgress, ReplayTables};
use sources::{files, kafka, postgres};
use store::Follow as _;

use super::erasures;
use crate::config::Config;
use crate::system::shop_rows;
use crate::system::sources::{of_kafka, of_postgres};

/// The streams and tables to replay. The ends of the streams are fixed at the start.
pub(in crate::commands) struct ReplaySources {
    bounds: ReplayBounds,
    registry: Arc<SourceRegistry>,
    refused: LetterHandler,
    kafka: Option<kafka::range::Range>,
    files: Option<files::range::Range>,
    tables: ReplayTables,
}

impl ReplaySources {
    /// Fixes the ends of topics and files, and reads the tables. `refused` takes the dead letters of refused records.
    pub(in crate::commands) fn open(
        config: &Config,
        bounds: ReplayBounds,
        dictionary: &Arc<Dictionary>,
        registry: &Arc<SourceRegistry>,
        refused: LetterHandler,
    ) -> anyhow::Result<ReplaySources> {
        let archive = match config.kafka {
            Some(_) => archive::store::open(&config.archive)?,
            None => None,
        };
        let archive = archive.map(|store| archive::Archived::open(store, &config.archive)).transpose()?;
        let past = archive.map(|archive| Arc::new(archive) as Arc<dyn kafka::past::Past>);
        let files = config.files.as_ref().map(|files| files::range::Range::pin(&files.dir)).transpose()?;
        let erased = Arc::new(erasures::read(config, past.clone(), files.as_ref())?);
        let kafka = config.kafka.as_ref().map(|settings| {
            // Before the first removal, the topic may not exist.
            let optional = [settings.removals.as_str()];
            let range = kafka::range::Range::pin(of_kafka(settings), &optional, Patience::default(), past)?;
            anyhow::Ok(range.without(erased.clone()))
        });
        let kafka = kafka.transpose()?;
        for topic in kafka.iter().flat_map(|range| range.missing()) {
            tracing::warn!(topic, "the topic does not exist, there are no removals to replay");
        }
        let files = files.map(|range| range.without(erased.clone()));
        let into = TablesInto { bounds, dictionary, registry, refused: &refused };
        let tables = into.read(config, files.as_ref())?.without(&erased);
        Ok(ReplaySources { bounds, registry: registry.clone(), refused, kafka, files, tables })
    }

    /// The progress of reading the streams.
    pub(in crate::commands) fn progress(&self) -> Option<Arc<ReplayProgress>> {
        let kafka = self.kafka.as_ref().map(kafka::range::Range::progress);
        kafka.or(self.files.as_ref().map(files::range::Range::progress)).cloned()
    }

    /// For the workers: each worker takes its share of the streams, and the first worker the tables.
    pub(in crate::commands) fn opener(self) -> OpenReplaySources {
        let ReplaySources { bounds, registry, refused, kafka, files, tables } = self;
        let tables = Mutex::new(Some(tables.into_replay_source(bounds)));
        Arc::new(move |context: WorkerContext| {
            let mut sources: Vec<Box<dyn ReplaySource>> = Vec::new();
            if context.index == 0 {
                let tables = tables.lock().expect("no holder of this lock can panic").take();
                sources.extend(tables.map(|tables| Box::new(tables) as Box<dyn ReplaySource>));
            }
            if let Some(range) = &kafka {
                sources.push(range.open(&context, bounds, &registry, &refused)?);
            }
            if let Some(range) = &files {
                sources.extend(range.open(&context, bounds, &registry, &refused)?);
            }
            Ok::<_, Failure>(sources)
        })
    }
}

/// Where the rows of the tables go.
struct TablesInto<'a> {
    bounds: ReplayBounds,
    dictionary: &'a Arc<Dictionary>,
    registry: &'a SourceRegistry,
    refused: &'a LetterHandler,
}

impl TablesInto<'_> {
    /// Reads orders and catalogue from where the server has them.
    fn read(&self, config: &Config, files: Option<&files::range::Range>) -> anyhow::Result<ReplayTables> {
        let TablesInto { bounds, dictionary, registry, refused } = *self;
        if let Some(store) = shop_rows::made_file(config)? {
            return Ok(sources::store::range::read(&mut *store.follow()?, bounds, dictionary, registry, refused)?);
        }
        if let Some(range) = files {
            return Ok(range.tables(bounds, dictionary, registry, refused)?);
        }
        match &config.postgres {
            Some(settings) => {
                let settings = of_postgres(settings, config);
                Ok(postgres::range::read(settings, bounds, dictionary, registry, refused)?)
            }
            None => Ok(ReplayTables::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use dataflow::dictionary::Dictionary;
    use dataflow::feed::Waker;
    use dataflow::ids::Ids;
    use dataflow::rules::Rules;
    use dataflow::stepped::SteppedGraph;
    use dataflow::tables::{Catalogue, Orders};
    use store::{Action, Bounds, Condition, Kind, Row, Store as _, Write, WriteRequest};
    use tempfile::TempDir;

    use super::*;
    use crate::config::{Flag, Request};

    const AT: u64 = 1_700_000_000_000;

    fn config(dir: &Path) -> Config {
        let text = |path: &Path| path.to_str().expect("a plain name").to_owned();
        let set = [("files.dir", text(dir)), ("store.path", text(&dir.join("store.db")))];
        let flags = set.map(|(key, value)| Flag { name: "--set".into(), key: key.into(), value });
        Config::load(&Request { flags: flags.into(), ..Request::default() }).expect("sound settings")
    }

    fn put(store: &store::sqlite::SqliteStore, kind: Kind, json: &str) {
        let bounds = Bounds { now: AT.cast_signed(), price_digits: 2 };
        let row = Row::from_json(kind, None, json.as_bytes(), &bounds).expect("a sound row");
        let write = Write { kind, id: row.id().to_owned(), action: Action::Put(row), condition: Condition::default() };
        let request = WriteRequest { writes: vec![write], repeatable: None, now: AT.cast_signed() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(store.write(request)).expect("the row is written");
    }

    /// The orders and the products of the catalogue that a replay of one step has.
    fn tables(config: &Config, dictionary: &Arc<Dictionary>) -> anyhow::Result<[usize; 2]> {
        let bounds = ReplayBounds { from: AT, until: AT, kept_ms: 1000 };
        let sources =
            ReplaySources::open(config, bounds, dictionary, &Arc::new(SourceRegistry::default()), Arc::new(|_| {}))?;
        let waker = Waker::of_this_thread();
        let context = WorkerContext { index: 0, peers: 1, waker, dictionary: dictionary.clone() };
        let mut graph = SteppedGraph::new(Rules::default(), dictionary.clone(), 300);
        graph.keep_log(100);
        for mut source in sources.opener()(context).expect("the sources are opened") {
            source.feed(graph.inputs(), AT, 100).expect("the rows are given");
        }
        let log = graph.take_log().expect("there are few rows");
        let known = |id: &str| {
            let product = dictionary.product(id).expect("there is no collision");
            log.of::<Catalogue>().iter().filter(|((of, _), ..)| *of == product).count()
        };
        assert_eq!(known("of the file"), 0, "the server loads the file into the store");
        Ok([log.of::<Orders>().len(), known("lamp")])
    }

    #[test]
    fn orders_and_catalogue_are_those_of_the_store() {
        let dir = TempDir::new().expect("a temporary directory");
        let catalogue = "product_id,product_name,category,price\nof the file,,light,\n";
        fs::write(dir.path().join("product_catalog.csv"), catalogue).expect("a file is written");
        let config = config(dir.path());
        let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
        let missing = tables(&config, &dictionary).expect_err("the store is not there").to_string();
        assert!(missing.contains("store.path") && missing.contains("[store]"), "{missing}");
        assert!(!dir.path().join("store.db").exists(), "it was only looked for");

        let store = store::sqlite::open(config.store.clone().expect("it is set")).expect("the store is opened");
        put(&store, Kind::Products, r#"{"product_id": "lamp", "category_id": "light"}"#);
        let order = r#"{"purchase_id": "o1", "user_id": "ada", "created_at": TIME, "lines": [{"product_id": "lamp"}]}"#;
        put(&store, Kind::Purchases, &order.replace("TIME", &AT.to_string()));
        assert_eq!(tables(&config, &dictionary).expect("the tables are read"), [1, 1]);
    }
}
