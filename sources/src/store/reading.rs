//! A reading of all rows, for the source that follows the store and for a replay.

use dataflow::dictionary::Dictionary;
use dataflow::time::Millis;
use store::{FollowError, Follower, TableRow};

use super::batch::TableChanges;
use super::catalogue::StoreCatalogue;
use super::orders::StoreOrders;
use crate::fault::Fault;

/// A row that cannot be used: the reason, the row's id and the fault.
pub(super) type Refused = (&'static str, String, Fault<'static>);

/// The rows that are held.
pub(super) struct HeldRows<'h> {
    pub(super) catalogue: &'h mut StoreCatalogue,
    pub(super) orders: &'h mut StoreOrders,
}

/// Reads all rows, of orders those made at `since` or later. Returns the differences to the rows that were held before, and the
/// number of the last change. If it fails, the same rows are held as before.
pub(super) fn read_all(
    follower: &mut dyn Follower,
    since: Millis,
    held: HeldRows<'_>,
    dictionary: &Dictionary,
    refused: &mut Vec<Refused>,
) -> Result<(TableChanges, i64), FollowError> {
    let since = i64::try_from(since).unwrap_or(i64::MAX);
    let (mut catalogue, mut orders) = (held.catalogue.begin(), held.orders.begin());
    let last = follower.read_all(since, &mut |row| {
        let taken = match &row {
            TableRow::Category { .. } | TableRow::Product { .. } => catalogue.seen(&row, dictionary),
            TableRow::Order { .. } | TableRow::Line { .. } => orders.seen(&row, dictionary),
        };
        refused.extend(taken.err().map(|fault| refusal(row, fault)));
    })?;
    let mut changes = TableChanges::default();
    catalogue.finish(&mut changes.catalogue);
    orders.finish(&mut changes);
    Ok((changes, last))
}

pub(super) fn refusal(row: TableRow, fault: Fault<'static>) -> Refused {
    let id = match row {
        TableRow::Category { category, .. } => category,
        TableRow::Product { product, .. } => product,
        TableRow::Order { order, .. } | TableRow::Line { order, .. } => order,
    };
    (fault.reason(), id, fault)
}
