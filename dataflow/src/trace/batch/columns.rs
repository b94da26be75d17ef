//! The columns of a batch that mostly need not be stored: values that are all equal, and lists that all have one
//! element.
//!
//! Both store nothing for as long as the regular form holds from the first element on, and plain elements from the
//! first exception on. They never convert what they already hold, so adding an element is cheap at any length.

use std::ops::Range;

/// A column. The values from the first on that are equal are stored as one.
pub struct Repeats<T> {
    /// The number of values at the beginning that are equal.
    equal: usize,
    /// The equal value, then all other values.
    values: Vec<T>,
    /// How many values the column is expected to have.
    expected: usize,
}

impl<T> Repeats<T> {
    pub(super) fn with_capacity(values: usize) -> Self {
        Repeats { equal: 0, values: Vec::new(), expected: values }
    }

    pub(super) fn len(&self) -> usize {
        // The first of the stored values counts as one of the equal ones.
        self.equal + self.values.len().saturating_sub(1)
    }

    #[inline]
    pub(super) fn get(&self, place: usize) -> &T {
        &self.values[self.stored(place)]
    }

    #[inline]
    fn stored(&self, place: usize) -> usize {
        (place + 1).saturating_sub(self.equal)
    }

    /// The values of a range: how many of them are the equal value, and the others, which follow.
    #[inline]
    fn split(&self, range: Range<usize>) -> (usize, &[T]) {
        let equal = self.equal.saturating_sub(range.start).min(range.len());
        let others = &self.values[self.stored(range.start + equal).min(self.values.len())..];
        (equal, &others[..range.len() - equal])
    }

    /// Whether all values of a range are as `is` says.
    #[inline]
    pub(super) fn all(&self, range: Range<usize>, is: impl Fn(&T) -> bool) -> bool {
        let (equal, others) = self.split(range);
        (equal == 0 || is(&self.values[0])) && others.iter().all(is)
    }

    /// Calls `take` with each value of a range and the one beside it in `beside`, which has as many.
    #[inline]
    pub(super) fn zip<B>(&self, range: Range<usize>, beside: &[B], mut take: impl FnMut(&B, &T)) {
        let (equal, others) = self.split(range);
        let (beside_equal, beside_others) = beside.split_at(equal);
        beside_equal.iter().for_each(|beside| take(beside, &self.values[0]));
        beside_others.iter().zip(others).for_each(|(beside, value)| take(beside, value));
    }

    /// Drops all values from `len` on.
    pub(super) fn truncate(&mut self, len: usize) {
        self.equal = self.equal.min(len);
        self.values.truncate(self.stored(len));
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.values.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn stored_values(&self) -> usize {
        self.values.capacity()
    }
}

impl<T: Clone + PartialEq> Repeats<T> {
    #[inline]
    pub(super) fn push(&mut self, value: T) {
        self.push_copies(value, 1);
    }

    /// Adds `copies` equal values.
    #[inline]
    pub(super) fn push_copies(&mut self, value: T, copies: usize) {
        match self.values.as_slice() {
            [] => {
                self.equal = copies;
                self.values.push(value);
            }
            [equal] if *equal == value => self.equal += copies,
            _ => {
                self.expect_others();
                self.values.resize(self.values.len() + copies, value);
            }
        }
    }

    /// Adds a range of another column, each value changed by `change`. The range is not empty.
    #[inline]
    pub(super) fn extend(&mut self, from: &Self, range: Range<usize>, mut change: impl FnMut(&T) -> T) {
        let (equal, others) = from.split(range);
        if equal > 0 {
            self.push_copies(change(&from.values[0]), equal);
        }
        if self.values.len() > 1 {
            self.values.extend(others.iter().map(change));
        } else {
            others.iter().for_each(|value| self.push(change(value)));
        }
    }

    /// Reserves the space for all values that are still expected, when the first one differs.
    fn expect_others(&mut self) {
        if self.values.len() == 1 {
            self.values.reserve_exact(self.expected.saturating_sub(self.equal));
        }
    }
}

/// Where lists end that are stored one after the other, none of them empty. Nothing is stored for the lists at the
/// beginning that have one element.
pub(super) struct Ends {
    /// The number of lists at the beginning that have one element.
    ones: usize,
    /// The ends of the other lists, while they fit.
    small: Vec<u32>,
    /// The ends after the first one that does not fit.
    large: Vec<u64>,
    /// How many lists are expected.
    expected: usize,
}

impl Ends {
    pub(super) fn with_capacity(lists: usize) -> Self {
        Ends { ones: 0, small: Vec::new(), large: Vec::new(), expected: lists }
    }

    /// The number of lists.
    pub(super) fn len(&self) -> usize {
        self.ones + self.small.len() + self.large.len()
    }

    /// Where a list starts; for the number of lists, where the last one ends.
    #[inline]
    pub(super) fn start(&self, list: usize) -> usize {
        if list <= self.ones {
            return list;
        }
        let place = list - self.ones - 1;
        match self.small.get(place) {
            Some(&end) => end as usize,
            None => self.large[place - self.small.len()] as usize,
        }
    }

    /// The places of a list's elements.
    #[inline]
    pub(super) fn list(&self, list: usize) -> Range<usize> {
        self.start(list)..self.start(list + 1)
    }

    /// Where the last list ends.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.start(self.len())
    }

