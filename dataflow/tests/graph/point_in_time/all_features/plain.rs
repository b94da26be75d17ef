//! The features before a time, recomputed from everything that was given before it.

use std::collections::{BTreeMap, BTreeSet};

use super::given::{Event, Given, Keys, What, user_of};
use super::*;

/// From when on a product is in which category.
pub(super) fn categories(given: &[Given], product: usize) -> Vec<(Time, usize)> {
    let mut moves = vec![(1, product % 2)];
    for (at, what) in given {
        if let What::Moved(moved, category) = what
            && *moved == product
            && moves.last().is_some_and(|last| last.1 != *category)
        {
            moves.push((*at, *category));
        }
    }
    moves
}

/// What is shown of a user. Of a product: views, clicks, additions to the cart, time on pages, views with a time, purchases.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shown {
    pub(super) last: Option<Time>,
    pub(super) products: BTreeMap<usize, [u64; 6]>,
    pub(super) categories: BTreeMap<usize, [u64; 2]>,
    pub(super) metadata: BTreeMap<String, u64>,
    pub(super) attributes: BTreeMap<String, u64>,
}

/// Everything before a time.
pub(super) struct Before<'a> {
    pub(super) given: &'a [Given],
    pub(super) at: Time,
    pub(super) days: u64,
    pub(super) keys: &'a Keys,
}

impl Before<'_> {
    fn all(&self) -> impl Iterator<Item = &(Time, What)> {
        self.given.iter().filter(|(given, _)| *given < self.at)
    }

    fn is_old(&self, event: Time, now: Time) -> bool {
        self.days > 0 && event / DAY_MS + self.days < now / DAY_MS
    }

    fn erased_until(&self, user: usize) -> Time {
        let erasures = self.all().filter(|(_, what)| matches!(what, What::Erased(of) if *of == user));
        erasures.map(|(given, _)| *given).max().unwrap_or(0)
    }

    /// The user's events that erasures left, with the times at which they were given.
    fn events(&self, user: usize) -> Vec<(Time, &Event)> {
        let (until, mut events) = (self.erased_until(user), Vec::new());
        for (given, what) in self.all() {
            if let What::Event(of, event) = what
                && *of == user
                && event.at > until
            {
                events.push((*given, event));
            }
        }
        events
    }

    /// Of events that are dropped together, those that count.
    fn counted<'e>(&self, events: &[(Time, &'e Event)], together: impl Fn(&Event) -> bool) -> Vec<(Time, &'e Event)> {
        let latest = |counted: &[(Time, &Event)]| counted.iter().map(|(_, event)| event.at).max();
        let mut counted = Vec::new();
        for (given, event) in events.iter().filter(|(given, event)| together(event) && !self.is_old(event.at, *given)) {
            if latest(&counted).is_some_and(|last| self.is_old(last, *given)) {
                counted.clear();
            }
            counted.push((*given, *event));
        }
        if latest(&counted).is_some_and(|last| self.is_old(last, self.at - 1)) { Vec::new() } else { counted }
    }

    /// The gaps of the views in sessions: the number of the event among `events`, or of an equal one, and the time.
    fn gaps(&self, events: &[(Time, &Event)]) -> Vec<(usize, u64)> {
        let mut rows: Vec<(SessionEvent, usize)> = Vec::new();
        for (nth, (given, event)) in events.iter().enumerate() {
            rows.extend(self.keys.session_event(event, *given).map(|row| (row, nth)));
        }
        rows.sort_unstable();
        let pairs = rows.windows(2).filter(|pair| pair[0].0.session == pair[1].0.session);
        let views = pairs.filter(|pair| pair[0].0.page != ProductKey::NONE);
        let gaps = views.filter(|pair| pair[1].0.recorded <= pair[0].0.recorded + HELD);
        gaps.map(|pair| (pair[0].1, (pair[1].0.at - pair[0].0.at).min(30 * MINUTE))).collect()
    }

    /// The orders of a user that have a product.
    fn orders(&self, user: usize, product: usize) -> BTreeSet<usize> {
        let (until, mut orders) = (self.erased_until(user), BTreeSet::new());
        let kept = if self.days == 0 { Millis::MAX } else { WINDOW.max(self.days * DAY_MS) };
        let counts = |given: Time| given > until && self.at - 1 < given.saturating_add(kept);
        for order in (0..6).filter(|order| user_of(*order) == user) {
            let (mut is_known, mut is_living, mut is_in_table, mut is_stated) = (false, false, false, false);
            for (given, what) in self.all() {
                match what {
                    What::Order(of, products, end) if *of == order && (*end <= *given || *end >= self.at) => {
                        (is_known, is_living) = (true, is_living || counts(*given));
                        is_in_table |= products.contains(&product);
                    }
                    What::Bought(of, bought) if *of == order && *bought == product => {
                        is_stated |= counts(*given);
                    }
                    _ => {}
                }
            }
            if is_living && is_in_table || is_stated && !is_known {
                orders.insert(order);
            }
        }
        orders
    }

    fn metadata(&self, events: &[(Time, &Event)]) -> BTreeMap<String, u64> {
        let mut values: BTreeMap<usize, (Time, u64)> = BTreeMap::new();
        for (_, event) in self.counted(events, |event| event.device.is_some()) {
            let (first, count) = values.entry(event.device.expect("it has one")).or_insert((event.at, 0));
            (*first, *count) = (event.at.min(*first), *count + 1);
        }
        let mut by_first: Vec<_> = values.into_iter().map(|(value, (first, count))| (first, value, count)).collect();
        by_first.sort_unstable();
        let mut shown = BTreeMap::new();
        for (nth, (_, value, count)) in by_first.into_iter().enumerate() {
            let name = if nth < VALUES_MAX { format!("device={value}") } else { "device=other".to_owned() };
            *shown.entry(name).or_default() += count;
        }
        shown
    }

    pub(super) fn shown(&self, user: usize) -> Shown {
        let events = self.events(user);
        let gaps = self.gaps(&events);
        let mut shown = Shown { metadata: self.metadata(&events), ..Shown::default() };
        for product in (0..PRODUCTS).map(Some).chain([None]) {
            let counted = self.counted(&events, |event| event.product == product);
            shown.last = shown.last.max(counted.iter().map(|(_, event)| event.at).max());
            let Some(product) = product else { continue };
            let mut numbers = [0; 6];
            for (_, event) in &counted {
                if event.kind < 3 {
                    numbers[usize::from(event.kind)] += 1;
                }
                if let Some(spent) = event.spent {
                    (numbers[3], numbers[4]) = (numbers[3] + spent.min(30 * MINUTE), numbers[4] + 1);
                }
            }
            for (nth, ms) in &gaps {
                if counted.iter().any(|(_, event)| std::ptr::eq(*event, events[*nth].1)) {
                    (numbers[3], numbers[4]) = (numbers[3] + ms, numbers[4] + 1);
                }
            }
            numbers[5] = self.orders(user, product).len() as u64;
            if counted.is_empty() && numbers[5] == 0 {
                continue;
            }
            shown.products.insert(product, numbers);
            if numbers[0] + numbers[5] > 0 {
                let now = categories(self.given, product).into_iter().rfind(|(from, _)| *from < self.at);
                let sums = shown.categories.entry(now.expect("each product has one").1).or_default();
                *sums = [sums[0] + numbers[0], sums[1] + numbers[5]];
            }
            if numbers[0] > 0 {
                *shown.attributes.entry(format!("colour={}", product % 2)).or_default() += numbers[0];
            }
        }
        shown
    }
}
