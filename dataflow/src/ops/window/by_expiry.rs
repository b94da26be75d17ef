//! [`ByExpiry`]: order lines in the order in which they leave the window.
//!
//! Lines are kept in sorted chunks. Lines that come in the order of time fill one chunk after the other, so that they
//! take little more than their own size; a chunk into whose middle a line comes is split when it is full.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use crate::ids::{ProductKey, UserKey};
use crate::time::{Diff, Time};

/// Lines in a chunk at most. Adding a line moves half a chunk: 2 KiB.
const CHUNK_MAX: usize = 128;

/// An order line, and when it leaves the window.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Expiring {
    pub(super) expiry: Time,
    pub(super) product: ProductKey,
    pub(super) user: UserKey,
}

/// Lines in the order of their expiry, with the number of equal lines.
#[derive(Default)]
pub(super) struct ByExpiry {
    /// Chunks by a line that none of their lines comes before. No chunk is empty.
    chunks: BTreeMap<Expiring, Vec<Expiring>>,
    /// The numbers of lines of which there are several.
    copies: HashMap<Expiring, u32, RandomState>,
}

impl ByExpiry {
    /// Adds copies of a line, or takes copies away; returns their number before and after. It is never negative.
    pub(super) fn add(&mut self, line: Expiring, diff: Diff) -> (u32, u32) {
        let chunk = self.chunks.range_mut(..=line).next_back();
        let place = chunk.as_ref().and_then(|(_, lines)| lines.binary_search(&line).ok());
        let before = if place.is_some() { self.copies.get(&line).copied().unwrap_or(1) } else { 0 };
        let after = u32::try_from((i64::from(before) + diff as i64).max(0)).unwrap_or(u32::MAX);
        if after > 1 {
            self.copies.insert(line, after);
        } else if before > 1 {
            self.copies.remove(&line);
        }
        match (chunk, place) {
            (Some((&start, lines)), Some(place)) if after == 0 => {
                lines.remove(place);
                if lines.len() < lines.capacity() / 4 {
                    lines.shrink_to(2 * lines.len());
                }
                if lines.is_empty() {
                    self.chunks.remove(&start);
                }
            }
            (_, None) if after > 0 => self.insert(line),
            _ => {}
        }
        (before, after)
    }

    /// Inserts a line that is not there.
    fn insert(&mut self, line: Expiring) {
        let Some((_, lines)) = self.chunks.range_mut(..=line).next_back() else {
            // The new first line starts a chunk, or is put before the first one.
            let lines = self.chunks.first_entry().filter(|first| first.get().len() < CHUNK_MAX);
            let mut lines = lines.map(|first| first.remove()).unwrap_or_default();
            lines.insert(0, line);
            self.chunks.insert(line, lines);
            return;
        };
        let place = lines.partition_point(|other| *other < line);
        if lines.len() < CHUNK_MAX {
            lines.insert(place, line);
            return;
        }
        // Behind its last line, a full chunk stays full.
        let mut rest = lines.split_off(if place == CHUNK_MAX { place } else { CHUNK_MAX / 2 });
        match place.checked_sub(lines.len()) {
            Some(place) => rest.insert(place, line),
            None => lines.insert(place, line),
        }
        self.chunks.insert(rest[0], rest);
    }

    /// Removes the lines that expire at `now` or before, and gives each with its number of copies.
    pub(super) fn take_until(&mut self, now: Time, mut take: impl FnMut(Expiring, u32)) {
        while let Some(mut chunk) = self.chunks.first_entry().filter(|chunk| chunk.key().expiry <= now) {
            let lines = chunk.get_mut();
            let expired = lines.partition_point(|line| line.expiry <= now);
            for line in lines.drain(..expired) {
                take(line, if self.copies.is_empty() { 1 } else { self.copies.remove(&line).unwrap_or(1) });
            }
            if !lines.is_empty() {
                return;
            }
            chunk.remove();
        }
    }

