//! Histories with events of all kinds: interactions and purchases of users, given between the updates of another history.

use std::collections::BTreeMap;

use dataflow::ids::{CategoryKey, ProductKey};
use dataflow::rules::{Features, PurchaseSource, Rules};
use dataflow::tables::Interaction;
use dataflow::time::{Millis, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::given::{Domain, Handed, History, Update};

/// The features of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Did {
    pub(crate) last: Option<Millis>,
    /// Views, clicks, additions to the cart, time on pages, views with such a time, orders.
    pub(crate) products: BTreeMap<ProductKey, [u64; 6]>,
    /// Views and orders.
    pub(crate) categories: BTreeMap<CategoryKey, [u64; 2]>,
}

/// The histories with interactions in some of their ticks, and features on or off.
pub(crate) fn with_interactions(histories: impl Strategy<Value = History>) -> impl Strategy<Value = History> {
    let given = (any::<Index>(), any::<u8>(), any::<Index>(), any::<Index>(), 0..20u64, interaction());
    let bought = (any::<Index>(), any::<u8>(), any::<[Index; 3]>(), any::<Index>(), 0..3u64);
    let from = prop_oneof![Just(PurchaseSource::Orders), Just(PurchaseSource::Events), Just(PurchaseSource::Both)];
    let interactions = (vec(given, 0..60), vec(bought, 0..30));
    (histories, prop::bool::weighted(0.8), from, interactions).prop_map(
        |(mut history, enabled, purchases, (interactions, bought))| {
            history.rules = Rules { features: Features { enabled }, purchases, ..history.rules };
            let Domain { users, products, orders, .. } = history.domain;
            let ends: Vec<Time> = history.ticks.iter().map(|tick| tick.as_of()).collect();
            for (tick, hand, ids, leaves, around) in bought {
                let [order, user, product] =
                    [(ids[0], orders), (ids[1], users), (ids[2], products)].map(|(id, of)| id.index(of));
                let tick = tick.index(ends.len());
                // It leaves the window around the end of some tick.
                let at = (leaves.get(&ends) + around).saturating_sub(1 + history.rules.window_ms).min(ends[tick]);
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
            history
        },
    )
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
