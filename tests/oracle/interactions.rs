//! Histories with events of all kinds: interactions and purchases of users, given between the updates of another history.

use std::collections::BTreeMap;

use dataflow::ids::{CategoryKey, ProductKey, UserKey};
use dataflow::rules::{DAY_MS, Features, KeyNames, PurchaseSource, Rules};
use dataflow::tables::Interaction;
use dataflow::time::{Millis, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::given::{Domain, Handed, History, METADATA, Update, metadata_value};

/// The features of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Did {
    pub(crate) last: Option<Millis>,
    /// Views, clicks, additions to the cart, time on pages, views with such a time, orders.
    pub(crate) products: BTreeMap<ProductKey, [u64; 6]>,
    /// Views and orders.
    pub(crate) categories: BTreeMap<CategoryKey, [u64; 2]>,
    /// Events with each key and value of metadata.
    pub(crate) metadata: BTreeMap<String, u64>,
}

impl Did {
    /// Counts an interaction.
    pub(crate) fn count(&mut self, product: ProductKey, interaction: Interaction, at: Millis) {
        self.last = self.last.max(Some(at));
        if product == ProductKey::NONE {
            return;
        }
        let numbers = self.products.entry(product).or_default();
        match interaction {
            Interaction::View { time_on_page_ms } => {
                numbers[0] += 1;
                numbers[3] += time_on_page_ms.unwrap_or(0).min(1_800_000);
                numbers[4] += u64::from(time_on_page_ms.is_some());
            }
            Interaction::Click => numbers[1] += 1,
            Interaction::AddToCart => numbers[2] += 1,
            Interaction::Other => {}
        }
    }
}

/// The histories with interactions in some of their ticks, and features on or off.
pub(crate) fn with_interactions(histories: impl Strategy<Value = History>) -> impl Strategy<Value = History> {
    let given = (any::<Index>(), any::<u8>(), any::<Index>(), any::<Index>(), late(), interaction());
    let bought = (any::<Index>(), any::<u8>(), any::<[Index; 3]>(), any::<Index>(), 0..3u64);
    let from = prop_oneof![Just(PurchaseSource::Orders), Just(PurchaseSource::Events), Just(PurchaseSource::Both)];
    let visited = (any::<Index>(), any::<u8>(), any::<[Index; 2]>(), 0..2usize, 0..20u64, recorded());
    // No more values than are held even if one is shown: which are shown is then exact, however late events come.
    let stated = (any::<Index>(), any::<u8>(), any::<Index>(), 0..METADATA.len(), 0..4usize, late());
    let interactions = (vec(given, 0..60), vec(bought, 0..30), vec(visited, 0..40), (vec(stated, 0..60), 1..5usize));
    let lasting = (prop_oneof![1 => Just(0), 1 => 1..4u64], vec((any::<Index>(), 0..5u64, 0..3u64), 0..4));
    (histories, prop::bool::weighted(0.8), from, interactions, lasting).prop_map(
        |(mut history, enabled, purchases, (interactions, bought, visited, (stated, values_max)), (days, pauses))| {
            let features = Features { enabled, days, metadata: KeyNames::of(&METADATA), values_max, ..Features::OFF };
            history.rules = Rules { features, purchases, ..history.rules };
            // Co-views have too many periods in a day.
            let has_pauses = days > 0 && !history.rules.co_views.enabled;
            for (tick, days, ms) in pauses.into_iter().filter(|_| has_pauses) {
                let tick = tick.index(history.ticks.len());
                history.ticks[tick..].iter_mut().for_each(|tick| tick.next += days * DAY_MS + ms);
            }
            let Domain { users, products, orders, .. } = history.domain;
            let ends: Vec<Time> = history.ticks.iter().map(|tick| tick.as_of()).collect();
            for (tick, hand, ids, leaves, around) in bought {
                let [order, user, product] =
                    [(ids[0], orders), (ids[1], users), (ids[2], products)].map(|(id, of)| id.index(of));
                let tick = tick.index(ends.len());
                // It leaves the window, or is kept no longer, around the end of some tick.
                let lasts = if has_pauses { days * DAY_MS } else { history.rules.window_ms };
                let at = (leaves.get(&ends) + around).saturating_sub(1 + lasts).min(ends[tick]);
                let update = Update::EventPurchase { order, user, product, at };
                history.ticks[tick].given.push(Handed { hand: usize::from(hand), update });
            }
            for (tick, hand, user, product, late, interaction) in interactions {
                let ticks = history.ticks.len();
                let tick = &mut history.ticks[tick.index(ticks)];
                // The last of the products stands for none.
                let product = Some(product.index(products + 1)).filter(|product| *product < products);
                let (user, at) = (user.index(users), tick.as_of().saturating_sub(late));
                let update = Update::Interaction { user, product, interaction, at };
                tick.given.push(Handed { hand: usize::from(hand), update });
            }
            for (tick, hand, user, key, value, late) in stated {
                let ticks = history.ticks.len();
                let tick = &mut history.ticks[tick.index(ticks)];
                let (user, at) = (user.index(users), tick.as_of().saturating_sub(late).max(1));
                let update = Update::Metadata { user, key, value, at };
                tick.given.push(Handed { hand: usize::from(hand), update });
            }
            for (tick, hand, [user, page], session, late, recorded) in visited {
                let ticks = history.ticks.len();
                let tick = &mut history.ticks[tick.index(ticks)];
                let page = Some(page.index(products + 1)).filter(|page| *page < products);
                let (user, at) = (user.index(users), tick.as_of().saturating_sub(late));
                let mut give = |update| tick.given.push(Handed { hand: usize::from(hand), update });
                // A page that is opened is a view.
                let interaction = page.map_or(Interaction::Other, |_| Interaction::View { time_on_page_ms: None });
                give(Update::Interaction { user, product: page, interaction, at });
                give(Update::Session { user, session, page, at, recorded: at + recorded });
            }
            history
        },
    )
}