    /// Gives the lines that expire after `after` and at `until` or before, each with its number of copies.
    pub(super) fn for_each_between(&self, after: Time, until: Time, mut give: impl FnMut(Expiring, u32)) {
        let first = |expiry| Expiring { expiry, product: ProductKey::default(), user: UserKey::default() };
        let [from, to] = [after, until].map(|time| first(time.saturating_add(1)));
        let start = self.chunks.range(..=from).next_back().map_or(from, |(start, _)| *start);
        for lines in self.chunks.range(start.min(to)..to).map(|(_, lines)| lines) {
            let skipped = lines.partition_point(|line| *line < from);
            for line in lines[skipped..].iter().take_while(|line| **line < to) {
                give(*line, self.copies.get(line).copied().unwrap_or(1));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.copies.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::dictionary::Dictionary;
    use crate::ids::Ids;

    fn line(expiry: Time, user: u8) -> Expiring {
        let ids = Dictionary::new(Ids::new([0; 16]));
        Expiring { expiry, product: ids.product("lamp").unwrap(), user: ids.user(&user.to_string()) }
    }

    /// The sorted lines of the chunks, and the number of chunks.
    fn all(lines: &ByExpiry) -> (Vec<(Expiring, u32)>, usize) {
        let mut all = Vec::new();
        lines.for_each_between(0, Time::MAX, |line, copies| all.push((line, copies)));
        (all, lines.chunks.len())
    }

    #[test]
    fn lines_in_the_order_of_time_fill_their_chunks() {
        let mut lines = ByExpiry::default();
        for expiry in 1..=10 * CHUNK_MAX as Time {
            assert_eq!(lines.add(line(expiry, 0), 1), (0, 1));
        }
        assert_eq!(all(&lines).1, 10);
        assert!(lines.chunks.values().all(|chunk| chunk.capacity() == CHUNK_MAX));
        for expiry in (1..=10 * CHUNK_MAX as Time).filter(|expiry| expiry % 16 > 0) {
            assert_eq!(lines.add(line(expiry, 0), -1), (1, 0));
        }
        assert!(lines.chunks.values().all(|chunk| chunk.capacity() <= 4 * chunk.len()));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn lines_are_kept_as_in_a_plain_map(
            steps in vec((1..400u64, 0..3u8, prop_oneof![4 => Just(1isize), 1 => Just(2), 2 => Just(-1)]), 0..1500),
            edges in vec(0..400u64, 3),
        ) {
            let (mut lines, mut plain) = (ByExpiry::default(), BTreeMap::new());
            let stamps: Vec<Expiring> = (0..3).map(|user| line(0, user)).collect();
            for (expiry, user, diff) in steps {
                let line = Expiring { expiry, ..stamps[usize::from(user)] };
                let before = plain.get(&line).copied().unwrap_or(0);
                let after = u32::try_from((before as isize + diff).max(0)).unwrap();
                prop_assert_eq!(lines.add(line, diff), (before, after));
                if after == 0 { plain.remove(&line); } else { plain.insert(line, after); }
            }
            prop_assert!(all(&lines).0 == plain.clone().into_iter().collect::<Vec<_>>());
            let mut between = Vec::new();
            let (after, until) = (edges[0].min(edges[1]), edges[0].max(edges[1]));
            lines.for_each_between(after, until, |line, copies| between.push((line, copies)));
            let is_between = |line: &Expiring| after < line.expiry && line.expiry <= until;
            prop_assert!(between == plain.clone().into_iter().filter(|(line, _)| is_between(line)).collect::<Vec<_>>());
            let mut taken = Vec::new();
            lines.take_until(edges[2], |line, copies| taken.push((line, copies)));
            let (gone, left): (Vec<_>, Vec<_>) = plain.into_iter().partition(|(line, _)| line.expiry <= edges[2]);
            prop_assert!(taken == gone && all(&lines).0 == left);
            lines.take_until(400, |_, _| {});
            prop_assert!(lines.is_empty());
        }
    }
}
