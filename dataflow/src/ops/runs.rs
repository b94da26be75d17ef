//! Adding up rows that were read from several batches.

use differential_dataflow::difference::Semigroup;

/// Adds up the differences of equal rows, and drops rows whose differences add up to nothing. `rows` are runs that are
/// in order each, one for each batch that was read; they are in order afterwards.
///
/// A stable sort finds the runs and merges them, which is several times faster than sorting rows in any order.
pub(crate) fn add_up<V: Ord, R: Semigroup>(rows: &mut Vec<(V, R)>) {
    combine(rows);
    rows.retain(|(_, diff)| !diff.is_zero());
}

/// The same, and keeps rows whose differences add up to nothing.
pub(crate) fn combine<V: Ord, R: Semigroup>(rows: &mut Vec<(V, R)>) {
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows.dedup_by(|next, kept| {
        let is_same = next.0 == kept.0;
        if is_same {
            kept.1.plus_equals(&next.1);
        }
        is_same
    });
}

/// Adds a row of a later run: to the equal row among the first `in_order` rows, which are in order, or at the end. After all
/// runs, [`add_up`] is needed only if there are more rows than these; without it, rows may be left whose sum is zero.
///
/// The first run is mostly the longest by far, and most rows of later runs change one of it.
#[inline]
pub(crate) fn add_row<V: Ord, R: Semigroup>(rows: &mut Vec<(V, R)>, in_order: usize, value: V, diff: R) {
    match rows[..in_order].binary_search_by(|(known, _)| known.cmp(&value)) {
        Ok(place) => rows[place].1.plus_equals(&diff),
        Err(_) => rows.push((value, diff)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_of_several_runs_become_one() {
        let mut rows = vec![(1, 1_isize), (5, 1), (7, 1), (2, 1), (5, -1), (7, 2), (2, 3)];
        add_up(&mut rows);
        assert_eq!(rows, [(1, 1), (2, 4), (7, 3)]);
    }

    #[test]
    fn rows_of_later_runs_are_added_to_those_of_the_first() {
        let mut rows = vec![(1, 1_isize), (5, 1), (7, 1)];
        for (value, diff) in [(5, -1), (7, 2), (6, 3), (6, 1)] {
            add_row(&mut rows, 3, value, diff);
        }
        assert_eq!(rows, [(1, 1), (5, 0), (7, 3), (6, 3), (6, 1)]);
        add_up(&mut rows);
        assert_eq!(rows, [(1, 1), (6, 4), (7, 3)]);
    }
}
