//! Interactions: how often and when each user did something with each product.

mod packed;

use std::cmp::Ordering;

use differential_dataflow::difference::{IsZero, Monoid, Semigroup};
use serde::{Deserialize, Serialize};

use super::{ColumnReader, ColumnWriter, Columns, Table};
use crate::ids::{ProductKey, UserKey};
use crate::rules::{Day, Rules, day_of};
use crate::time::Millis;
use crate::trace::arranged::{EraseRule, RetainRule, UserRows};

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

    const OF_FEATURES: bool = true;

    const COMBINES: bool = false;

    fn route(user: &UserKey) -> u64 {
        user.route()
    }

    fn products(_: &UserKey, product: &ProductKey, _: &Activity) -> [Option<ProductKey>; 2] {
        [Some(*product), None]
    }

    fn erasure() -> Option<EraseRule<UserKey, ProductKey, Activity>> {
        Some(EraseRule {
            subject: |user, _, activity| activity.last_at().map(|at| (*user, at)),
            by_user: Some(UserRows::KEYED),
            taken_out: |_, erased| Some(Activity::erased(erased.generation)),
            dated: |activity, generation| activity.last = Latest::new(generation, activity.last.at()),
            is_void: |activity| activity.last_at().is_none(),
        })
    }

    fn retention(rules: &Rules) -> Option<RetainRule<Activity>> {
        rules.features.are_dropped().then_some(RetainRule {
            days: rules.features.days,
            whole_keys: false,
            latest: |activity| activity.last_at(),
            taken_out: |activity, day| activity.dropped(day),
        })
    }

    fn in_cut(activity: Activity) -> Option<Activity> {
        let page = PageTime::new(0, activity.page.ms());
        activity.last_at().map(|at| Activity { last: Latest::new(0, at), page, ..activity })
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
///
/// Numbers have no inverse, so an erasure cannot subtract them. Instead each event has a generation: the number of erasures
/// of its user in this process before it. Events of an earlier generation than the latest one do not count.
///
/// Neither can silence subtract them. Instead it raises the first day of which events count. Events given before that are all of
/// earlier days, and those given later are all of that day or later, because an event that is too old is not given. So a sum of
/// events that were given one after the other goes or stays as a whole.
///
/// The gap of a view becomes final later than the view. Whether the view is still among the events is seen from the day of the
/// first one: events that come after silence are all of later days than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Activity {
    last: Latest,
    page: PageTime,
    views: u32,
    timed_views: u32,
    clicks_and_carts: ClicksAndCarts,
}

/// A generation and, in its lower bits, the time of the latest event in it; 0 if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub(super) struct Latest(u64);

impl Latest {
    /// Enough for the times of events, which are before the year 5138.
    const TIME_BITS: u32 = 48;

    pub(super) fn new(generation: u16, at: Millis) -> Self {
        Latest(u64::from(generation) << Latest::TIME_BITS | at.min((1 << Latest::TIME_BITS) - 1))
    }

    pub(super) fn generation(self) -> u64 {
        self.0 >> Latest::TIME_BITS
    }

    pub(super) fn at(self) -> Millis {
        self.0 & ((1 << Latest::TIME_BITS) - 1)
    }

    /// The same generation, without an event.
    pub(super) fn without_event(self) -> Self {
        Latest(self.0 >> Latest::TIME_BITS << Latest::TIME_BITS)
    }

    /// Whether all events are of days before this one.
    pub(super) fn is_before(self, first_day: Day) -> bool {
        first_day > 0 && day_of(self.at()) < first_day
    }
}

/// The time on pages in milliseconds, and above its bits the first day of which events count; 0 if all do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
struct PageTime(u64);

impl PageTime {
    /// Enough for 139 years. Above them is room for the days of all times of events.
    const MS_BITS: u32 = 42;
    const MS_MAX: u64 = (1 << PageTime::MS_BITS) - 1;

    fn new(first_day: Day, ms: u64) -> Self {
        PageTime(first_day << PageTime::MS_BITS | ms.min(PageTime::MS_MAX))
    }

    fn ms(self) -> u64 {
        self.0 & PageTime::MS_MAX
    }

    fn first_day(self) -> Day {
        self.0 >> PageTime::MS_BITS
    }

    /// With more time.
    fn and(self, ms: u64) -> Self {
        PageTime::new(self.first_day(), self.ms().saturating_add(ms))
    }
}

/// The number of clicks and of products put into the cart, and above their bits the days from the first event to the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
struct ClicksAndCarts(u64);

impl ClicksAndCarts {
    const COUNT_BITS: u32 = 24;
    const COUNT_MAX: u64 = (1 << ClicksAndCarts::COUNT_BITS) - 1;
    /// 179 years.
    const DAYS_MAX: Day = u16::MAX as Day;

    fn new(days: Day, clicks: u64, carts: u64) -> Self {
        let count = |number: u64| number.min(ClicksAndCarts::COUNT_MAX);
        let days = days.min(ClicksAndCarts::DAYS_MAX);
        ClicksAndCarts(
            (days << ClicksAndCarts::COUNT_BITS | count(clicks)) << ClicksAndCarts::COUNT_BITS | count(carts),
        )
    }

    fn carts(self) -> u64 {
        self.0 & ClicksAndCarts::COUNT_MAX
    }

