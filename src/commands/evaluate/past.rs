//! `vitrine evaluate --from --until`: event by event over topics or files, first asked, then learned.
//!
//! ```text
//! sources ─▶ Reading: the records of the next millisecond ─▶ Learner: is it a view of a product that is new to the user?
//!                                                               ├▶ the lists before it ─▶ tallies
//!                                                               └▶ the record is learned
//! ```
//! Records are read as a replay reads them, and count at their service times. In a millisecond, records of tables come before
//! those of streams, and the records of one partition before those of the next, one by one.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Waker, WorkerContext};
use dataflow::ids::Ids;
use dataflow::source_status::SourceRegistry;
use dataflow::time::{Millis, Time};
use sources::replay::ReplayBounds;

use super::learner::Learner;
use super::reading::Reading;
use super::sources::ListMaker;
use super::tallies::Tallies;
use crate::commands::replay::recorder::{BATCH, Recorder};
use crate::commands::replay::source::ReplaySources;
use crate::config::Config;

/// What was found, and what was read for it.
pub(super) struct Found {
    pub(super) tallies: Tallies,
    pub(super) registry: Arc<SourceRegistry>,
}

/// Walks through the records up to `until`, and asks before each view from `from` on.
pub(super) fn run(config: &Config, lists: ListMaker, from: Time, until: Time) -> anyhow::Result<Found> {
    let bounds = ReplayBounds { from, until, kept_ms: config.rules.orders_held_ms() };
    let registry = Arc::new(SourceRegistry::default());
    let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
    // Refused records are counted by the registry, and a replay writes them.
    let sources = ReplaySources::open(config, bounds, &dictionary, &registry, Arc::new(|_| {}))?;
    let context = WorkerContext { index: 0, peers: 1, waker: Waker::of_this_thread(), dictionary: dictionary.clone() };
    let sources = sources.opener()(context).map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let reading = Reading { sources, recorder: Recorder::new(&config.rules, dictionary.clone(), from) };
    let mut walk = Walk { reading, learner: Learner::new(config, dictionary, lists) };
    walk.learn(from.saturating_sub(1), config.rules.co_views.every_ms)?;
    walk.test(from.saturating_sub(1), until)?;
    Ok(Found { tallies: walk.learner.into_tallies(), registry })
}

struct Walk {
    reading: Reading,
    learner: Learner,
}

impl Walk {
    /// Takes all records up to a time without asking: those up to the last end of a period of `every_ms`, and then the others.
    fn learn(&mut self, until: Time, every_ms: Millis) -> anyhow::Result<()> {
        for end in [until - until % every_ms, until] {
            self.reading.read(end, BATCH, |log| {
                self.learner.learn(log);
                Ok(())
            })?;
            self.learner.reach(end + 1);
        }
        Ok(())
    }

    /// Takes the records after `learned` and up to `until` in their order, and asks before each view.
    fn test(&mut self, learned: Time, until: Time) -> anyhow::Result<()> {
        let mut read = learned;
        while let Some(time) = self.reading.next_time(read, until)? {
            self.reading.read(time, 1, |log| self.learner.test(time, log))?;
            read = time;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use dataflow::rules::PurchaseSource;
    use recommend::{Fill, SourceName};

    use super::super::reading::tests::{Record, reading};
    use super::*;
    use crate::config::Request;

    /// A walk with these records in a source each, and the number of times that the sources are asked.
    fn walk(sources: Vec<Vec<(Time, Record)>>) -> (Walk, std::rc::Rc<std::cell::Cell<usize>>) {
        let mut config = Config::load(&Request::default()).expect("the defaults are sound");
        config.rules.purchases = PurchaseSource::Both;
        let lists = ListMaker::new(&config, &[SourceName::BestSellers], Fill::First, 10, None);
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
        let (reading, questions) = reading(sources, &dictionary);
        (Walk { reading, learner: Learner::new(&config, dictionary, lists) }, questions)
    }

    fn view(at: Time, product: &'static str) -> (Time, Record) {
        (at, Record::View { user: "ada", product, at })
    }

    #[test]
    fn a_time_without_records_moves_no_graph_and_takes_a_few_questions() {
        const MONTH_MS: Time = 30 * 86_400_000;
        let (mut walk, questions) = walk(vec![vec![view(10, "lamp"), view(MONTH_MS, "bulb")]]);
        walk.learn(20, 1000).unwrap();
        walk.test(20, MONTH_MS - 1).unwrap();
        assert_eq!(walk.learner.tick(), 21);
        walk.test(MONTH_MS - 1, 2 * MONTH_MS).unwrap();
        assert_eq!(walk.learner.tick(), MONTH_MS);
        assert!(questions.get() < 200, "{}", questions.get());
    }

    #[test]
    fn the_graph_keeps_up_with_orders_without_views() {
        let order = |second: Time| (second * 1000, Record::Order { user: "ada", at: second * 1000 });
        let (mut walk, _) = walk(vec![(1..1000).map(order).collect()]);
        for end in (1..1000).map(|second| second * 1000) {
            walk.test(end - 1000, end).unwrap();
            assert!(walk.learner.behind_ms() <= 64_000, "{} ms behind", walk.learner.behind_ms());
        }
    }

    #[test]
    fn a_view_is_learned_before_the_next_is_asked() {
        for (second, third) in [(10_200, 10_300), (10_100, 10_100)] {
            // The last view came late, and is of the product that the user viewed first.
            let late = (third, Record::View { user: "ada", product: "lamp", at: 4000 });
            let views = vec![view(5000, "lamp"), view(10_100, "bulb"), view(second, "bulb"), late];
            let (mut walk, _) = walk(vec![views]);
            walk.learn(6000, 1000).unwrap();
            walk.test(6000, 60_000).unwrap();
            let tallies = walk.learner.into_tallies();
            assert_eq!((tallies.measured()[0].1.asks, tallies.not_asked()), (1, (2, 0)));
        }
    }

    #[test]
    fn a_purchase_event_counts_for_the_views_after_it_alone() {
        const AT: Time = 10_000;
        let purchase = (AT, Record::Purchase { user: "ada", product: "bulb", at: AT });
        for (records, recall) in [([view(AT, "bulb"), purchase], 0.0), ([purchase, view(AT, "bulb")], 1.0)] {
            let (mut walk, _) = walk(vec![[vec![view(5000, "lamp")], records.into()].concat()]);
            walk.learn(6000, 1000).unwrap();
            walk.test(6000, 60_000).unwrap();
            let measured = &walk.learner.into_tallies().measured()[0].1;
            assert_eq!((measured.asks, measured.means[0].mean), (1, recall));
        }
    }

    #[test]
    fn a_late_view_is_an_ask_of_the_day_in_which_it_counts() {
        const DAY_MS: Time = 86_400_000;
        let late = (3 * DAY_MS, Record::View { user: "ada", product: "bulb", at: DAY_MS });
        let (mut walk, _) = walk(vec![vec![view(3 * DAY_MS - 5, "lamp"), late]]);
        walk.learn(3 * DAY_MS - 1, 1000).unwrap();
        walk.test(3 * DAY_MS - 1, 4 * DAY_MS).unwrap();
        let days: Vec<Time> = walk.learner.into_tallies().by_day().map(|(day, _)| day).collect();
        assert_eq!(days, [3 * DAY_MS]);
    }
}
