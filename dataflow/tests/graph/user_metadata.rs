//! The values of metadata that are shown are compared with a plain count, tick by tick, while the table forgets values.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::graph::UserMetadata;
use dataflow::ids::{Ids, UserKey};
use dataflow::rules::{Features, KeyNames, Rules};
use dataflow::short_text::ShortText;
use dataflow::stepped::SteppedGraph;
use dataflow::time::Millis;

const VALUES: usize = 40;
const TICKS: usize = 400;
/// The number of values, beside the sum, whose events are held.
const HELD: usize = 4;
/// More idle steps than merging needs after the last input.
const IDLE_STEPS: usize = 10_000;

/// A user's events, given to the graph and noted.
struct Told {
    graph: SteppedGraph,
    user: UserKey,
    device: ShortText,
    /// The value and the time of each event that counts.
    events: Vec<(ShortText, Millis)>,
}

impl Told {
    fn new() -> Self {
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
        let metadata = KeyNames::of(&["device"]);
        let features = Features { enabled: true, metadata, values_max: 1, ..Features::OFF };
        let graph = SteppedGraph::new(Rules { features, ..Rules::default() }, dictionary.clone(), 1000);
        Told { graph, user: dictionary.user("ada"), device: ShortText::of("device"), events: Vec::new() }
    }

    fn event(&mut self, value: usize, at: Millis) {
        let (user, value) = (self.user, ShortText::of(&format!("v{value:02}")));
        self.graph.inputs().metadata(user, (self.device, value), at);
        self.events.push((value, at));
    }

    fn erase(&mut self, until: Millis) {
        self.graph.inputs().erasure(self.user, until);
        self.events.retain(|(_, at)| *at > until);
    }

    fn end_tick(&mut self) {
        let next = self.graph.tick() + 1;
        self.graph.advance_to(next);
        self.graph.settle();
    }

    /// The values that are shown, with their events.
    fn shown(&self) -> BTreeMap<String, u64> {
        let metadata = self.graph.reader().view(self.user).features(self.user, None).metadata;
        metadata.into_iter().map(|of| (of.value.as_str().to_owned(), of.events)).collect()
    }

    /// The events with values that are not shown, by key.
    fn others(&self) -> Vec<(ShortText, u64)> {
        self.graph.reader().view_any().metadata_others()
    }

    /// The rows that are held: values, or the empty text for the sum, with their events.
    fn held(&self) -> BTreeMap<ShortText, u64> {
        let mut rows = Vec::new();
        self.graph.reader().view(self.user).rows::<UserMetadata>(&(self.user, self.device), &mut rows);
        rows.into_iter().map(|((value, tally), _)| (value, tally.events())).collect()
    }

    /// All values with their events, those whose first events are the earliest first.
    fn counted(&self) -> Vec<(ShortText, u64)> {
        let mut counts: BTreeMap<ShortText, (Millis, u64)> = BTreeMap::new();
        for (value, at) in &self.events {
            let (first, events) = counts.entry(*value).or_insert((*at, 0));
            (*first, *events) = ((*first).min(*at), *events + 1);
        }
        let mut counts: Vec<_> = counts.into_iter().map(|(value, (first, events))| (first, value, events)).collect();
        counts.sort_unstable();
        counts.into_iter().map(|(_, value, events)| (value, events)).collect()
    }

    /// Of events in the order of their times, everything that is shown is exact, and so is everything that must be held.
    fn check_all(&self) {
        let (counted, all) = (self.counted(), self.events.len() as u64);
        let mut shown: BTreeMap<String, u64> =
            counted.iter().take(1).map(|(value, events)| (value.as_str().to_owned(), *events)).collect();
        let others = all - shown.values().sum::<u64>();
        shown.extend((others > 0).then(|| ("other".to_owned(), others)));
        assert_eq!(self.shown(), shown, "after {all} events");
        let counted_others = (others > 0).then_some((self.device, others));
        assert_eq!(self.others(), Vec::from_iter(counted_others), "after {all} events");
        let held = self.held();
        let must = counted.into_iter().take(HELD).chain((all > 0).then_some((ShortText::EMPTY, all)));
        for (value, events) in must {
            assert_eq!(held.get(&value), Some(&events), "{} after {all} events", value.as_str());
        }
    }
}

#[test]
fn values_in_the_order_of_their_times_are_exact_at_every_tick() {
    let mut told = Told::new();
    for tick in 0..TICKS {
        let at = 1000 * (tick as Millis + 1);
        if tick == TICKS / 2 + 3 {
            told.erase(at - 1);
            told.end_tick();
            told.check_all();
        }
        // A new value every few ticks, and others that came before it again.
        let newest = tick % (TICKS / 2) / 5;
        for (nth, value) in [newest, newest / 2, newest / 3, 0].into_iter().enumerate() {
            told.event(value, at + nth as Millis);
        }
        told.end_tick();
        told.check_all();
    }
    assert_eq!(told.counted().len(), VALUES);
    (0..IDLE_STEPS).for_each(|_| told.graph.step(false));
    told.end_tick();
    told.check_all();
    let held = told.held().len();
    assert!(held < VALUES / 2, "{held} rows are held of {VALUES} values");
}

#[test]
fn the_sum_over_all_values_is_exact_in_any_order() {
    let mut told = Told::new();
    for tick in 0..TICKS {
        if tick == TICKS / 2 {
            told.erase(1_000_000);
            told.end_tick();
        }
        // 7 and the number of ticks have no common divisor, so every time is there once, in another order.
        let at = 1_000_000 * u64::from(tick >= TICKS / 2) + 1000 * (1 + (tick * 7 % TICKS) as Millis);
        told.event(tick % VALUES, at);
        told.end_tick();
        let shown = told.shown();
        assert_eq!(shown.values().sum::<u64>(), told.events.len() as u64, "after tick {tick}");
        let others: u64 = told.others().iter().map(|(_, events)| events).sum();
        assert_eq!(shown.get("other").copied().unwrap_or_default(), others, "after tick {tick}");
    }
    assert!(told.shown().len() == 2 && told.events.len() == TICKS / 2);
}
