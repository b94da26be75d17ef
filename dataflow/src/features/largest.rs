//! The entries of a feature that are shown, where not all are.

use super::FeatureValue;

/// The capacity for entries that is kept. Only users with very many products need more.
const ENTRIES_KEPT: usize = 1 << 14;

/// Puts up to `most` entries with the largest values into `entries`, largest first, ties by key; entries of users who did nothing
/// are left out. Answers and copies of features have the same entries.
pub fn largest<K: Ord + Copy>(
    entries: &mut Vec<(K, FeatureValue)>,
    values: impl Iterator<Item = (K, Option<FeatureValue>)>,
    most: usize,
) {
    entries.clear();
    entries.extend(values.filter_map(|(key, value)| Some((key, value.filter(|value| !value.is_zero())?))));
    let order = |one: &(K, FeatureValue), other: &(K, FeatureValue)| {
        other.1.number().total_cmp(&one.1.number()).then(one.0.cmp(&other.0))
    };
    if entries.len() > most {
        entries.select_nth_unstable_by(most - 1, order);
        entries.truncate(most);
        entries.shrink_to(ENTRIES_KEPT);
    }
    entries.sort_unstable_by(order);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_entries_come_first_and_nothing_is_left_out() {
        let count = |count| Some(FeatureValue::Count(count));
        let entries = [(1, count(2)), (2, count(0)), (3, None), (4, count(5)), (5, count(2)), (6, count(9))];
        let keys = |most| {
            let mut largest_first = Vec::new();
            largest(&mut largest_first, entries.into_iter(), most);
            largest_first.into_iter().map(|(key, _)| key).collect::<Vec<i32>>()
        };
        assert_eq!(keys(10), [6, 4, 1, 5]);
        assert_eq!(keys(3), [6, 4, 1]);
        assert_eq!(keys(1), [6]);
    }
}