    fn clicks(self) -> u64 {
        self.0 >> ClicksAndCarts::COUNT_BITS & ClicksAndCarts::COUNT_MAX
    }

    fn days(self) -> Day {
        self.0 >> (2 * ClicksAndCarts::COUNT_BITS)
    }
}

impl Activity {
    /// Takes out all events of earlier generations.
    fn erased(generation: u16) -> Self {
        Activity { last: Latest::new(generation, 0), ..Activity::default() }
    }

    /// Takes out all events up to the end of this day, that of the latest one.
    fn dropped(self, day: Day) -> Self {
        Activity { last: self.last.without_event(), page: PageTime::new(day + 1, 0), ..Activity::default() }
    }

    /// These events if they are of this day or later, and otherwise none.
    fn since(self, first_day: Day) -> Self {
        if self.last.is_before(first_day) {
            Activity { last: self.last.without_event(), ..Activity::default() }
        } else {
            self
        }
    }

    /// One event at `at`.
    #[must_use]
    pub fn of(interaction: Interaction, at: Millis) -> Self {
        let mut activity = Activity { last: Latest::new(0, at), ..Activity::default() };
        match interaction {
            Interaction::View { time_on_page_ms } => {
                activity.views = 1;
                activity.timed_views = u32::from(time_on_page_ms.is_some());
                activity.page = PageTime::new(0, time_on_page_ms.unwrap_or(0).min(TIME_ON_PAGE_MS_MAX));
            }
            Interaction::Click => activity.clicks_and_carts = ClicksAndCarts::new(0, 1, 0),
            Interaction::AddToCart => activity.clicks_and_carts = ClicksAndCarts::new(0, 0, 1),
            Interaction::Other => {}
        }
        activity
    }

    /// The time on the page of a view at `at` that was counted before without one.
    #[must_use]
    pub fn of_gap(at: Millis, ms: Millis) -> Self {
        let mut activity = Activity { last: Latest::new(0, at), ..Activity::default() };
        activity.add_gap(ms);
        activity
    }

    /// Adds the time on the page of a view that was counted without one; [`TIME_ON_PAGE_MS_MAX`] in place of a longer time.
    pub fn add_gap(&mut self, ms: Millis) {
        self.page = self.page.and(ms.min(TIME_ON_PAGE_MS_MAX));
        self.timed_views = self.timed_views.saturating_add(1);
    }

    /// Whether an event at `at` that was given is among these. Older events than these may have been taken out.
    #[must_use]
    pub fn counts(self, at: Millis) -> bool {
        self.first_day().is_some_and(|first| day_of(at) >= first)
    }

    /// The day of the first event; none if there is no event.
    fn first_day(self) -> Option<Day> {
        self.last_at().map(|at| day_of(at).saturating_sub(self.clicks_and_carts.days()))
    }

    /// Adds events.
    pub fn add(&mut self, other: Activity) {
        match self.last.generation().cmp(&other.last.generation()) {
            Ordering::Less => return *self = other,
            Ordering::Greater => return,
            Ordering::Equal => {}
        }
        let first_day = self.page.first_day().max(other.page.first_day());
        let other = other.since(first_day);
        *self = self.since(first_day);
        let first_event = self.first_day().into_iter().chain(other.first_day()).min();
        self.last = self.last.max(other.last);
        self.page = PageTime::new(first_day, self.page.ms() + other.page.ms());
        self.views = self.views.saturating_add(other.views);
        self.timed_views = self.timed_views.saturating_add(other.timed_views);
        self.clicks_and_carts = ClicksAndCarts::new(
            first_event.map_or(0, |first| day_of(self.last.at()) - first),
            self.clicks() + other.clicks(),
            self.carts() + other.carts(),
        );
    }

    /// The time of the latest event; none if there is no event.
    #[must_use]
    pub fn last_at(self) -> Option<Millis> {
        let at = self.last.at();
        (at > 0).then_some(at)
    }

    /// The number of views.
    #[must_use]
    pub fn views(self) -> u64 {
        self.views.into()
    }

    /// The number of clicks.
    #[must_use]
    pub fn clicks(self) -> u64 {
        self.clicks_and_carts.clicks()
    }

    /// How often the product was put into the cart.
    #[must_use]
    pub fn carts(self) -> u64 {
        self.clicks_and_carts.carts()
    }

    /// The time on the page of all views whose time is known, in milliseconds, and the number of these views.
    #[must_use]
    pub fn time_on_page(self) -> (u64, u64) {
        (self.page.ms(), self.timed_views.into())
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
    const WIDTH: usize = 7;

    fn write(&self, to: &mut impl ColumnWriter) {
        to.write(&self.last.at());
        to.write(&self.page.ms());
        to.write(&self.views);
        to.write(&self.timed_views);
        to.write(&self.clicks());
        to.write(&self.carts());
        to.write(&self.clicks_and_carts.days());
    }

    fn read<R: ColumnReader>(from: &mut R) -> Result<Self, R::Error> {
        Ok(Activity {
            last: Latest::new(0, from.read()?),
            page: PageTime::new(0, from.read()?),
            views: from.read()?,
            timed_views: from.read()?,
            clicks_and_carts: {
                let (clicks, carts) = (from.read()?, from.read()?);
                ClicksAndCarts::new(from.read()?, clicks, carts)
            },
        })
    }
}

#[cfg(test)]
mod tests;
