//! What the records given to a process say, by the definitions: repeats, erasures, hidden products, histories, features.

use std::collections::{BTreeMap, BTreeSet};

use dataflow::ids::{ProductKey, UserKey};
use dataflow::index_reader::{IndexReader, UserFeatures};
use dataflow::time::{Millis, Time};

use crate::log::{Delivery, Event, EventBody, Log, Step};
use crate::world::{DEDUP_MS, RULES, World};

/// How much longer than repeats are recognised an event is remembered.
const READ_LATE_MS: Millis = 60_000;

/// The times at which events are forgotten are multiples of this one.
const FORGOTTEN_EVERY_MS: Millis = 64;

/// What the records say.
#[derive(Debug, Default)]
pub(crate) struct PlainFacts {
    /// The events with the open ticks in which they were given, without repeats.
    events: Vec<(Event, Time)>,
    /// By user: the open tick and the time of each erasure.
    erasures: BTreeMap<usize, Vec<(Time, Millis)>>,
    /// By user and product: the time of the latest view and of the latest removal, without what is erased.
    latest: BTreeMap<(usize, usize), LatestEvents>,
    /// The products that are hidden.
    pub(crate) hidden: BTreeSet<usize>,
    /// Whether there was a repeat.
    pub(crate) has_repeats: bool,
}

/// The times of the latest view and of the latest removal of a product.
type LatestEvents = (Option<Millis>, Option<Millis>);

/// The features of one user: the time of the latest event, and of each product its numbers (views, clicks, carts, time on
/// pages, views with such a time) and the time of its latest event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PlainFeatures {
    last: Option<Millis>,
    products: BTreeMap<ProductKey, ([u64; 5], Millis)>,
}

impl PlainFacts {
    /// The facts as of a time.
    pub(crate) fn new(log: &Log, as_of: Time) -> PlainFacts {
        let counted = without_repeats(log);
        let mut facts = PlainFacts { has_repeats: counted.len() < log.given.deliveries.len(), ..PlainFacts::default() };
        for (uid, tick) in &log.given.ahead {
            let erasure = log.events[*uid];
            facts.erasures.entry(erasure.user).or_default().push((*tick, erasure.at));
        }
        let mut versions: BTreeMap<usize, Event> = BTreeMap::new();
        for delivery in counted {
            let event = log.events[delivery.uid];
            match event.body {
                EventBody::Erasure => {
                    facts.erasures.entry(event.user).or_default().push((delivery.tick, event.at));
                }
                EventBody::Rule { rule, .. } => {
                    let latest = versions.entry(rule).or_insert(event);
                    *latest = if event.at > latest.at { event } else { *latest };
                }
                _ => facts.events.push((event, delivery.tick)),
            }
        }
        let hides = |event: &&Event| matches!(event.body, EventBody::Rule { hides: true, until, .. } if until.is_none_or(|until| as_of < until));
        facts.hidden = versions.values().filter(hides).map(|event| event.product).collect();
        facts.latest = facts.latest_events();
        facts
    }

    fn latest_events(&self) -> BTreeMap<(usize, usize), LatestEvents> {
        let mut latest: BTreeMap<(usize, usize), LatestEvents> = BTreeMap::new();
        for (event, _) in self.events.iter().filter(|(event, _)| Some(event.at) > self.erased_until(event.user)) {
            let (viewed, removed) = latest.entry((event.user, event.product)).or_default();
            match event.body {
                EventBody::View | EventBody::TimedView { .. } => *viewed = (*viewed).max(Some(event.at)),
                EventBody::Removal => *removed = (*removed).max(Some(event.at)),
                _ => {}
            }
        }
        latest
    }

    /// The time up to which nothing of a user counts that has a time.
    pub(crate) fn erased_until(&self, user: usize) -> Option<Millis> {
        self.erasures.get(&user).into_iter().flatten().map(|(_, at)| *at).max()
    }

    /// Whether a user was erased.
    pub(crate) fn has_erased(&self) -> bool {
        !self.erasures.is_empty()
    }

    /// Whether a count given in this tick is left: no erasure of this tick or a later one says more than the earlier ones
    /// did, and the event is later than all of those.
    fn counts(&self, user: usize, tick: Time, at: Millis) -> bool {
        let all = || self.erasures.get(&user).into_iter().flatten();
        let before = all().filter(|erasure| erasure.0 < tick).map(|erasure| erasure.1).max();
        Some(at) > before && all().filter(|erasure| erasure.0 >= tick).all(|erasure| Some(erasure.1) <= before)
    }

    /// The latest view of each user and product that no removal hides.
    fn views(&self) -> impl Iterator<Item = (usize, usize, Millis)> {
        let views = self.latest.iter().filter_map(|(key, (viewed, removed))| Some((*key, (*viewed)?, *removed)));
        let views = views.filter(|(_, viewed, removed)| removed.is_none_or(|removed| *viewed > removed));
        views.map(|((user, product), viewed, _)| (user, product, viewed))
    }

    /// Whether a view does not count any more because of its age.
    pub(crate) fn has_retired(&self, as_of: Time) -> bool {
        self.views().any(|(.., viewed)| is_retired(viewed, as_of))
    }

