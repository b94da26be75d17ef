//! Attribution of events, compared with a plain recomputation over random histories.

use std::sync::atomic::{AtomicU64, Ordering};

use dataflow::dictionary::Dictionary;
use dataflow::ids::{Ids, OrderKey};
use harness::Dice;

use super::*;

const HIT_MAX: Millis = 1000;
const CONVERSION_MAX: Millis = 5000;

#[derive(Default)]
struct Clock(AtomicU64);

impl ServiceClock for Clock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::Relaxed)
    }
}

/// A shop of a few users and products.
struct Small {
    clock: Arc<Clock>,
    online: Online,
    users: Vec<UserKey>,
    products: Vec<ProductKey>,
    orders: Vec<OrderKey>,
}

fn small(answers_max: usize) -> Small {
    let dictionary = Dictionary::new(Ids::new([7; 16]));
    let settings = OnlineSettings {
        enabled: true,
        answers_max,
        hit_max: std::time::Duration::from_millis(HIT_MAX),
        conversion_max: std::time::Duration::from_millis(CONVERSION_MAX),
    };
    let clock = Arc::new(Clock::default());
    Small {
        online: Online::new(settings, clock.clone()),
        clock,
        users: (0..5).map(|number| dictionary.user(&format!("user-{number}"))).collect(),
        products: (0..8).map(|number| dictionary.product(&format!("product-{number}")).unwrap()).collect(),
        orders: (0..40).map(|number| dictionary.order(&format!("order-{number}"))).collect(),
    }
}

/// An answer of the plain recomputation.
struct PlainAnswer {
    id: String,
    user: Option<usize>,
    at: Millis,
    variant: Variant,
    rows: Vec<(usize, SourceName)>,
    hits: Vec<usize>,
    conversions: Vec<usize>,
}

/// Counts of products and answers, by variant and source.
type Totals = Vec<(Variant, SourceName, [u64; 3])>;

/// The answers of each variant: shown, hit, converted. `of_users`: only those for a user.
fn answers_of(answers: &[PlainAnswer], of_users: bool) -> Vec<[u64; 3]> {
    let of = |variant| {
        let all = || answers.iter().filter(|answer| answer.variant == variant && (!of_users || answer.user.is_some()));
        let hit = all().filter(|answer| !answer.hits.is_empty()).count();
        let converted = all().filter(|answer| !answer.conversions.is_empty()).count();
        [all().count() as u64, hit as u64, converted as u64]
    };
    Variant::ALL.map(of).to_vec()
}

fn totals(answers: &[PlainAnswer]) -> (Totals, Vec<[u64; 3]>) {
    let mut sources: Totals = Vec::new();
    for answer in answers {
        for (product, source) in &answer.rows {
            let key = (answer.variant, *source);
            let at = sources.iter().position(|row| (row.0, row.1) == key).unwrap_or_else(|| {
                sources.push((key.0, key.1, [0; 3]));
                sources.len() - 1
            });
            let counts = &mut sources[at].2;
            counts[0] += 1;
            counts[1] += u64::from(answer.hits.contains(product));
            counts[2] += u64::from(answer.conversions.contains(product));
        }
    }
    sources.sort_unstable_by_key(|row| (row.0, row.1 as u8));
    (sources, answers_of(answers, false))
}

/// What a user did with a product.
struct PlainEvent {
    user: usize,
    product: usize,
    is_purchase: bool,
    at: Millis,
    /// The order of a purchase, if it is known.
    order: Option<usize>,
    /// The answer that the event names.
    named: Option<String>,
}

