//! One reading of all three tables, in one transaction: what differs from the reading before is the change. A reading that
//! fails changes nothing.

use dataflow::dictionary::Dictionary;
use dataflow::time::Millis;
use postgres::Client;

use super::damage::Damage;
use super::error::Error;
use super::opening::{Opened, Opening};
use super::table::Scan;
use super::table_cache::{Change, TableCache};

/// Reads the tables as of `now` into the cache.
pub(super) fn read(
    cache: &mut TableCache,
    client: &mut Client,
    plan: &Opening<'_>,
    dictionary: &Dictionary,
    now: Millis,
    scan: &Scan<'_>,
) -> Result<Change, Error> {
    let (mut zones, mut damage) = (std::mem::take(&mut cache.zones), std::mem::take(&mut cache.damage));
    let read = plan.attempts(client, &mut zones, &mut damage, scan, |opened, damage| {
        read_once(cache, plan, opened, damage, dictionary, now, scan)
    });
    (cache.zones, cache.damage) = (zones, damage);
    read
}

fn read_once(
    cache: &mut TableCache,
    plan: &Opening<'_>,
    mut opened: Opened<'_>,
    damage: &mut Damage,
    dictionary: &Dictionary,
    now: Millis,
    scan: &Scan<'_>,
) -> Result<Change, Error> {
    let (tables, span) = (&plan.settings.tables, plan.settings.span(now));
    let (mut reading, refusals, unmatched) = cache.begin(tables, &opened.layout, plan.without, span);
    plan.read_tables(&mut opened, damage, dictionary, refusals, scan, &mut reading)?;
    let read = reading.finish();
    let Opened { mut transaction, layout, spelling } = opened;
    // The log tells of every line; a reading of its own has left out the lines that have no order.
    if layout.time.is_some() && plan.key.is_none() {
        unmatched.ask(&mut transaction, &plan.queries(&layout, &spelling).lines_without_order())?;
    }
    transaction.commit()?;
    Ok(cache.take(read, scan.status))
}
