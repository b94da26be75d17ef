//! One reading of all three tables, in one transaction: what differs from the reading before is the change. A reading that
//! fails changes nothing.

pub(crate) mod queries;
pub mod range;
pub(crate) mod read_plan;
pub(crate) mod unreadable_rows;

use dataflow::dictionary::Dictionary;
use dataflow::time::Millis;
use postgres::Client;

use self::read_plan::{OpenRead, ReadPlan, TableReadState};
use crate::postgres::rows::table_cache::{ChangeSet, TableCache};
use crate::postgres::rows::table_scan::TableScan;
use crate::postgres::session::error::Error;

/// Reads the tables as of `now` into the cache.
pub(crate) fn read(
    cache: &mut TableCache,
    state: &mut TableReadState,
    client: &mut Client,
    plan: &ReadPlan<'_>,
    dictionary: &Dictionary,
    now: Millis,
    scan: &TableScan<'_>,
) -> Result<ChangeSet, Error> {
    let (tables, span) = (&plan.settings.tables, plan.settings.span(now));
    plan.attempts(client, state, scan, |mut opened, unreadable| {
        let (mut reading, refusals, orphan_lines) = cache.begin(tables, &opened.layout, plan.without, span);
        plan.read_tables(&mut opened, unreadable, dictionary, refusals, scan, &mut reading)?;
        let read = reading.finish();
        let OpenRead { mut transaction, layout, format } = opened;
        // A reading for the log has all lines; polling has left out those without an order.
        if layout.time.is_some() && plan.key.is_none() {
            orphan_lines.ask(&mut transaction, &plan.queries(&layout, &format).lines_without_order())?;
        }
        transaction.commit()?;
        Ok(cache.take(read, scan.status))
    })
}