/// Marks the product in the answer to which an event is attributed, if there is one. `bought`: the products of orders that
/// were attributed before, of which the last `remembered` are known.
fn attribute(kept: &mut [PlainAnswer], event: &PlainEvent, bought: &mut Vec<(usize, usize)>, remembered: usize) {
    let &PlainEvent { user, product, is_purchase, at, .. } = event;
    let purchase = event.order.map(|order| (order, product));
    if purchase.is_some_and(|purchase| bought.iter().rev().take(remembered).any(|known| *known == purchase)) {
        return;
    }
    let longest = if is_purchase { CONVERSION_MAX } else { HIT_MAX };
    let has = |answer: &PlainAnswer| answer.rows.iter().any(|(row, _)| *row == product);
    let is_named = |answer: &PlainAnswer| {
        event.named.as_ref() == Some(&answer.id) && answer.user.is_none_or(|own| own == user) && has(answer)
    };
    let by_name = kept.iter().position(is_named);
    let by_user = || {
        kept.iter().rposition(|answer| {
            answer.user == Some(user) && answer.at <= at && at <= answer.at + longest && has(answer)
        })
    };
    let Some(found) = by_name.or_else(by_user) else { return };
    let answer = &mut kept[found];
    let marks = if is_purchase { &mut answer.conversions } else { &mut answer.hits };
    if at < answer.at || at > answer.at + longest {
        return;
    }
    bought.extend(purchase);
    if !marks.contains(&product) {
        marks.push(product);
    }
}

#[test]
fn events_are_attributed_as_a_plain_recomputation_does() {
    for round in 0..30_u64 {
        let mut dice = Dice::new(round);
        let (remembered, sources) = (12, [SourceName::CoViews, SourceName::Content, SourceName::BestSellers]);
        let shop = small(remembered);
        let (mut answers, mut bought): (Vec<PlainAnswer>, _) = (Vec::new(), Vec::new());
        let mut now = 1_000_000;
        for step in 0..400 {
            now += dice.below(400_u64);
            shop.clock.0.store(now, Ordering::Relaxed);
            if dice.below(3) == 0 {
                let user = (dice.below(4) > 0).then(|| dice.below(5));
                let mut left: Vec<usize> = (0..8).collect();
                let rows: Vec<(usize, SourceName)> = (0..1 + dice.below(3))
                    .map(|_| (left.swap_remove(dice.below(left.len())), sources[dice.below(3)]))
                    .collect();
                let variant = Variant::ALL[dice.below(2)];
                let id = format!("answer-{step:015}");
                let shown: Vec<ShownRow> = rows
                    .iter()
                    .map(|(product, source)| ShownRow { product: shop.products[*product], source: *source, model: 0 })
                    .collect();
                let user_key = user.map(|user| shop.users[user]);
                shop.online.shown(&Answered { id: &id, user: user_key, variant, rows: &shown });
                answers.push(PlainAnswer { id, user, at: now, variant, rows, hits: vec![], conversions: vec![] });
                continue;
            }
            let (user, product, is_purchase) = (dice.below(5), dice.below(8), dice.below(3) == 0);
            let named =
                (dice.below(3) == 0 && !answers.is_empty()).then(|| answers[dice.below(answers.len())].id.clone());
            let order = (is_purchase && dice.below(3) > 0).then(|| dice.below(40));
            // Events may come late.
            let at = now - dice.below(300_u64);
            let signal = if is_purchase { Signal::Purchase } else { Signal::Interest };
            let products = [shop.products[product]];
            shop.online.read(&ReadEvent {
                user: shop.users[user],
                products: &products,
                signal,
                at,
                order: order.map(|order| shop.orders[order]),
                answer: named.as_deref(),
                device: None,
            });
            let from = answers.len().saturating_sub(remembered);
            let event = PlainEvent { user, product, is_purchase, at, order, named };
            attribute(&mut answers[from..], &event, &mut bought, remembered);
        }
        let status = shop.online.status(|_| None);
        let (sources, variants) = totals(&answers);
        let found: Totals = status
            .sources
            .iter()
            .map(|row| (row.variant, row.source, [row.shown, row.hits, row.conversions]))
            .collect();
        assert_eq!(found, sources, "round {round}");
        let found: Vec<[u64; 3]> = status.variants.iter().map(|row| [row.answers, row.hit, row.converted]).collect();
        assert_eq!(found, variants, "round {round}");
        let compared = Variant::ALL.map(|variant| {
            let counted = shop.online.counting().counts.of_users(variant);
            [counted.answers, counted.answers_hit, counted.answers_converted]
        });
        assert_eq!(compared.to_vec(), answers_of(&answers, true), "round {round}");
        assert!(variants.iter().all(|counts| counts[1] > 0 && counts[2] > 0), "the round says something");
    }
}

