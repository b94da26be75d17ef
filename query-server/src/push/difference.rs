//! The difference of two lists: rows that go, then rows that come, each with its place.

/// The difference of two lists.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// The places of the rows that go, in the list before, ascending.
    pub(super) removed: Vec<usize>,
    /// The places of the rows that come, in the list after, ascending. Each is put in at its place, one after the other.
    pub(super) placed: Vec<usize>,
}

/// The difference that leaves most rows where they are: those of the longest common subsequence.
pub(super) fn difference<T: PartialEq<U>, U>(before: &[T], after: &[U]) -> Difference {
    let (rows, width) = (before.len(), after.len() + 1);
    // The lengths of the longest common subsequences of the rests.
    let mut lengths = vec![0_usize; (rows + 1) * width];
    for (at, row) in before.iter().enumerate().rev() {
        for (to, other) in after.iter().enumerate().rev() {
            let (below, right) = (lengths[(at + 1) * width + to], lengths[at * width + to + 1]);
            let length = if row == other { lengths[(at + 1) * width + to + 1] + 1 } else { below.max(right) };
            lengths[at * width + to] = length;
        }
    }
    let (mut at, mut to) = (0, 0);
    let mut difference = Difference { removed: Vec::new(), placed: Vec::new() };
    while at < before.len() && to < after.len() {
        if before[at] == after[to] {
            (at, to) = (at + 1, to + 1);
        } else if lengths[(at + 1) * width + to] >= lengths[at * width + to + 1] {
            difference.removed.push(at);
            at += 1;
        } else {
            difference.placed.push(to);
            to += 1;
        }
    }
    difference.removed.extend(at..before.len());
    difference.placed.extend(to..after.len());
    difference
}

#[cfg(test)]
mod tests {
    use harness::Dice;

    use super::*;

    /// What a client does.
    fn applied(before: &[u64], difference: &Difference, after: &[u64]) -> Vec<u64> {
        let kept = before.iter().enumerate().filter(|(at, _)| !difference.removed.contains(at));
        let mut list: Vec<u64> = kept.map(|(_, row)| *row).collect();
        for at in &difference.placed {
            list.insert(*at, after[*at]);
        }
        list
    }

    #[test]
    fn a_client_that_applies_it_has_the_list() {
        let mut dice = Dice::new(5);
        for _ in 0..2000 {
            let (length, other) = (dice.below(12), dice.below(12));
            let before: Vec<u64> = (0..length).map(|_| dice.below(9)).collect();
            let after: Vec<u64> = (0..other).map(|_| dice.below(9)).collect();
            let found = difference(&before, &after);
            assert_eq!(applied(&before, &found, &after), after, "{before:?} {after:?} {found:?}");
        }
    }

    #[test]
    fn most_rows_stay() {
        assert_eq!(difference(&[1, 2, 3], &[1, 2, 3]), Difference { removed: vec![], placed: vec![] });
        assert_eq!(difference(&[1, 2, 3], &[9, 1, 2]), Difference { removed: vec![2], placed: vec![0] });
        assert_eq!(difference(&[1, 2, 3], &[3, 1, 2]), Difference { removed: vec![2], placed: vec![0] });
        assert_eq!(difference::<u8, u8>(&[], &[7]), Difference { removed: vec![], placed: vec![0] });
    }
}
