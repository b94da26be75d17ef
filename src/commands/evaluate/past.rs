//! `vitrine evaluate --from --until`: event by event over topics or files, first asked, then learned.
//!
//! ```text
//! a source gives one record ─▶ is it a view of a product that is new to the user? ─▶ the lists before it ─▶ tallies
//!                                                                        └▶ the record's tick is closed
//! ```
//! Records are read as a replay reads them. Within a second, the records of one partition come before those of the next.

use std::sync::Arc;

use dataflow::cut::DeltaLog;
use dataflow::dictionary::Dictionary;
use dataflow::feed::{Waker, WorkerContext};
use dataflow::ids::Ids;
use dataflow::replay::{Failure, ReplaySource};
use dataflow::source_status::SourceRegistry;
use dataflow::stepped::SteppedGraph;
use dataflow::tables::Stamps;
use dataflow::time::Time;
use sources::replay::ReplayBounds;

use super::sources::ListMaker;
use super::tallies::Tallies;
use crate::commands::replay::source::ReplaySources;
use crate::config::Config;

/// Records taken from a source at a time before the first ask.
const BATCH: usize = 16_384;

/// More than a source gives at a time.
const LOG_MAX: usize = 1 << 20;

/// What was found, and what was read for it.
pub(super) struct Found {
    pub(super) tallies: Tallies,
    pub(super) registry: Arc<SourceRegistry>,
}

/// Walks through the records up to `until`, and asks before each view from `from` on.
pub(super) fn run(config: &Config, lists: ListMaker, from: Time, until: Time) -> anyhow::Result<Found> {
    let bounds = ReplayBounds { from, until, kept_ms: config.rules.orders_kept_ms() };
    let registry = Arc::new(SourceRegistry::default());
    let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
    // Refused records are counted by the registry, and a replay writes them.
    let sources = ReplaySources::open(config, bounds, &dictionary, &registry, Arc::new(|_| {}))?;
    let context = WorkerContext { index: 0, peers: 1, waker: Waker::of_this_thread(), dictionary: dictionary.clone() };
    let mut sources = sources.opener()(context).map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let mut graph = SteppedGraph::new(config.rules.without_shadow(), dictionary, config.dataflow.idle_merge_effort);
    graph.keep_log(LOG_MAX);
    let mut walk = Walk { graph, tallies: Tallies::new(lists.sources()), lists };
    walk.learn(&mut sources, from - 1).map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let every = config.rules.co_views.every_ms;
    let mut end = from.next_multiple_of(every);
    loop {
        let step = end.min(until);
        walk.test(&mut sources, step)?;
        if step == until {
            break;
        }
        end += every;
    }
    Ok(Found { tallies: walk.tallies, registry })
}

struct Walk {
    graph: SteppedGraph,
    lists: ListMaker,
    tallies: Tallies,
}

type Sources = Vec<Box<dyn ReplaySource>>;

impl Walk {
    /// Takes all records up to a step without asking.
    fn learn(&mut self, sources: &mut Sources, step: Time) -> Result<(), Failure> {
        for source in sources {
            loop {
                let went = source.feed(self.graph.inputs(), step, BATCH)?;
                if let Some(log) = self.graph.take_log() {
                    views(&log).for_each(|(_, product, at)| self.tallies.saw(product, at));
                }
                if went.reached {
                    break;
                }
                self.graph.step(went.records == 0);
            }
        }
        self.close(step);
        Ok(())
    }

    /// Takes the records up to a step one by one, and asks before each view.
    fn test(&mut self, sources: &mut Sources, step: Time) -> anyhow::Result<()> {
        for source in sources {
            loop {
                let went = source.feed(self.graph.inputs(), step, 1).map_err(|failure| anyhow::anyhow!("{failure}"))?;
                let log = self.graph.take_log();
                let has_changed = log.as_ref().is_some_and(|log| !log.of::<Stamps>().is_empty());
                for (user, product, at) in log.iter().flat_map(views) {
                    self.graph.settle();
                    let reader = self.graph.reader();
                    self.lists.train(reader, at)?;
                    let made = self.lists.make(reader, user);
                    self.tallies.ask((user, product, at), self.lists.history(), &made);
                    self.tallies.saw(product, at);
                }
                // Each view and removal has a tick of its own, so that the next view is asked about the state after it.
                if has_changed {
                    let next = self.graph.tick() + 1;
                    self.graph.advance_to(next);
                }
                if went.reached {
                    break;
                }
                if went.records == 0 {
                    self.graph.step(true);
                }
            }
        }
        self.close(step);
        Ok(())
    }

    /// Closes the step; what is given later counts from after it.
    fn close(&mut self, step: Time) {
        if self.graph.tick() <= step {
            self.graph.advance_to(step + 1);
        }
    }
}

/// The views among logged rows.
fn views(log: &DeltaLog) -> impl Iterator<Item = (dataflow::ids::UserKey, dataflow::ids::ProductKey, Time)> + '_ {
    log.of::<Stamps>().iter().filter_map(|((user, product), _, stamp)| Some((*user, *product, stamp.viewed_at()?)))
}