#[test]
fn the_first_twenty_products_of_an_answer_count() {
    let dictionary = Dictionary::new(Ids::new([7; 16]));
    let products: Vec<_> = (0..25).map(|number| dictionary.product(&format!("lamp-{number}")).unwrap()).collect();
    let rows: Vec<_> =
        products.iter().map(|product| ShownRow { product: *product, source: SourceName::CoViews, model: 0 }).collect();
    let (shop, user) = (small(9), dictionary.user("ada"));
    let id = "answer-000000000000000";
    shop.online.shown(&Answered { id, user: Some(user), variant: Variant::A, rows: &rows });
    let (signal, products) = (Signal::Interest, &products);
    shop.online.read(&ReadEvent { user, products, signal, at: 1, order: None, answer: None, device: None });
    let status = shop.online.status(|_| None);
    assert_eq!((status.sources[0].shown, status.sources[0].hits), (20, 20));
}

#[test]
fn memory_is_bounded_by_the_newest_answers() {
    let shop = small(3);
    for number in 0..1000 {
        let rows = [ShownRow { product: shop.products[number % 8], source: SourceName::CoViews, model: 0 }];
        let id = format!("answer-{number:015}");
        let user = Some(shop.users[number % 5]);
        shop.online.shown(&Answered { id: &id, user, variant: Variant::A, rows: &rows });
        let order = Some(shop.orders[number % 40]);
        let (user, products) = (shop.users[number % 5], [shop.products[number % 8]]);
        let signal = Signal::Purchase;
        shop.online.read(&ReadEvent { user, products: &products, signal, at: 0, order, answer: None, device: None });
        let counting = shop.online.counting();
        assert!(counting.shown.size().iter().all(|size| *size <= 3), "{:?}", counting.shown.size());
        assert_eq!(counting.bought.len(), 3.min(number + 1));
    }
}

#[test]
fn an_order_that_an_event_and_a_table_state_counts_once() {
    let shop = small(9);
    let rows = [ShownRow { product: shop.products[0], source: SourceName::CoViews, model: 0 }];
    let ids = ["answer-000000000000000", "answer-000000000000001"];
    for (id, at) in ids.into_iter().zip([100, 200]) {
        shop.clock.0.store(at, Ordering::Relaxed);
        shop.online.shown(&Answered { id, user: Some(shop.users[0]), variant: Variant::A, rows: &rows });
    }
    let conversions = |order: OrderKey, at: Millis, answer: Option<&str>| {
        let (user, products, order) = (shop.users[0], [shop.products[0]], Some(order));
        let signal = Signal::Purchase;
        shop.online.read(&ReadEvent { user, products: &products, signal, at, order, answer, device: None });
        let status = shop.online.status(|_| None);
        (status.sources[0].conversions, status.variants[0].converted)
    };
    let orders = &shop.orders;
    assert_eq!(conversions(orders[1], 300, Some(ids[0])), (1, 1), "the event names the older answer");
    assert_eq!(conversions(orders[1], 301, None), (1, 1), "the table has the same order");
    let of_file = orders[1].of_lines(Ids::new([0; 16]).row([&b"ada"[..]]));
    assert_eq!(conversions(of_file, 301, None), (1, 1), "the file has lines of the same order");
    assert_eq!(conversions(orders[2], 302, None), (2, 2), "another order belongs to the newest answer");
    assert_eq!(conversions(orders[3], 303, None), (2, 2), "a product of an answer counts once");
}

