//! Where purchases are counted from, and how long they are kept.

use super::{AHEAD_MS, DAY_MS, KeyNames, Rules};
use crate::time::{Millis, Time};

settings::choice! {
    /// Where purchases are counted from.
    pub enum PurchaseSource {
        /// The tables of orders and their lines.
        Orders = "orders",
        /// Purchase events.
        Events = "events",
        /// Both; a purchase event whose order is in the table counts as the table says.
        Both = "both",
    }
}

/// Which events change rows, beside views and removals. It is large and read for every event, so it is passed by reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventUse {
    /// Events of all kinds, because features are kept.
    pub features: bool,
    /// Purchases, because they count.
    pub purchases: bool,
    /// Whether repeats of events are recognised.
    pub identities: bool,
    /// The keys of metadata whose values are counted.
    pub metadata: KeyNames,
}

/// How much longer than they count the tables have orders if purchase events count too. An event may be dated later than its
/// order, and must not count for an order that has left the tables before the event.
const HELD_FOR_EVENTS_MS: Millis = 7 * DAY_MS;

impl Rules {
    /// Whether purchases are counted beside the window: by features and "buy again".
    #[must_use]
    pub fn counts_older_purchases(&self) -> bool {
        self.features.enabled || self.buy_again.enabled
    }

    /// How long an order or a purchase event is kept from its time on: as long as best sellers count it and, if older
    /// purchases are counted, for `features.days`.
    #[must_use]
    pub fn orders_kept_ms(&self) -> Millis {
        match self.features.days {
            _ if !self.counts_older_purchases() => self.window_ms,
            0 => Millis::MAX,
            days => self.window_ms.max(days * DAY_MS),
        }
    }

    /// How long sources have an order in the tables from its time on: as long as it is kept, and a week more if purchase events count
    /// too.
    #[must_use]
    pub fn orders_held_ms(&self) -> Millis {
        let more = if self.purchases == PurchaseSource::Both { HELD_FOR_EVENTS_MS } else { 0 };
        self.orders_kept_ms().saturating_add(more)
    }

    /// Whether an order of this time is still kept as of a time. Sources take it out of the tables up to a day later.
    #[must_use]
    pub fn keeps_order(&self, created_at: Millis, as_of: Time) -> bool {
        created_at.saturating_add(self.orders_kept_ms()) > as_of
    }

    /// Whether the time of an order has come as of a time.
    #[must_use]
    pub fn order_has_come(created_at: Millis, as_of: Time) -> bool {
        created_at <= as_of.saturating_add(AHEAD_MS)
    }

    /// Whether an order of this time counts as of a time: it is kept, and not dated ahead.
    #[must_use]
    pub fn counts_order(&self, created_at: Millis, as_of: Time) -> bool {
        self.keeps_order(created_at, as_of) && Rules::order_has_come(created_at, as_of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{BuyAgain, Features};

    #[test]
    fn orders_are_kept_for_the_longest_of_what_counts_them() {
        let on = |days| Features { enabled: true, days, ..Features::OFF };
        let buy_again = BuyAgain { enabled: true };
        let kept = |rules: Rules| rules.orders_kept_ms();
        let lists =
            Rules { window_ms: 30 * DAY_MS, features: Features { enabled: false, ..on(365) }, ..Rules::default() };
        assert_eq!(kept(lists), 30 * DAY_MS);
        assert_eq!(kept(Rules { buy_again, ..lists }), 365 * DAY_MS);
        assert_eq!(kept(Rules { features: on(90), ..lists }), 90 * DAY_MS);
        assert_eq!(kept(Rules { features: on(7), ..lists }), 30 * DAY_MS, "best sellers count it");
        let ever = Rules { features: on(0), ..lists };
        assert_eq!((kept(ever), ever.counts_order(1, Time::MAX - 1)), (Millis::MAX, true));
        let year = Rules { features: on(365), ..lists };
        assert_eq!([364, 365].map(|days| year.counts_order(DAY_MS, days * DAY_MS + DAY_MS)), [true, false]);
        let both = Rules { purchases: PurchaseSource::Both, ..lists };
        assert_eq!([lists, both].map(|rules| rules.orders_held_ms()), [30 * DAY_MS, 37 * DAY_MS]);
    }

    #[test]
    fn an_order_dated_ahead_counts_when_its_time_comes() {
        let rules = Rules::default();
        let counts = |created_at| rules.counts_order(created_at, 2 * DAY_MS);
        assert_eq!([2 * DAY_MS + AHEAD_MS, 2 * DAY_MS + AHEAD_MS + 1, Millis::MAX].map(counts), [true, false, false]);
    }
}
