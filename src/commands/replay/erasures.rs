//! The erasures in the stream of removals, which a replay reads before all else.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Waker, WorkerContext};
use dataflow::ids::Ids;
use dataflow::replay::ReplaySource;
use dataflow::rules::{AHEAD_MS, Rules};
use dataflow::source_status::SourceRegistry;
use dataflow::stepped::SteppedGraph;
use dataflow::tables::Erasures;
use dataflow::time::Time;
use sources::kafka::past::Past;
use sources::kafka::range::Patience;
use sources::replay::{LetterHandler, ReplayBounds, ReplayErasures};
use sources::{files, kafka};

use crate::clock::wall_ms;
use crate::config::Config;
use crate::system::sources::of_kafka;

/// Records taken at a time.
const BATCH: usize = 16_384;

/// More than the rows of so many records.
const LOG_MAX: usize = 1 << 20;

/// Reads all erasures there are, also those after the last step.
pub(super) fn read(
    config: &Config,
    past: Option<Arc<dyn Past>>,
    files: Option<&files::range::Range>,
) -> anyhow::Result<ReplayErasures> {
    // An erasure is dated after the latest event of its user, which may be ahead of this clock.
    let until = wall_ms().saturating_add(AHEAD_MS);
    let bounds = ReplayBounds { from: until, until, window_ms: config.rules.window_ms };
    // The records are read once more by the replay, which counts them and writes their dead letters.
    let (registry, refused): (_, LetterHandler) = (SourceRegistry::default(), Arc::new(|_| {}));
    let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
    let context = WorkerContext { index: 0, peers: 1, waker: Waker::of_this_thread(), dictionary: dictionary.clone() };
    let mut removals: Vec<Box<dyn ReplaySource>> = Vec::new();
    if let Some(settings) = &config.kafka {
        let optional = [settings.removals.as_str()];
        let settings = kafka::Settings { topics: vec![settings.removals.clone()], ..of_kafka(settings) };
        let range = kafka::range::Range::pin(settings, &optional, Patience::default(), past)?;
        removals.push(range.open(&context, bounds, &registry, &refused)?);
    }
    if let Some(range) = files {
        removals.extend(range.removals(bounds, &registry, &refused)?);
    }
    erased_by(removals, until, dictionary)
}

/// The erasures that these streams have.
fn erased_by(
    streams: Vec<Box<dyn ReplaySource>>,
    until: Time,
    dictionary: Arc<Dictionary>,
) -> anyhow::Result<ReplayErasures> {
    let mut erased = ReplayErasures::default();
    let mut graph = SteppedGraph::new(Rules::default(), dictionary, 0);
    graph.keep_log(LOG_MAX);
    for mut stream in streams {
        loop {
            let went = stream.feed(graph.inputs(), until, BATCH).map_err(|failure| anyhow::anyhow!("{failure}"))?;
            let log = graph.take_log();
            let rows = log.iter().flat_map(|log| log.of::<Erasures>());
            rows.for_each(|((user, ()), _, until)| erased.add(*user, until.0));
            if went.reached {
                break;
            }
            graph.step(went.records == 0);
        }
    }
    Ok(erased)
}
