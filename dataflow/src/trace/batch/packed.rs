//! [`PackedColumn`]: a column of differences most of which fit into a word of few bytes.
//!
//! ```text
//! words    w0 w1 #0 w3 #1 #1 w6      a difference, or the number of one that does not fit
//! whole    d2 d4                     those that do not fit, in order; equal ones that follow each other once
//! ```

use std::ops::Range;

use super::columns::Repeats;
use super::storable::DiffColumn;

/// 96 bits, of which [`WHOLE`] is free for the column.
pub type Word = [u32; 3];

/// The bit that a packed difference does not use.
pub const WHOLE: u32 = 1 << 31;

/// A difference most of whose values fit into a [`Word`].
pub trait Pack: Clone + PartialEq {
    /// The difference without the bit [`WHOLE`] of the first number; none if it does not fit.
    fn pack(&self) -> Option<Word>;

    /// The difference of a word that [`Pack::pack`] returned.
    fn unpack(word: Word) -> Self;
}

/// A column of differences, each packed if it fits.
pub struct PackedColumn<R> {
    words: Repeats<Word>,
    whole: Vec<R>,
}

impl<R: Pack> DiffColumn<R> for PackedColumn<R> {
    fn with_capacity(diffs: usize) -> Self {
        PackedColumn { words: Repeats::with_capacity(diffs), whole: Vec::new() }
    }

    #[inline]
    fn count(&self) -> usize {
        self.words.len()
    }

    #[inline]
    fn with<T>(&self, place: usize, read: impl FnOnce(&R) -> T) -> T {
        let word = *self.words.get(place);
        match number(word) {
            None => read(&R::unpack(word)),
            Some(number) => read(&self.whole[number]),
        }
    }

    #[inline]
    fn zip<B>(&self, range: Range<usize>, beside: &[B], mut take: impl FnMut(&B, &R)) {
        self.words.zip(range, beside, |beside, word| match number(*word) {
            None => take(beside, &R::unpack(*word)),
            Some(number) => take(beside, &self.whole[number]),
        });
    }

    #[inline]
    fn push(&mut self, diff: R) {
        let word = diff.pack().unwrap_or_else(|| keep(&mut self.whole, &diff));
        self.words.push(word);
    }

    #[inline]
    fn extend(&mut self, from: &Self, range: Range<usize>) {
        let PackedColumn { words, whole } = self;
        words.extend(&from.words, range, |word| match number(*word) {
            None => *word,
            Some(number) => keep(whole, &from.whole[number]),
        });
    }

    fn truncate(&mut self, len: usize) {
        if let Some(first) = (len..self.words.len()).find_map(|place| number(*self.words.get(place))) {
            // A word that stays may have the same number.
            self.whole.truncate(first + 1);
        }
        self.words.truncate(len);
    }

    fn shrink_to_fit(&mut self) {
        self.words.shrink_to_fit();
        self.whole.shrink_to_fit();
    }
}

#[cfg(test)]
impl<R> PackedColumn<R> {
    pub(super) fn stored_bytes(&self) -> usize {
        self.words.stored_values() * size_of::<Word>() + self.whole.capacity() * size_of::<R>()
    }
}

/// Adds a difference that does not fit, unless it is equal to the last one; returns the word with its number.
fn keep<R: Clone + PartialEq>(whole: &mut Vec<R>, diff: &R) -> Word {
    if whole.last() != Some(diff) {
        whole.push(diff.clone());
    }
    let number = whole.len() as u64 - 1;
    // The upper half is below the bit: no memory has that many differences.
    [WHOLE | (number >> 32) as u32, number as u32, 0]
}

/// The number of the difference that does not fit, if the word is one.
#[inline]
fn number([first, second, _]: Word) -> Option<usize> {
    (first & WHOLE != 0).then_some(((first & !WHOLE) as usize) << 32 | second as usize)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Fits if it is small.
    impl Pack for u8 {
        fn pack(&self) -> Option<Word> {
            (*self < 3).then_some([WHOLE - 1, u32::from(*self), u32::MAX])
        }

        fn unpack([_, number, _]: Word) -> u8 {
            number as u8
        }
    }

    fn column(values: &[u8]) -> PackedColumn<u8> {
        let mut column = PackedColumn::with_capacity(values.len());
        values.iter().for_each(|value| column.push(*value));
        column
    }

    fn values(column: &PackedColumn<u8>) -> Vec<u8> {
        (0..column.count()).map(|place| column.with(place, |value| *value)).collect()
    }

    #[test]
    fn equal_values_that_do_not_fit_are_stored_once() {
        let [mut one, other] = [&[9; 1000][..], &[1, 9, 8, 1]].map(column);
        one.shrink_to_fit();
        assert_eq!((one.words.stored_values(), &one.whole[..]), (1, &[9][..]));
        one.extend(&other, 0..4);
        assert_eq!(one.whole, [9, 8]);
    }

    #[test]
    fn large_numbers_are_kept() {
        let far = (u64::from(u32::MAX) + 5) as usize;
        assert_eq!(number([WHOLE | 1, 4, 0]), Some(far));
        assert_eq!(number([WHOLE - 1, u32::MAX, u32::MAX]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

        #[test]
        fn a_column_holds_what_was_added(
            own in vec(1..5u8, 0..9), other in vec(1..5u8, 1..9), bounds in (0..8usize, 1..9usize), cut in 0..20usize,
            more in vec(1..5u8, 0..5),
        ) {
            let start = bounds.0.min(other.len() - 1);
            let range = start..(start + bounds.1).min(other.len());
            let (mut made, mut plain) = (column(&own), own.clone());
            made.extend(&column(&other), range.clone());
            plain.extend(&other[range]);
            prop_assert_eq!(values(&made), &plain[..]);
            let cut = cut.min(plain.len());
            made.truncate(cut);
            plain.truncate(cut);
            prop_assert_eq!(values(&made), &plain[..]);
            for value in more {
                made.push(value);
                plain.push(value);
            }
            made.shrink_to_fit();
            prop_assert_eq!(values(&made), &plain[..]);
        }
    }
}