/// An event of a session: user, session, time, time of the record, and the product whose page was opened.
pub(crate) type Visit = (UserKey, usize, Millis, Millis, ProductKey);

/// Adds the times from the views of one user to the next events of their sessions, if their records are at most an hour later, and
/// `counts` says so, given the page of the view, its time, and the time of the next event.
pub(crate) fn add_gaps<'a>(
    visits: impl Iterator<Item = &'a Visit>,
    counts: impl Fn(ProductKey, Millis, Millis) -> bool,
    did: &mut Did,
) {
    let mut visits: Vec<&Visit> = visits.collect();
    visits.sort_by_key(|(_, session, at, recorded, page)| (session, at, recorded, page));
    for pair in visits.windows(2) {
        let ((_, session, at, recorded, page), (_, next_session, next, next_recorded, _)) = (pair[0], pair[1]);
        let is_held = session == next_session && *next_recorded <= recorded + 3_600_000;
        if is_held && *page != ProductKey::NONE && counts(*page, *at, *next) {
            let numbers = did.products.entry(*page).or_default();
            numbers[3] += (next - at).min(1_800_000);
            numbers[4] += 1;
        }
    }
}

/// A user, a key of metadata, a value under it, and the time of an event with both.
pub(crate) type Stated = (UserKey, usize, usize, Millis);

/// Counts the values of one user's events, each with its key and its time: of each key those that came first, at most `most` of
/// them, and the others together.
pub(crate) fn add_metadata(stated: &[(usize, usize, Millis)], most: usize, did: &mut Did) {
    for (number, key) in METADATA.iter().enumerate() {
        let own = || stated.iter().filter(|(of, ..)| *of == number);
        let mut first: BTreeMap<String, Millis> = BTreeMap::new();
        for (_, value, at) in own() {
            let known = first.entry(metadata_value(*value)).or_insert(*at);
            *known = (*at).min(*known);
        }
        let mut order: Vec<(Millis, String)> = first.into_iter().map(|(value, at)| (at, value)).collect();
        order.sort();
        order.truncate(most);
        for (_, value, _) in own() {
            let value = metadata_value(*value);
            let is_shown = order.iter().any(|(_, shown)| *shown == value);
            *did.metadata.entry(format!("{key}={}", if is_shown { &value } else { "other" })).or_default() += 1;
        }
    }
}

/// How long before the end of its tick an event was: mostly a few milliseconds, sometimes days.
fn late() -> impl Strategy<Value = Time> {
    prop_oneof![6 => 0..20u64, 1 => (0..5u64, 0..20u64).prop_map(|(days, ms)| days * DAY_MS + ms)]
}

/// How long after an event its record is: two of them are often about an hour apart.
fn recorded() -> impl Strategy<Value = Time> {
    prop_oneof![3 => 0..3u64, 1 => 3_599_990..3_600_020u64]
}

fn interaction() -> impl Strategy<Value = Interaction> {
    let time = prop_oneof![Just(None), (0..100u64).prop_map(Some), Just(Some(1_800_000)), Just(Some(u64::MAX))];
    prop_oneof![
        3 => time.prop_map(|time_on_page_ms| Interaction::View { time_on_page_ms }),
        1 => Just(Interaction::Click),
        1 => Just(Interaction::AddToCart),
        1 => Just(Interaction::Other),
    ]
}
