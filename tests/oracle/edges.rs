//! Named cases that are error-prone or were wrong once; each test states the expected numbers.

mod catalogue;

use std::sync::Arc;

use dataflow::rules::{
    AHEAD_MS, BuyAgain, CoViews, Deleted, EventRules, Features, PurchaseSource, RecommendationRule, Rules,
    SessionRules, Shadow,
};
use dataflow::tables::Placed;
use dataflow::time::{Diff, Time};

use crate::cluster::{Pacing, half_published};
use crate::given::{Domain, Handed, History, In, Tick, Update, World};
use crate::plain::Which;
use crate::properties::check;
use crate::seen::Seen;

const DOMAIN: Domain = Domain { users: 3, products: 8, categories: 4, orders: 6 };
const RULES: Rules = Rules {
    list_size: 3,
    history_depth: 200,
    history_ms: Time::MAX,
    window_ms: 50,
    purchases: PurchaseSource::Orders,
    categories_max: 2,
    items_min: 0,
    deleted: Deleted::InHistories,
    missing_is_deleted: false,
    recommendations: RecommendationRule::BestSellersForYou,
    co_views: CoViews::OFF,
    buy_again: BuyAgain::OFF,
    features: Features::OFF,
    sessions: SessionRules { events_max: 1000 },
    events: EventRules::OFF,
    shadow: Shadow::OFF,
};

fn view(user: usize, product: usize, at: Time) -> Update {
    Update::View { user, product, at }
}

fn removal(user: usize, product: usize, at: Time) -> Update {
    Update::Removal { user, product, at }
}

fn order(order: usize, user: usize, created_at: Time, diff: Diff) -> Update {
    Update::Order { order, user, placed: Placed::new(created_at, true), diff }
}

fn line(order: usize, product: usize, diff: Diff) -> Update {
    Update::Line { order, product, diff }
}

fn category(product: usize, category: usize, diff: Diff) -> Update {
    Update::Catalogue { product, category: In::Category(category), diff }
}

/// What shows at the end, with numbers for keys.
struct End {
    world: World,
    seen: Vec<Seen>,
}

/// Runs the ticks (updates, as of) on 1, 2 and 4 workers in every pace, each tick judged by the oracle too.
fn end_of(ticks: &[(&[Update], Time)]) -> End {
    end_with(RULES, ticks)
}

/// The same, by other rules.
fn end_with(rules: Rules, ticks: &[(&[Update], Time)]) -> End {
    let handed = |updates: &[Update]| (0..).zip(updates).map(|(hand, &update)| Handed { hand, update }).collect();
    let ticks = ticks.iter().map(|(updates, as_of)| Tick { given: handed(updates), next: as_of + 1 }).collect();
    let history = History { domain: DOMAIN, rules, ticks };
    let mut ends = Vec::new();
    for workers in [1, 2, 4] {
        for pacing in [Pacing::Bursts(1), Pacing::Bursts(9), Pacing::Straggling(5)] {
            ends.push(
                check(&history, workers, pacing).unwrap_or_else(|wrong| panic!("{workers}, {pacing:?}: {wrong}")),
            );
        }
    }
    End { world: World::new(DOMAIN), seen: ends.remove(0) }
}

impl End {
    fn product(&self, key: dataflow::ids::ProductKey) -> usize {
        self.world.products.iter().position(|known| *known == key).expect("a product of this world")
    }

    fn history(&self, user: usize) -> Vec<(usize, Time)> {
        let is_it = |seen: &&Seen| matches!(seen, Seen::History(of, _) if *of == self.world.users[user]);
        let Some(Seen::History(_, rows)) = self.seen.iter().find(is_it) else { panic!("everything was looked at") };
        rows.iter().map(|(product, at)| (self.product(*product), *at)).collect()
    }

    fn best(&self, which: Which) -> Vec<(usize, u64)> {
        let is_it = |seen: &&Seen| matches!(seen, Seen::Best(of, _) if *of == which);
        let Some(Seen::Best(_, rows)) = self.seen.iter().find(is_it) else { panic!("everything was looked at") };
        rows.iter().map(|(product, buyers)| (self.product(*product), *buyers)).collect()
    }

    fn general(&self) -> Vec<(usize, u64)> {
        self.best(None)
    }

    fn category(&self, category: usize) -> Vec<(usize, u64)> {
        self.best(Some(self.world.categories[category]))
    }

    fn recommended(&self, user: usize) -> (bool, Vec<usize>) {
        let is_it = |seen: &&Seen| matches!(seen, Seen::Recommended(of, ..) if *of == self.world.users[user]);
        let Some(Seen::Recommended(_, personal, picks)) = self.seen.iter().find(is_it) else {
            panic!("everything was looked at")
        };
        (*personal, picks.iter().map(|pick| self.product(pick.0)).collect())
    }
}

