//! Histories at every tick, compared with a plain recomputation from all events: late and repeated ones, removals, histories
//! longer than their depth, and events that expire between two ticks, within an hour and over many.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use dataflow::dictionary::Dictionary;
use dataflow::graph::{History, Viewed};
use dataflow::ids::{Ids, ProductKey, UserKey};
use dataflow::index_reader::ReadView;
use dataflow::rules::{CoViews, Rules};
use dataflow::stepped::SteppedGraph;
use dataflow::time::{Millis, Time};

const USERS: usize = 3;
const PRODUCTS: usize = 9;

/// Each event: user, product, how long before the end of the tick, whether it is a removal. Then the length of the tick, and
/// whether it is shown at once.
type Ticks = Vec<(Vec<(usize, usize, u64, bool)>, u64, bool)>;

fn ticks() -> impl Strategy<Value = Ticks> {
    let event = (0..USERS, 0..PRODUCTS, 0..60u64, prop::bool::weighted(0.2));
    let size = prop_oneof![3 => Just(0), 4 => 1..6usize, 1 => 6..30usize];
    let length = prop_oneof![5 => 1..12u64, 1 => 12..90u64];
    vec((size.prop_flat_map(move |size| vec(event.clone(), size)), length, any::<bool>()), 1..25)
}

/// The products that a history shows.
fn plain(events: &[(usize, usize, Millis, bool)], user: usize, as_of: Time, rules: &Rules) -> Vec<(usize, Millis)> {
    let mut latest: BTreeMap<usize, (Millis, bool)> = BTreeMap::new();
    for (_, product, at, is_removal) in events.iter().filter(|event| event.0 == user) {
        let known = latest.entry(*product).or_insert((*at, *is_removal));
        *known = (*known).max((*at, *is_removal));
    }
    let mut places: Vec<_> =
        latest.into_iter().filter(|(_, (at, _))| at.saturating_add(rules.history_ms) > as_of).collect();
    places.sort_by_key(|(_, place)| std::cmp::Reverse(*place));
    places.truncate(rules.history_depth);
    let views = places.into_iter().filter(|(_, (_, is_removal))| !is_removal).map(|(product, (at, _))| (product, at));
    views.take(rules.list_size).collect()
}

fn shown(view: &ReadView<'_>, user: UserKey, products: &[ProductKey]) -> Vec<(usize, Millis)> {
    let mut rows = Vec::new();
    view.rows::<History>(&user, &mut rows);
    let number = |viewed: &Viewed| products.iter().position(|product| *product == viewed.product).unwrap();
    rows.iter().map(|(viewed, _)| (number(viewed), viewed.at())).collect()
}

/// Runs all ticks, whose numbers are multiplied by `unit`.
fn run(ticks: &Ticks, rules: &Rules, unit: u64) -> Result<(), TestCaseError> {
    let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
    let mut graph = SteppedGraph::new(*rules, dictionary.clone(), 1000);
    let users: Vec<UserKey> = (0..USERS).map(|user| dictionary.user(&user.to_string())).collect();
    let mut products: Vec<ProductKey> =
        (0..PRODUCTS).map(|product| dictionary.product(&product.to_string()).unwrap()).collect();
    // The order of products of the same time.
    products.sort_unstable();
    let (mut events, mut closed, mut next) = (Vec::new(), Vec::new(), 100 * unit);
    graph.advance_to(next);
    for (given, length, is_shown) in ticks {
        next += length * unit;
        for (user, product, late, is_removal) in given {
            let at = next - late * unit;
            events.push((*user, *product, at, *is_removal));
            match is_removal {
                true => graph.inputs().removal(users[*user], products[*product], at),
                false => graph.inputs().view(users[*user], products[*product], at),
            }
        }
        graph.advance_to(next);
        closed.push((next - 1, events.len()));
        if !is_shown {
            continue;
        }
        graph.settle();
        for (as_of, events_then) in closed.drain(..) {
            for (number, user) in users.iter().enumerate() {
                let view = graph.reader().view_as_of(*user, as_of).expect("it was closed since the last time");
                let right = plain(&events[..events_then], number, as_of, rules);
                prop_assert_eq!(shown(&view, *user, &products), right, "as of {}", as_of);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_history_has_the_views_that_have_not_expired(
        ticks in ticks(), list_size in 1..5usize, below in 0..6usize, days in prop_oneof![Just(None), (1..80u64).prop_map(Some)],
        co_views in any::<bool>(), unit in prop_oneof![Just(1), Just(400_000u64)],
    ) {
        let rules = Rules {
            list_size,
            history_depth: list_size + below,
            history_ms: days.map_or(Millis::MAX, |days| days * unit),
            co_views: CoViews { enabled: co_views, ..CoViews::OFF },
            ..Rules::default()
        };
        run(&ticks, &rules, unit)?;
    }
}

#[test]
fn a_view_leaves_in_the_very_millisecond_and_a_removal_brings_back_none_that_has_expired() {
    let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
    let rules = Rules { list_size: 1, history_depth: 5, history_ms: 100, ..Rules::default() };
    let mut graph = SteppedGraph::new(rules, dictionary.clone(), 1000);
    let (ada, [lamp, mug, tea]) =
        (dictionary.user("ada"), ["lamp", "mug", "tea"].map(|product| dictionary.product(product).unwrap()));
    let products = [lamp, mug, tea];
    let mut shown_at = |as_of: Time, give: &dyn Fn(&mut dataflow::inputs::Inputs)| {
        give(graph.inputs());
        graph.advance_to(as_of + 1);
        graph.settle();
        shown(&graph.reader().view(ada), ada, &products)
    };
    let views =
        |inputs: &mut dataflow::inputs::Inputs| [(lamp, 10), (mug, 20)].map(|(of, at)| inputs.view(ada, of, at));
    assert_eq!(shown_at(50, &|inputs| _ = views(inputs)), [(1, 20)]);
    assert_eq!(shown_at(119, &|_| ()), [(1, 20)]);
    assert_eq!(shown_at(120, &|_| ()), [], "the lamp behind it has expired before");
    assert_eq!(shown_at(121, &|inputs| inputs.view(ada, tea, 21)), [], "it is read when it has expired already");
    assert_eq!(
        shown_at(130, &|inputs| [(lamp, 31), (mug, 90)].into_iter().for_each(|(of, at)| inputs.view(ada, of, at))),
        [(1, 90)]
    );
    assert_eq!(shown_at(131, &|inputs| inputs.removal(ada, mug, 131)), [], "the lamp expires in this very tick");
    assert_eq!(
        shown_at(231, &|inputs| inputs.view(ada, mug, 132)),
        [(1, 132)],
        "the removal has expired, the view has not"
    );
    assert_eq!(shown_at(1000, &|_| ()), []);
}
