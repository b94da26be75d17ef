//! How far interests have moved: the shares of products, categories and devices in this week's events, compared with those of
//! the week before.
//!
//! Products, categories and devices are put into a fixed number of groups by their hashes, and the shares of the groups are
//! compared, so that rare ones do not dominate.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use dataflow::ids::ProductKey;
use dataflow::time::Millis;
use models::evaluation::stability::population_stability;

use super::status::Stability;

const DAY_MS: Millis = 24 * 60 * 60 * 1000;

/// Days whose events are counted.
const DAYS: Millis = 14;

/// Groups of products and of categories.
const GROUPS: usize = 64;

/// Groups of devices.
const DEVICE_GROUPS: usize = 16;

/// Products of a day that are counted one by one, for their categories. All others have only the count of their group.
const PRODUCTS_MAX: usize = 5000;

/// Events of a week below which shares say nothing.
const EVENTS_MIN: u64 = 1000;

/// The events of one day.
#[derive(Clone)]
struct DayCounts {
    day: Millis,
    groups: [u64; GROUPS],
    devices: [u64; DEVICE_GROUPS],
    products: HashMap<ProductKey, u32>,
}

/// The events of this week and of the week before. A copy shares the days, until an event changes a day.
#[derive(Clone, Default)]
pub(super) struct Interests(VecDeque<Arc<DayCounts>>);

impl Interests {
    /// An event on a product.
    pub(super) fn saw(&mut self, product: ProductKey, device: Option<&str>, at: Millis) {
        let Some(counts) = self.day(at / DAY_MS) else { return };
        counts.groups[group(product.route(), GROUPS)] += 1;
        if let Some(device) = device {
            let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(device);
            counts.devices[group(hash, DEVICE_GROUPS)] += 1;
        }
        if counts.products.len() < PRODUCTS_MAX || counts.products.contains_key(&product) {
            *counts.products.entry(product).or_default() += 1;
        }
    }

    /// The counts of a day; none if it is before the two weeks of the newest day. Sources and partitions are read at different
    /// speeds, so days need not come in their order.
    fn day(&mut self, day: Millis) -> Option<&mut DayCounts> {
        let newest = self.0.back().map_or(day, |last| last.day.max(day));
        while self.0.front().is_some_and(|first| first.day + DAYS <= newest) {
            self.0.pop_front();
        }
        if day + DAYS <= newest {
            return None;
        }
        let place = self.0.partition_point(|counts| counts.day < day);
        if self.0.get(place).is_none_or(|counts| counts.day != day) {
            let counts = DayCounts { day, groups: [0; GROUPS], devices: [0; DEVICE_GROUPS], products: HashMap::new() };
            self.0.insert(place, Arc::new(counts));
        }
        self.0.get_mut(place).map(Arc::make_mut)
    }

    /// How far the shares have moved from the seven days before the last seven to these.
    pub(super) fn stability(&self, now: Millis, category: impl Fn(ProductKey) -> Option<u64>) -> Stability {
        let today = now / DAY_MS;
        let compare = |counts: &dyn Fn(&DayCounts) -> Vec<u64>| {
            let week = |from: Millis, to: Millis| -> Vec<u64> {
                let days = self.0.iter().filter(|counts| (from..to).contains(&counts.day));
                days.map(|day| counts(day))
                    .reduce(|sum, next| sum.iter().zip(&next).map(|(a, b)| a + b).collect())
                    .unwrap_or_default()
            };
            let (before, after) =
                (week(today.saturating_sub(13), today.saturating_sub(6)), week(today.saturating_sub(6), today + 1));
            let is_enough = |counts: &[u64]| counts.iter().sum::<u64>() >= EVENTS_MIN;
            if is_enough(&before) && is_enough(&after) { population_stability(&before, &after) } else { None }
        };
        Stability {
            product: compare(&|counts| counts.groups.to_vec()),
            category: compare(&|counts| categories(counts, &category)),
            device: compare(&|counts| counts.devices.to_vec()),
        }
    }
}

fn categories(counts: &DayCounts, category: &impl Fn(ProductKey) -> Option<u64>) -> Vec<u64> {
    let mut groups = vec![0; GROUPS];
    for (product, count) in &counts.products {
        if let Some(category) = category(*product) {
            groups[group(category, GROUPS)] += u64::from(*count);
        }
    }
    groups
}

fn group(hash: u64, groups: usize) -> usize {
    usize::try_from(hash % groups as u64).expect("groups are few")
}

#[cfg(test)]
mod tests {
    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;

    use super::*;

    #[test]
    fn equal_weeks_are_stable_and_a_shift_is_seen_in_its_own_measure() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let keys: Vec<ProductKey> =
            (0..40).map(|number| dictionary.product(&format!("product-{number}")).expect("no collision")).collect();
        let at = |day: Millis| day * DAY_MS + 5;
        // Each day of both weeks has the same products; in the second week all come from another device.
        let mut interests = Interests::default();
        for day in 100..114 {
            for key in keys.iter().cycle().take(400) {
                interests.saw(*key, Some(if day < 107 { "web" } else { "app" }), at(day));
            }
        }
        let category = |product: ProductKey| Some(product.route() % 3);
        let found = interests.stability(at(113), category);
        assert_eq!((found.product, found.category), (Some(0.0), Some(0.0)));
        assert!(found.device.is_some_and(|moved| moved > 1.0), "{found:?}");
        // In the next week only half of the products are seen, of one category.
        let few: Vec<ProductKey> = keys.iter().copied().filter(|key| category(*key) == Some(1)).collect();
        for day in 114..121 {
            few.iter().cycle().take(400).for_each(|key| interests.saw(*key, Some("app"), at(day)));
        }
        let found = interests.stability(at(120), category);
        assert_eq!(found.device, Some(0.0));
        assert!(found.product.is_some_and(|moved| moved > 0.25) && found.category.is_some_and(|moved| moved > 0.25));
        assert_eq!(interests.0.len(), 14, "older days are forgotten");
    }

    #[test]
    fn days_may_come_in_any_order() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let keys = ["mug", "lamp", "tea"].map(|id| dictionary.product(id).expect("no collision"));
        let count = |days: &mut dyn Iterator<Item = Millis>| {
            let mut interests = Interests::default();
            for day in days {
                for key in keys.iter().cycle().take(200 + 10 * usize::try_from(day).expect("days are few")) {
                    interests.saw(*key, Some(if day < 37 { "web" } else { "app" }), day * DAY_MS);
                }
            }
            assert!(interests.0.len() <= 14);
            let found = interests.stability(43 * DAY_MS, |product| Some(product.route()));
            (found.product, found.category, found.device)
        };
        let in_order = count(&mut (28..44));
        assert!(in_order.0.is_some() && in_order.2.is_some_and(|moved| moved > 1.0), "{in_order:?}");
        assert_eq!(count(&mut (28..44).rev()), in_order);
        assert_eq!(count(&mut (36..44).chain(28..36)), in_order);
    }

    #[test]
    fn few_events_and_a_missing_week_say_nothing() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let product = dictionary.product("mug").expect("no collision");
        let mut interests = Interests::default();
        (0..2000).for_each(|_| interests.saw(product, None, 50 * DAY_MS));
        assert_eq!(interests.stability(50 * DAY_MS, |_| None), Stability::default());
    }
}
