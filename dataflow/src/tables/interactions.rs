//! Interactions: how often and when each user did something with each product.

use differential_dataflow::difference::{IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};

use super::{ColumnReader, ColumnWriter, Columns, Table};
use crate::ids::{ProductKey, UserKey};
use crate::time::Millis;

/// The table of interactions. Key: user. Value: product, or [`ProductKey::NONE`] for events without a product.
/// Difference: the [`Activity`]. It has rows only while features are on.
pub struct Interactions;

impl Table for Interactions {
    const NAME: &'static str = "interactions";
    const NUMBER: u8 = 8;
    type Key = UserKey;
    type Value = ProductKey;
    type Diff = Activity;
    type Row = (UserKey, ProductKey);

    fn route(user: &UserKey) -> u64 {
        user.route()
    }
}

/// The longest time on a page that counts, in milliseconds: a page that stays open overnight was not read all night.
pub const TIME_ON_PAGE_MS_MAX: u64 = 30 * 60 * 1000;

/// What a user did in one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interaction {
    /// Looked at a product.
    View {
        /// The time on the page; [`TIME_ON_PAGE_MS_MAX`] counts in place of a longer time.
        time_on_page_ms: Option<u64>,
    },
    /// Clicked on a product.
    Click,
    /// Put a product into the cart.
    AddToCart,
    /// Anything else: it counts as a sign of life only.
    Other,
}

/// The events of a user and a product: the time of the latest by maximum, the numbers by sum. The order in which events
/// are added does not matter. Numbers stop at their largest value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Activity {
    last_at: Millis,
    time_on_page_ms: u64,
    views: u32,
    timed_views: u32,
    clicks: u32,
    carts: u32,
}

impl Activity {
    /// One event at `at`.
    #[must_use]
    pub fn of(interaction: Interaction, at: Millis) -> Self {
        let mut activity = Activity { last_at: at, ..Activity::default() };
        match interaction {
            Interaction::View { time_on_page_ms } => {
                activity.views = 1;
                activity.timed_views = u32::from(time_on_page_ms.is_some());
                activity.time_on_page_ms = time_on_page_ms.unwrap_or(0).min(TIME_ON_PAGE_MS_MAX);
            }
            Interaction::Click => activity.clicks = 1,
            Interaction::AddToCart => activity.carts = 1,
            Interaction::Other => {}
        }
        activity
    }

    /// Adds events.
    pub fn add(&mut self, other: Activity) {
        self.last_at = self.last_at.max(other.last_at);
        self.time_on_page_ms = self.time_on_page_ms.saturating_add(other.time_on_page_ms);
        self.views = self.views.saturating_add(other.views);
        self.timed_views = self.timed_views.saturating_add(other.timed_views);
        self.clicks = self.clicks.saturating_add(other.clicks);
        self.carts = self.carts.saturating_add(other.carts);
    }

    /// The time of the latest event; none if there is no event.
    #[must_use]
    pub fn last_at(self) -> Option<Millis> {
        (self.last_at > 0).then_some(self.last_at)
    }

    /// The number of views.
    #[must_use]
    pub fn views(self) -> u64 {
        self.views.into()
    }

    /// The number of clicks.
    #[must_use]
    pub fn clicks(self) -> u64 {
        self.clicks.into()
    }

    /// How often the product was put into the cart.
    #[must_use]
    pub fn carts(self) -> u64 {
        self.carts.into()
    }

    /// The time on the page of all views whose time is known, in milliseconds, and the number of these views.
    #[must_use]
    pub fn time_on_page(self) -> (u64, u64) {
        (self.time_on_page_ms, self.timed_views.into())
    }
}

impl IsZero for Activity {
    fn is_zero(&self) -> bool {
        *self == Activity::default()
    }
}

impl Semigroup for Activity {
    fn plus_equals(&mut self, other: &Self) {
        self.add(*other);
    }
}

impl Monoid for Activity {
    fn zero() -> Self {
        Activity::default()
    }
}

impl Columns for Activity {
    const WIDTH: usize = 6;

    fn write(&self, to: &mut impl ColumnWriter) {
        to.write(&self.last_at);
        to.write(&self.time_on_page_ms);
        to.write(&self.views);
        to.write(&self.timed_views);
        to.write(&self.clicks);
        to.write(&self.carts);
    }

    fn read<R: ColumnReader>(from: &mut R) -> Result<Self, R::Error> {
        Ok(Activity {
            last_at: from.read()?,
            time_on_page_ms: from.read()?,
            views: from.read()?,
            timed_views: from.read()?,
            clicks: from.read()?,
            carts: from.read()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(events: &[(Interaction, Millis)]) -> Activity {
        let mut sum = Activity::zero();
        events.iter().for_each(|(interaction, at)| sum.plus_equals(&Activity::of(*interaction, *at)));
        sum
    }

    #[test]
    fn events_add_up_in_any_order() {
        let view = |time_on_page_ms| Interaction::View { time_on_page_ms };
        let events = [
            (view(Some(300)), 5),
            (Interaction::Click, 9),
            (view(None), 7),
            (Interaction::AddToCart, 2),
            (view(Some(u64::MAX)), 1),
        ];
        let mut reversed = events;
        reversed.reverse();
        let all = sum(&events);
        assert_eq!(all, sum(&reversed));
        assert_eq!((all.views(), all.clicks(), all.carts(), all.last_at()), (3, 1, 1, Some(9)));
        assert_eq!(all.time_on_page(), (300 + TIME_ON_PAGE_MS_MAX, 2));
        assert_eq!(sum(&[(Interaction::Other, 4)]).last_at(), Some(4));
        assert!(Activity::zero().is_zero() && Activity::zero().last_at().is_none() && !all.is_zero());
    }

    #[test]
    fn numbers_stop_at_their_largest_value() {
        let mut many = Activity { views: u32::MAX - 1, ..Activity::default() };
        (0..3).for_each(|_| many.plus_equals(&Activity::of(Interaction::View { time_on_page_ms: None }, 1)));
        assert_eq!(many.views(), u64::from(u32::MAX));
    }
}
