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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_rows_of_several_runs_become_one() {
        let mut rows = vec![(1, 1_isize), (5, 1), (7, 1), (2, 1), (5, -1), (7, 2), (2, 3)];
        add_up(&mut rows);
        assert_eq!(rows, [(1, 1), (2, 4), (7, 3)]);
    }
}