#[test]
fn nobody_waits_while_the_stability_is_computed() {
    let shop = small(9);
    let products = [shop.products[0]];
    let event = |at| ReadEvent {
        user: shop.users[0],
        products: &products,
        signal: Signal::Interest,
        at,
        order: None,
        answer: None,
        device: None,
    };
    let days = [1, 2, 8, 9].map(|day| day * 24 * 60 * 60 * 1000);
    days.iter().for_each(|at| (0..600).for_each(|_| shop.online.read(&event(*at))));
    shop.clock.0.store(days[3], Ordering::Relaxed);
    let asked = std::cell::Cell::new(0);
    let status = shop.online.status(|_| {
        // While categories are looked up, answers are shown and events are read.
        shop.online.shown(&Answered { id: "", user: None, variant: Variant::A, rows: &[] });
        shop.online.read(&event(days[3]));
        asked.set(asked.get() + 1);
        Some(1)
    });
    assert_eq!((asked.get(), status.variants[0].answers), (4, 4), "each day has one product");
    assert_eq!((status.stability.product, status.stability.category), (Some(0.0), Some(0.0)));
    shop.online.status(|_| panic!("it is not computed again within ten minutes"));
}

#[test]
fn an_erased_user_is_forgotten_and_counts_stay() {
    let shop = small(9);
    let rows = [ShownRow { product: shop.products[0], source: SourceName::CoViews, model: 0 }];
    for (number, user) in [0, 1, 0].into_iter().enumerate() {
        let (id, user) = (format!("answer-{number:015}"), Some(shop.users[user]));
        shop.online.shown(&Answered { id: &id, user, variant: Variant::A, rows: &rows });
    }
    shop.online.erased(shop.users[0]);
    let products = [shop.products[0]];
    for user in [0, 1] {
        for answer in [None, Some("answer-000000000000000"), Some("answer-000000000000002")] {
            let (user, signal) = (shop.users[user], Signal::Interest);
            shop.online.read(&ReadEvent {
                user,
                products: &products,
                signal,
                at: 1,
                order: None,
                answer,
                device: None,
            });
        }
    }
    let status = shop.online.status(|_| None);
    assert_eq!((status.sources[0].shown, status.sources[0].hits), (3, 1), "only the other user's answer was hit");
}

#[test]
fn the_test_of_the_variants_needs_enough_answers_and_then_shows_a_difference() {
    let shop = small(10);
    let show = |number: usize, user: Option<UserKey>, variant: Variant, is_hit: bool| {
        let rows = [ShownRow { product: shop.products[0], source: SourceName::CoViews, model: 0 }];
        let id = format!("answer-{number:015}");
        shop.online.shown(&Answered { id: &id, user, variant, rows: &rows });
        if is_hit {
            let (user, products) = (shop.users[0], [shop.products[0]]);
            let answer = Some(id.as_str());
            let signal = Signal::Interest;
            let event = ReadEvent { user, products: &products, signal, at: 0, order: None, answer, device: None };
            shop.online.read(&event);
        }
    };
    let known = |number: usize, is_hit| show(number, Some(shop.users[0]), Variant::ALL[number % 2], is_hit);
    // Similar products and the lists of visitors: all in variant A, never hit and always hit.
    (0..2000).for_each(|number| show(number, None, Variant::A, false));
    (0..50).for_each(|number| known(number, false));
    assert_eq!(shop.online.status(|_| None).test, None);
    (50..2050).for_each(|number| known(number, number % 2 == 1 && number % 3 == 0));
    (2050..9000).for_each(|number| show(number, None, Variant::A, true));
    let test = shop.online.status(|_| None).test.expect("there are enough answers");
    assert!(test.is_decided && test.p_value < 0.001 && test.bounds.0 > 0.2 && test.bounds.1 < 0.45, "{test:?}");
    assert!((test.difference - 0.325).abs() < 0.02, "{test:?}");
}