    /// The products that a user viewed last, as of a time.
    pub(crate) fn history(&self, world: &World, user: usize, as_of: Time) -> Vec<(ProductKey, Millis)> {
        let own = self.views().filter(|(viewer, ..)| *viewer == user);
        let current = own.filter(|(.., viewed)| !is_retired(*viewed, as_of));
        let mut list: Vec<(usize, Millis)> = current.map(|(_, product, viewed)| (product, viewed)).collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then(world.products[a.0].cmp(&world.products[b.0])));
        list.truncate(RULES.list_size);
        list.retain(|(product, _)| !self.hidden.contains(product));
        list.into_iter().map(|(product, at)| (world.products[product], at)).collect()
    }

    /// The features of a user.
    pub(crate) fn features(&self, world: &World, user: usize) -> PlainFeatures {
        let mut features = PlainFeatures::default();
        let own = self.events.iter().filter(|(event, _)| event.user == user);
        for (event, _) in own.filter(|(event, tick)| self.counts(user, *tick, event.at)) {
            features.count(world, event);
        }
        features
    }
}

fn is_retired(viewed: Millis, as_of: Time) -> bool {
    viewed + RULES.history_ms <= as_of
}

impl PlainFeatures {
    /// Counts an event.
    pub(crate) fn count(&mut self, world: &World, event: &Event) {
        let Event { product, at, body, .. } = *event;
        self.last = self.last.max(Some(at));
        let (numbers, products) = match body {
            EventBody::View => ([1, 0, 0, 0, 0], vec![product]),
            EventBody::TimedView { on_page_ms } => ([1, 0, 0, on_page_ms, 1], vec![product]),
            EventBody::Click => ([0, 1, 0, 0, 0], vec![product]),
            EventBody::AddToCart => ([0, 0, 1, 0, 0], vec![product]),
            EventBody::Purchase { other } => ([0; 5], vec![product, other]),
            EventBody::RemoveFromCart | EventBody::Removal => ([0; 5], vec![product]),
            EventBody::Search | EventBody::Erasure | EventBody::Rule { .. } => ([0; 5], vec![]),
        };
        for product in products {
            let (sums, last) = self.products.entry(world.products[product]).or_default();
            *last = at.max(*last);
            sums.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        }
    }

    /// The features that are shown, without purchases.
    pub(crate) fn shown(reader: &IndexReader, user: UserKey) -> PlainFeatures {
        PlainFeatures::of(&reader.view(user).features(user, None))
    }

    /// Features without purchases.
    pub(crate) fn of(features: &UserFeatures) -> PlainFeatures {
        let products = features.products.iter().filter_map(|of| {
            let ((time, timed), last) = (of.activity.time_on_page(), of.activity.last_at()?);
            let numbers = [of.activity.views(), of.activity.clicks(), of.activity.carts(), time, timed];
            Some((of.product, (numbers, last)))
        });
        PlainFeatures { last: features.last_at, products: products.collect() }
    }
}

/// The deliveries without repeats. A record is a repeat if one of the same event was given before from the same partition, counted,
/// and was recorded at most [`DEDUP_MS`] earlier. A record that is given once more, because its partition is read again from its
/// first record, counts again if the event has been forgotten by then. What the service writes is never a repeat.
fn without_repeats(log: &Log) -> Vec<Delivery> {
    let mut known: BTreeMap<(i32, usize), Known> = BTreeMap::new();
    let (mut given, mut steps) = (BTreeSet::new(), log.given.steps.iter().peekable());
    let mut counted = Vec::with_capacity(log.given.deliveries.len());
    for delivery in &log.given.deliveries {
        let Delivery { uid, partition, recorded, tick } = *delivery;
        while let Some(step) = steps.next_if(|step| step.tick <= tick) {
            known.values_mut().for_each(|known| known.pass(step));
        }
        if log.events[uid].body.is_of_service() {
            counted.push(*delivery);
            continue;
        }
        let is_again = !given.insert((partition, uid, recorded));
        let repeated = known.get(&(partition, uid)).filter(|known| !is_again || known.until.is_some());
        if repeated.is_some_and(|known| recorded <= known.at + DEDUP_MS) {
            continue;
        }
        known.insert((partition, uid), Known { at: recorded, until: Some(kept_until(recorded.max(tick))) });
        counted.push(*delivery);
    }
    counted
}

/// The record of an event that counted.
struct Known {
    at: Millis,
    /// Until when it is remembered; none once it is forgotten.
    until: Option<Millis>,
}

impl Known {
    /// The process closes a tick, or is started as of one.
    fn pass(&mut self, step: &Step) {
        self.until = match step.forgotten {
            Some(forgotten) => self.until.filter(|until| *until > forgotten),
            None => self.until.map(|_| kept_until(self.at.max(step.tick))),
        };
    }
}

/// Until when a record is remembered that is of this time, or was read at this time.
fn kept_until(at: Millis) -> Millis {
    (at + DEDUP_MS + READ_LATE_MS).next_multiple_of(FORGOTTEN_EVERY_MS)
}
