//! Histories with events of all kinds: deeds of users, given between the updates of another history.

use dataflow::rules::{Features, Rules};
use dataflow::tables::Deed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::given::{Domain, Handed, History, Update};

/// The histories with deeds in some of their ticks, and features on or off.
pub(crate) fn with_deeds(histories: impl Strategy<Value = History>) -> impl Strategy<Value = History> {
    let given = (any::<Index>(), any::<u8>(), any::<Index>(), any::<Index>(), 0..20u64, deed());
    (histories, prop::bool::weighted(0.8), vec(given, 0..60)).prop_map(|(mut history, enabled, deeds)| {
        history.rules = Rules { features: Features { enabled }, ..history.rules };
        let Domain { users, products, .. } = history.domain;
        for (tick, hand, user, product, late, deed) in deeds {
            let ticks = history.ticks.len();
            let tick = &mut history.ticks[tick.index(ticks)];
            // The last of the products stands for none.
            let product = Some(product.index(products + 1)).filter(|product| *product < products);
            let (user, at) = (user.index(users), tick.as_of().saturating_sub(late));
            let update = Update::Interaction { user, product, deed, at };
            tick.given.push(Handed { hand: usize::from(hand), update });
        }
        history
    })
}

fn deed() -> impl Strategy<Value = Deed> {
    let time = prop_oneof![Just(None), (0..100u64).prop_map(Some), Just(Some(1_800_000)), Just(Some(u64::MAX))];
    prop_oneof![
        3 => time.prop_map(|time_on_page_ms| Deed::View { time_on_page_ms }),
        1 => Just(Deed::Click),
        1 => Just(Deed::AddToCart),
        1 => Just(Deed::Other),
    ]
}
