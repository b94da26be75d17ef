//! The features before each ask, compared with a plain recomputation over random events, with many equal times.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

mod all_features;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{Ids, ProductKey, RowKey, UserKey};
use dataflow::index_reader::{UserFeatures, Wanted};
use dataflow::inputs::Inputs;
use dataflow::point_in_time::{Ask, Together, features_before};
use dataflow::replay::{Failure, ReplaySource, Went};
use dataflow::rules::{DAY_MS, Features, Rules};
use dataflow::stepped::SteppedGraph;
use dataflow::tables::interactions::TIME_ON_PAGE_MS_MAX;
use dataflow::tables::{Interaction, LineRow, Lines, OrderRow, Orders, Placed};
use dataflow::time::{Millis, Time};

/// An event or an order: its kind, user, product and time.
type Given = (u8, usize, usize, Time);

/// Gives its events in the order of their times.
struct Events {
    /// Its number, which is a part of the ids of its orders.
    source: usize,
    events: Vec<Given>,
    next: usize,
    dictionary: Arc<Dictionary>,
}

impl Events {
    fn give(&self, nth: usize, inputs: &mut Inputs) {
        let (kind, user, product, at) = self.events[nth];
        let (user, product) = keys(&self.dictionary, user, product);
        match kind {
            0 => {
                inputs.view(user, product, at);
                inputs.interaction(user, product, Interaction::View { time_on_page_ms: Some(at * 3) }, at);
            }
            1 => inputs.interaction(user, product, Interaction::Click, at),
            2 => inputs.interaction(user, product, Interaction::AddToCart, at),
            3 => inputs.interaction(user, ProductKey::NONE, Interaction::Other, at),
            _ => {
                let order = self.dictionary.order(&format!("{} {nth}", self.source));
                inputs.update::<Orders>(OrderRow { order, user, placed: Placed::new(at, true) }, 1);
                inputs.update::<Lines>(LineRow { order, product, row: RowKey::NONE }, 1);
            }
        }
    }
}

impl ReplaySource for Events {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        let from = self.next;
        while self.next < self.events.len() && self.events[self.next].3 <= step && self.next - from < budget {
            self.give(self.next, inputs);
            self.next += 1;
        }
        let reached = self.events.get(self.next).is_none_or(|event| event.3 > step);
        Ok(Went { records: self.next - from, reached })
    }
}

fn keys(dictionary: &Dictionary, user: usize, product: usize) -> (UserKey, ProductKey) {
    (dictionary.user(&user.to_string()), dictionary.product(&product.to_string()).expect("few ids do not collide"))
}

/// Views, clicks, additions to the cart, orders and time on pages of a product, and the latest event of the user.
type Numbers = ([u64; 5], Option<Time>);

/// The definition: everything of before the time.
fn plain(events: &[Given], user: usize, product: usize, at: Time) -> Numbers {
    let before = || events.iter().filter(move |event| event.1 == user && event.3 < at);
    let count = |kind| before().filter(move |event| event.0 == kind && event.2 == product);
    let last = before().filter(|event| event.0 < 4).map(|event| event.3).max();
    let [views, clicks, carts] = [0, 1, 2].map(|kind| count(kind).count() as u64);
    (
        [
            views,
            clicks,
            carts,
            count(4).count() as u64,
            count(0).map(|event| (event.3 * 3).min(TIME_ON_PAGE_MS_MAX)).sum(),
        ],
        last,
    )
}