    /// Adds a list that ends at `end`.
    #[inline]
    pub(super) fn push(&mut self, end: usize) {
        if self.small.is_empty() && self.large.is_empty() {
            if end == self.ones + 1 {
                self.ones += 1;
                return;
            }
            self.small.reserve_exact(self.expected.saturating_sub(self.ones));
        }
        match u32::try_from(end) {
            Ok(end) if self.large.is_empty() => self.small.push(end),
            _ => self.large.push(end as u64),
        }
    }

    /// Adds `lists` lists with one element each.
    #[inline]
    pub(super) fn push_ones(&mut self, lists: usize) {
        if self.small.is_empty() && self.large.is_empty() {
            self.ones += lists;
        } else {
            let end = self.end();
            (1..=lists).for_each(|list| self.push(end + list));
        }
    }

    /// Adds lists of the same lengths as a range of others.
    #[inline]
    pub(super) fn extend(&mut self, from: &Self, lists: Range<usize>) {
        let (end, start) = (self.end(), from.start(lists.start));
        if from.start(lists.end) - start == lists.len() {
            self.push_ones(lists.len());
        } else {
            lists.for_each(|list| self.push(end + from.start(list + 1) - start));
        }
    }

    /// Drops all lists from number `lists` on.
    pub(super) fn truncate(&mut self, lists: usize) {
        self.ones = self.ones.min(lists);
        self.small.truncate(lists - self.ones);
        self.large.truncate(lists - self.ones - self.small.len());
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.small.shrink_to_fit();
        self.large.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn stored_ends(&self) -> usize {
        self.small.capacity() + self.large.capacity()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn lists(lengths: &[usize]) -> Ends {
        let mut ends = Ends::with_capacity(lengths.len());
        for length in lengths {
            ends.push(ends.end() + length);
        }
        ends
    }

    fn column(values: &[u8]) -> Repeats<u8> {
        let mut column = Repeats::with_capacity(values.len());
        values.iter().for_each(|value| column.push(*value));
        column
    }

    fn values(column: &Repeats<u8>) -> Vec<u8> {
        (0..column.len()).map(|place| *column.get(place)).collect()
    }

    fn lengths(ends: &Ends) -> Vec<usize> {
        (0..ends.len()).map(|list| ends.list(list).len()).collect()
    }

    #[test]
    fn what_is_regular_takes_no_space() {
        assert_eq!(column(&[1; 1000]).values.len(), 1);
        assert_eq!(column(&[1, 1, 2, 2]).values, [1, 2, 2]);
        assert_eq!(lists(&[1; 1000]).small, [0u32; 0]);
        assert_eq!(lists(&[1, 1, 3, 1]).small, [5, 6]);
    }

    #[test]
    fn an_end_beyond_32_bits_is_kept() {
        let far = u32::MAX as usize;
        let mut ends = Ends::with_capacity(4);
        [1, far, far + 1, far + 9].into_iter().for_each(|end| ends.push(end));
        ends.push_ones(2);
        assert_eq!(lengths(&ends), [1, far - 1, 1, 8, 1, 1]);
        assert_eq!((ends.small.len(), ends.large.len()), (1, 4));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_column_holds_what_was_added(
            own in vec(0..2u8, 0..6), other in vec(0..2u8, 1..9), copies in 1..4usize, start in 0..8usize,
            take in 1..9usize, cut in 0..20usize,
        ) {
            let range = start.min(other.len() - 1)..(start + take).min(other.len()).max(start.min(other.len() - 1) + 1);
            let mut made = column(&own);
            made.extend(&column(&other), range.clone(), |value| value / 2 + 1);
            made.push_copies(7, copies);
            let mut plain = own.clone();
            plain.extend(other[range].iter().map(|value| value / 2 + 1));
            plain.extend(vec![7; copies]);
            prop_assert_eq!(values(&made), &plain[..]);
            let (from, to) = (start.min(plain.len()), (start + take).min(plain.len()));
            let mut zipped = Vec::new();
            made.zip(from..to, &plain[from..to], |beside, value| zipped.push((*beside, *value)));
            prop_assert_eq!(zipped, plain[from..to].iter().map(|value| (*value, *value)).collect::<Vec<_>>());
            prop_assert_eq!(made.all(from..to, |value| *value < 2), plain[from..to].iter().all(|value| *value < 2));
            let cut = cut.min(plain.len());
            made.truncate(cut);
            plain.truncate(cut);
            prop_assert_eq!(values(&made), &plain[..]);
            made.push(1);
            prop_assert_eq!(values(&made), [&plain[..], &[1]].concat());
        }

        #[test]
        fn lists_keep_their_lengths(
            own in vec(1..3usize, 0..6), other in vec(1..3usize, 0..9), start in 0..9usize, ones in 0..4usize,
            cut in 0..18usize,
        ) {
            let range = start.min(other.len())..other.len();
            let mut made = lists(&own);
            made.extend(&lists(&other), range.clone());
            made.push_ones(ones);
            let plain = [&own[..], &other[range], &vec![1; ones]].concat();
            prop_assert_eq!(made.end(), plain.iter().sum::<usize>());
            prop_assert_eq!(lengths(&made), &plain[..]);
            let cut = cut.min(plain.len());
            made.truncate(cut);
            prop_assert_eq!(lengths(&made), &plain[..cut]);
            made.push_ones(1);
            prop_assert_eq!(lengths(&made), [&plain[..cut], &[1]].concat());
        }
    }
}
