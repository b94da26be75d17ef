//! The first rows of a list by weight.

/// Keeps the `size` heaviest rows, ties by value. `rows` are ordered by value, and stay so; `weights` is a buffer. `size` is not 0.
pub(crate) fn keep_heaviest<V>(rows: &mut Vec<(V, i32)>, size: usize, weights: &mut Vec<i32>) {
    if rows.len() <= size {
        return;
    }
    weights.clear();
    weights.extend(rows.iter().map(|(_, weight)| *weight));
    let (heavier, least, _) = weights.select_nth_unstable_by(size - 1, |one, other| other.cmp(one));
    let least = *least;
    // So many of the rows with the least weight are kept.
    let mut ties = size - heavier.iter().filter(|weight| **weight > least).count();
    rows.retain(|(_, weight)| {
        let is_tie = *weight == least && ties > 0;
        ties -= usize::from(is_tie);
        *weight > least || is_tie
    });
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_heaviest_are_the_first_of_a_sort_in_their_old_order(weights in vec(-1..5i32, 0..20), size in 1..22usize) {
            let rows: Vec<(usize, i32)> = weights.into_iter().enumerate().collect();
            let mut expected = rows.clone();
            expected.sort_by_key(|(value, weight)| (Reverse(*weight), *value));
            expected.truncate(size);
            expected.sort_unstable();
            let mut kept = rows;
            keep_heaviest(&mut kept, size, &mut Vec::new());
            prop_assert_eq!(kept, expected);
        }
    }
}