/// What the walk finds for each ask, by the order in which they were asked.
fn found(sources: Vec<Vec<Given>>, asks: &[(usize, usize, Time)], days: u64, together: Together) -> Vec<Numbers> {
    let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
    let rules = Rules { features: Features { enabled: true, days, ..Features::OFF }, ..Rules::default() };
    let mut graph = SteppedGraph::of_features(rules, dictionary.clone(), 1000);
    let source = |(source, events): (usize, Vec<Given>)| {
        Box::new(Events { source, events, next: 0, dictionary: dictionary.clone() }) as Box<dyn ReplaySource>
    };
    let mut sources: Vec<Box<dyn ReplaySource>> = sources.into_iter().enumerate().map(source).collect();
    let ask = |(tag, (user, _, at)): (usize, &(usize, usize, Time))| Ask {
        at: *at,
        user: keys(&dictionary, *user, 0).0,
        product: ProductKey::NONE,
        tag,
    };
    let mut given: Vec<Ask<usize>> = asks.iter().enumerate().map(ask).collect();
    let mut found = vec![Numbers::default(); asks.len()];
    let wanted = Wanted { sums: true, all_products: true };
    features_before(&mut graph, &mut sources, (&mut given, wanted), together, |ask, features| {
        let of = features.of_product(keys(&dictionary, 0, asks[ask.tag].1).1);
        let activity = of.activity;
        let counts = [activity.views(), activity.clicks(), activity.carts(), of.purchases, activity.time_on_page().0];
        found[ask.tag] = (counts, features.last_at);
        Ok(())
    })
    .expect("nothing fails here");
    found
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_ask_gets_what_happened_before_its_time_and_nothing_else(
        events in vec((0..5u8, 0..3usize, 0..3usize, 1..40u64), 0..80),
        asks in vec((0..4usize, 0..4usize, 0..45u64), 1..60),
        times in 1..20usize,
        records in 1..40usize,
    ) {
        let mut halves = [Vec::new(), Vec::new()];
        events.iter().enumerate().for_each(|(nth, event)| halves[nth % 2].push(*event));
        halves.iter_mut().for_each(|half| half.sort_by_key(|event| event.3));
        let expected: Vec<Numbers> = asks.iter().map(|(user, product, at)| plain(&events, *user, *product, *at)).collect();
        prop_assert_eq!(&found(halves.to_vec(), &asks, 0, Together { times, records }), &expected);
        prop_assert_eq!(&found(halves.to_vec(), &asks, 0, Together::default()), &expected);
    }

    #[test]
    fn an_ask_gets_what_lasted_then_whatever_else_is_asked(
        mut events in vec((0..4u8, 0..2usize, 0..2usize, 1..40u64), 0..60),
        mut asks in vec((0..2usize, 0..2usize, 1..45u64), 1..20),
        days in 1..4u64,
        times in 1..20usize,
    ) {
        events.iter_mut().for_each(|event| event.3 *= DAY_MS / 2);
        asks.iter_mut().for_each(|ask| ask.2 *= DAY_MS / 2);
        events.sort_by_key(|event| event.3);
        let expected: Vec<Numbers> =
            asks.iter().map(|(user, product, at)| lasting(&events, *user, *product, days, *at)).collect();
        prop_assert_eq!(&found(vec![events.clone()], &asks, days, Together { times, records: 7 }), &expected);
        prop_assert_eq!(&found(vec![events.clone()], &asks, days, Together::default()), &expected);
        for (ask, expected) in asks.iter().zip(expected) {
            prop_assert_eq!(found(vec![events.clone()], &[*ask], days, Together::default()), vec![expected]);
        }
    }
}

/// The definition: of the events of before the time, those of a product since its last silence.
fn lasting(events: &[Given], user: usize, product: usize, days: u64, at: Time) -> Numbers {
    let is_old = |event: Time, now: Time| event / DAY_MS + days < now / DAY_MS;
    let of = |product: Option<usize>| {
        let mut counted: Vec<Given> = Vec::new();
        for event in events.iter().filter(|event| event.1 == user && event.3 < at) {
            if Some(event.2).filter(|_| event.0 != 3) == product {
                if counted.last().is_some_and(|last| is_old(last.3, event.3)) {
                    counted.clear();
                }
                counted.push(*event);
            }
        }
        if counted.last().is_some_and(|last| is_old(last.3, at - 1)) { Vec::new() } else { counted }
    };
    let last = [None, Some(0), Some(1)].into_iter().flat_map(of).map(|event| event.3).max();
    (plain(&of(Some(product)), user, product, at).0, last)
}

#[test]
fn an_event_at_the_time_of_the_ask_is_of_its_future() {
    let events = vec![(0, 0, 0, 10), (0, 0, 0, 11), (1, 0, 0, 11)];
    let asks = [(0, 0, 11), (0, 0, 12), (0, 0, 10), (0, 0, 11)];
    let found = found(vec![events], &asks, 0, Together::default());
    let views: Vec<(u64, u64)> = found.iter().map(|(counts, _)| (counts[0], counts[1])).collect();
    assert_eq!(views, [(1, 0), (2, 1), (0, 0), (1, 0)]);
    let times: BTreeSet<Option<Time>> = found.iter().map(|(_, last)| *last).collect();
    assert_eq!(times, [None, Some(10), Some(11)].into());
}