#[test]
fn nothing_shows_before_every_worker_has_shown_its_first_tick() {
    let world = Arc::new(World::new(DOMAIN));
    assert_eq!(half_published(&world, RULES), []);
}

#[test]
fn a_line_counts_up_to_the_last_millisecond_of_its_window() {
    let given: (&[Update], Time) = (&[order(0, 0, 1000, 1), line(0, 1, 1)], 1001);
    assert_eq!(end_of(&[given, (&[], 1049)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[given, (&[], 1050)]).general(), []);
    assert_eq!(end_of(&[given, (&[], 9000)]).general(), []);
}

#[test]
fn an_order_that_arrives_on_the_edge_is_judged_by_the_end_of_its_tick() {
    assert_eq!(end_of(&[(&[order(0, 0, 1000, 1), line(0, 1, 1)], 1049)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[(&[order(0, 0, 1000, 1), line(0, 1, 1)], 1050)]).general(), []);
}

#[test]
fn an_order_a_little_ahead_counts_from_its_arrival() {
    assert_eq!(end_of(&[(&[order(0, 0, 5000, 1), line(0, 1, 1)], 1000)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[(&[order(0, 0, 5000, 1), line(0, 1, 1)], 1000), (&[], 5049)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[(&[order(0, 0, 5000, 1), line(0, 1, 1)], 1000), (&[], 5050)]).general(), []);
}

#[test]
fn an_order_far_ahead_counts_from_when_its_time_has_come() {
    let at = AHEAD_MS + 1010;
    let given: (&[Update], Time) = (&[order(0, 0, at, 1), line(0, 1, 1)], 1000);
    assert_eq!(end_of(&[given, (&[], 1009)]).general(), []);
    assert_eq!(end_of(&[given, (&[], 1009), (&[], 1010)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[given, (&[], at + 49)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[given, (&[], at + 50)]).general(), []);
    assert_eq!(end_of(&[given, (&[order(0, 0, at, -1)], 1009), (&[], 1010)]).general(), []);
}

#[test]
fn an_order_far_ahead_hides_no_other_order_from_what_may_be_bought_again() {
    let rules = Rules { buy_again: BuyAgain { enabled: true }, ..RULES };
    let at = AHEAD_MS + 1010;
    let given: (&[Update], Time) = (&[order(0, 0, 1000, 1), line(0, 1, 1), order(1, 0, at, 1), line(1, 2, 1)], 1001);
    let shown = |end: &End| {
        let is_it = |seen: &&Seen| matches!(seen, Seen::BuyAgain(user, _) if *user == end.world.users[0]);
        let Some(Seen::BuyAgain(_, rows)) = end.seen.iter().find(is_it) else { panic!("everything was looked at") };
        rows.len()
    };
    assert_eq!(shown(&end_with(rules, &[given, (&[], 1009)])), 1);
    assert_eq!(shown(&end_with(rules, &[given, (&[], 1009), (&[], 1010)])), 2);
}

#[test]
fn a_line_may_come_before_its_order_and_leave_after_it() {
    let ticks: [(&[Update], Time); 4] = [
        (&[line(0, 1, 1)], 1000),
        (&[order(0, 0, 1000, 1)], 1001),
        (&[order(0, 0, 1000, -1)], 1002),
        (&[line(0, 1, -1)], 1003),
    ];
    assert_eq!(end_of(&ticks[..1]).general(), []);
    assert_eq!(end_of(&ticks[..2]).general(), [(1, 1)]);
    assert_eq!(end_of(&ticks[..3]).general(), []);
    assert_eq!(end_of(&ticks).general(), []);
}

#[test]
fn what_is_taken_back_after_its_window_changes_nothing() {
    let end = end_of(&[
        (&[order(0, 0, 1000, 1), line(0, 1, 1), order(1, 0, 1040, 1), line(1, 1, 1)], 1041),
        (&[], 1060),
        (&[order(0, 0, 1000, -1), line(0, 1, -1)], 1070),
    ]);
    assert_eq!(end.general(), [(1, 1)]);
}

#[test]
fn a_changed_date_brings_an_expired_order_back() {
    let end = end_of(&[
        (&[order(0, 0, 1000, 1), line(0, 1, 1)], 1001),
        (&[], 1100),
        (&[order(0, 0, 1000, -1), order(0, 0, 1090, 1)], 1101),
    ]);
    assert_eq!(end.general(), [(1, 1)]);
}

#[test]
fn a_buyer_counts_once_until_the_last_of_the_orders_is_gone() {
    let both: (&[Update], Time) = (&[order(0, 0, 1000, 1), line(0, 1, 1), order(1, 0, 1019, 1), line(1, 1, 1)], 1021);
    assert_eq!(end_of(&[both]).general(), [(1, 1)]);
    assert_eq!(end_of(&[both, (&[order(1, 0, 1019, -1)], 1049)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[both, (&[order(1, 0, 1019, -1)], 1050)]).general(), []);
    assert_eq!(end_of(&[both, (&[line(0, 1, -1)], 1068)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[both, (&[], 1068)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[both, (&[], 1069)]).general(), []);
}

#[test]
fn equal_lines_are_counted_as_rows_and_not_as_buyers() {
    let twice: (&[Update], Time) = (&[order(0, 0, 1000, 1), line(0, 1, 2)], 1001);
    assert_eq!(end_of(&[twice, (&[line(0, 1, -1)], 1002)]).general(), [(1, 1)]);
    assert_eq!(end_of(&[twice, (&[line(0, 1, -1)], 1002), (&[line(0, 1, -1)], 1003)]).general(), []);
}

#[test]
fn the_row_behind_a_full_list_comes_up_when_one_leaves() {
    let sold = |product: usize, users: usize| -> Vec<Update> {
        (0..users).flat_map(|user| [order(user, user, 1000, 1), line(user, product, 1)]).collect()
    };
    // Five products; the three with most buyers are listed. Orders of one user may be the same row more than once.
    let given: Vec<Update> = [(0, 3), (1, 2), (2, 1), (3, 1), (4, 1)].iter().flat_map(|&(p, n)| sold(p, n)).collect();
    let end = end_of(&[(&given, 1001), (&[line(0, 0, -1), line(1, 0, -1), line(2, 0, -1)], 1002)]);
    let general = end.general();
    assert_eq!(general[0], (1, 2));
    assert_eq!(general[1..].iter().map(|row| row.1).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn an_order_that_leaves_while_a_line_joins_it_is_gone() {
    let sold: (&[Update], Time) = (&[order(0, 0, 1000, 1), line(0, 1, 1)], 1001);
    assert_eq!(end_of(&[sold, (&[order(0, 0, 1000, -1), line(0, 1, 1)], 1002)]).general(), []);
    assert_eq!(end_of(&[sold, (&[line(0, 1, -1), order(0, 0, 1000, 1)], 1002)]).general(), []);
}

#[test]
fn equal_times_rank_by_product_at_the_end_of_a_full_history_too() {
    let products = World::new(DOMAIN).products;
    let mut ranked: Vec<usize> = (0..4).collect();
    ranked.sort_by_key(|product| products[*product]);
    let views: Vec<Update> = ranked.iter().map(|product| view(0, *product, 7)).collect();
    let expected: Vec<(usize, Time)> = ranked[..3].iter().map(|product| (*product, 7)).collect();
    let last_come_first: Vec<(&[Update], Time)> = views.chunks(1).rev().zip(1000..).collect();
    assert_eq!(end_of(&last_come_first).history(0), expected);
    let first_come_first: Vec<(&[Update], Time)> = views.chunks(1).zip(1000..).collect();
    assert_eq!(end_of(&first_come_first).history(0), expected);
}

#[test]
fn a_removal_hides_what_was_viewed_up_to_its_own_time_in_any_order() {
    assert_eq!(end_of(&[(&[view(0, 1, 5), removal(0, 1, 5)], 1000)]).history(0), []);
    assert_eq!(end_of(&[(&[removal(0, 1, 5)], 1000), (&[view(0, 1, 5)], 1001)]).history(0), []);
    assert_eq!(end_of(&[(&[removal(0, 1, 5)], 1000), (&[view(0, 1, 6)], 1001)]).history(0), [(1, 6)]);
    assert_eq!(end_of(&[(&[view(0, 1, 6)], 1000), (&[removal(0, 1, 5)], 1001)]).history(0), [(1, 6)]);
    assert_eq!(end_of(&[(&[view(0, 1, 0)], 1000), (&[removal(0, 1, 0)], 1001)]).history(0), []);
}

#[test]
fn a_removal_from_a_full_history_brings_up_the_next_older_product() {
    let full: (&[Update], Time) =
        (&[view(0, 0, 10), view(0, 1, 11), view(0, 2, 12), view(0, 3, 13), view(0, 4, 14)], 1000);
    assert_eq!(end_of(&[full]).history(0), [(4, 14), (3, 13), (2, 12)]);
    let removed = end_of(&[full, (&[removal(0, 3, 20)], 1001)]);
    assert_eq!(removed.history(0), [(4, 14), (2, 12), (1, 11)]);
    let twice = end_of(&[full, (&[removal(0, 3, 20), view(0, 5, 9), removal(0, 2, 12)], 1001)]);
    assert_eq!(twice.history(0), [(4, 14), (1, 11), (0, 10)]);
    let late = end_of(&[full, (&[removal(0, 4, 20)], 1001), (&[view(0, 4, 15), view(0, 6, 12)], 1002)]);
    assert!(late.history(0).iter().all(|row| row.0 != 4), "a view from before the removal stays hidden");
}

#[test]
fn a_product_moves_with_its_buyers() {
    let sold: (&[Update], Time) = (&[order(0, 0, 1000, 1), line(0, 1, 1), category(1, 0, 1)], 1001);
    let moved = end_of(&[sold, (&[category(1, 0, -1), category(1, 2, 1)], 1002)]);
    assert_eq!((moved.category(0), moved.category(2), moved.general()), (vec![], vec![(1, 1)], vec![(1, 1)]));
    let unknown = end_of(&[sold, (&[category(1, 0, -1)], 1002)]);
    assert_eq!((unknown.category(0), unknown.general()), (vec![], vec![(1, 1)]));
}

#[test]
fn a_product_of_two_categories_is_recommended_once() {
    let end =
        end_of(&[(&[order(0, 0, 1000, 1), line(0, 1, 1), category(1, 0, 1), category(1, 2, 1), view(0, 1, 5)], 1001)]);
    assert_eq!((end.category(0), end.category(2)), (vec![(1, 1)], vec![(1, 1)]));
    assert_eq!(end.recommended(0), (true, vec![1]));
}

#[test]
fn categories_rank_by_products_seen_and_then_by_the_latest_view() {
    let catalogue = [category(0, 0, 1), category(1, 1, 1), category(2, 2, 1), category(3, 0, 1)];
    let sold: Vec<Update> = (0..3).flat_map(|n| [order(n, n, 1000, 1), line(n, n, 1)]).chain(catalogue).collect();
    // Two products of category 0 long ago; of 1 and 2 one each, 2 the more recent.
    let seen = [view(0, 0, 1), view(0, 3, 2), view(0, 2, 9)];
    let (personal, mut products) = end_of(&[(&sold, 1001), (&seen, 1002)]).recommended(0);
    products.sort_unstable();
    assert_eq!((personal, products), (true, vec![0, 2]));
    // With the history full, the view of product 1 pushes product 0 out: all three categories have one product.
    let (_, mut products) = end_of(&[(&sold, 1001), (&seen, 1002), (&[view(0, 1, 10)], 1003)]).recommended(0);
    products.sort_unstable();
    assert_eq!(products, [1, 2]);
}

#[test]
fn more_products_of_a_category_outrank_a_later_view() {
    let catalogue = [category(0, 0, 1), category(3, 0, 1), category(2, 1, 1), category(2, 2, 1)];
    let sold: Vec<Update> =
        [0, 2].iter().flat_map(|&n| [order(n, n, 1000, 1), line(n, n, 1)]).chain(catalogue).collect();
    let (personal, mut products) =
        end_of(&[(&sold, 1001), (&[view(0, 0, 1), view(0, 3, 2), view(0, 2, 9)], 1002)]).recommended(0);
    products.sort_unstable();
    assert_eq!((personal, products), (true, vec![0, 2]));
}

#[test]
fn general_best_sellers_when_there_is_nothing_personal_to_show() {
    let sold: (&[Update], Time) = (&[order(0, 1, 1000, 1), line(0, 1, 1), category(2, 0, 1)], 1001);
    assert_eq!(end_of(&[sold]).recommended(0), (false, vec![1]), "no history");
    assert_eq!(end_of(&[sold, (&[view(0, 5, 1)], 1002)]).recommended(0), (false, vec![1]), "no category");
    assert_eq!(end_of(&[sold, (&[view(0, 2, 1)], 1002)]).recommended(0), (false, vec![1]), "nothing sold in it");
}

#[test]
fn an_order_leaves_and_comes_back_with_its_status() {
    let order = |counts: bool, diff: Diff| Update::Order { order: 0, user: 0, placed: Placed::new(1000, counts), diff };
    let sold: (&[Update], Time) = (&[order(true, 1), line(0, 1, 1), line(0, 2, 1)], 1001);
    let cancelled: (&[Update], Time) = (&[order(true, -1), order(false, 1)], 1002);
    let paid: (&[Update], Time) = (&[order(false, -1), order(true, 1)], 1003);
    assert_eq!(end_of(&[sold]).general().len(), 2);
    assert_eq!(end_of(&[sold, cancelled]).general(), []);
    assert_eq!(end_of(&[sold, cancelled, paid]).general().len(), 2);
    // A line that comes meanwhile counts with the others from then on.
    let more: (&[Update], Time) = (&[line(0, 3, 1), line(0, 1, -1)], 1003);
    assert_eq!(end_of(&[sold, cancelled, more]).general(), []);
    let end = end_of(&[sold, cancelled, more, (paid.0, 1004)]);
    let mut products: Vec<usize> = end.general().into_iter().map(|(product, _)| product).collect();
    products.sort_unstable();
    assert_eq!(products, [2, 3]);
}
