//! Lists that are long enough to be shown, for systems that keep a copy of the lists. Readers apply the same rule
//! ([`Rules::shows`](crate::rules::Rules::shows)) when they read.

use differential_dataflow::operators::CountTotal;

use super::index::{List, RowChanges};
use crate::rules::Rules;
use crate::trace::arranged::{by_key, by_self};

/// The rows of lists with at least `items_min` rows. When a list becomes too short, all its rows leave.
pub(super) fn shown<L: List>(rows: RowChanges<'_, L>, items_min: usize) -> RowChanges<'_, L> {
    // With this setting every list with a row is shown: nothing needs to be counted.
    if items_min <= 1 {
        return rows;
    }
    let lengths = by_self(rows.clone().map(|(key, _)| key), "ListLengths", L::route).count_total();
    let long = lengths.filter(move |(_, rows)| Rules::is_shown(rows.unsigned_abs(), items_min)).map(|(key, _)| key);
    by_key(rows, "ListRows", L::route)
        .join_core(by_self(long, "ListsShown", L::route), |key, row, &()| Some((*key, *row)))
}
