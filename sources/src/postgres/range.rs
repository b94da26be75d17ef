//! The tables as a past: read once, in one transaction, as far as a replay asks for them.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel, sync_channel};
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, RowKey};
use dataflow::source_status::SourceRegistry;
use dataflow::tables::{CatalogueRow, LineRow, OrderRow};
use postgres::{Client, Transaction};

use super::connection::Target;
use super::damage::Damage;
use super::error::Error;
use super::liveness::Pulse;
use super::names::{OrderTime, Which};
use super::opening::{Opened, Opening};
use super::pg_time::Writing;
use super::table::Scan;
use super::zone::Zones;
use super::{NAME, Settings, SettingsError};
use crate::fault::{category_key, id};
use crate::refusals::Refusals;
use crate::replay::{Asked, Refused, Tables};
use crate::side_thread::SideThread;

/// Refused rows that may wait to be taken.
const LETTERS_MAX: usize = 1024;

/// How often the server's silence is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Why the tables cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The settings cannot work.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Orders have no time of their own.
    #[error(
        "a replay needs the time of each order, and order_time = \"first_seen\" knows only the present: set [postgres] \
         order_time to a column"
    )]
    NoTime,
    /// The server cannot be reached, or the tables cannot be read.
    #[error("PostgreSQL at {place}: {reason}")]
    Failed {
        /// Host, port and database.
        place: String,
        /// What is wrong, and how to mend it where that is known.
        reason: String,
    },
}

/// Reads catalogue, orders and lines in one transaction.
///
/// # Errors
/// When the server cannot be reached or is silent for too long, or the tables cannot be read.
pub fn read(
    settings: Settings,
    asked: Asked,
    dictionary: &Arc<Dictionary>,
    status: &SourceRegistry,
    refused: &Refused,
) -> Result<Tables, RangeError> {
    settings.tables.check().map_err(SettingsError::from)?;
    let target = Target::new(&settings).map_err(SettingsError::from)?;
    if settings.tables.orders.time == OrderTime::FirstSeen {
        return Err(RangeError::NoTime);
    }
    let (status, pulse, silence_max) = (status.source(NAME), Arc::new(Pulse::new()), settings.silence_max);
    let place = target.place().to_owned();
    let failed = |reason: String| RangeError::Failed { place: place.clone(), reason };
    let (letters, refusals) = sync_channel(LETTERS_MAX);
    let (done, result) = channel();
    // In a thread of its own: a server that is frozen in the middle lets no call return.
    let _reader = SideThread::spawn("replay-tables", {
        let (pulse, at_work, dictionary) = (pulse.clone(), pulse.clone(), dictionary.clone());
        move |stop| {
            let mut scan =
                Scan { status: &status, letters: &letters, pulse: &pulse, stop: &stop, reading: 0, session: None };
            pulse.ask();
            let read = target.connect_unless(&stop.signal()).map_err(Error::from);
            let read = read.and_then(|mut client| {
                let tell = Arc::new(move |_| at_work.ask());
                client.allow_telling(settings.statement_timeout, "the reading of the tables", tell)?;
                scan_tables(&mut client, &settings, asked, &dictionary, &mut scan)
            });
            // Nobody waits any more where the reading was given up.
            let _ = done.send(read);
        }
    })
    .map_err(|error| failed(format!("no thread to read in: {error}")))?;
    loop {
        match refusals.recv_timeout(LOOK) {
            Ok(letter) => refused(letter),
            Err(RecvTimeoutError::Timeout) if pulse.silence() > silence_max => {
                return Err(failed(format!("silent for {} s", silence_max.as_secs())));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let read = result.recv().map_err(|_| failed("the reading ended unexpectedly".to_owned()))?;
    read.map_err(|error| failed(error.to_string()))
}

fn scan_tables(
    client: &mut Client,
    settings: &Settings,
    asked: Asked,
    dictionary: &Dictionary,
    scan: &mut Scan<'_>,
) -> Result<Tables, Error> {
    let cutoff = asked.from.saturating_sub(asked.window_ms);
    let opening = Opening { settings, snapshot: None, without: [false; 3], cutoff, key: None };
    let (mut zones, mut damage, mut refusals) = (Zones::default(), Damage::default(), Refusals::default());
    opening.attempts(client, &mut zones, &mut damage, scan, |opened, damage, scan| {
        scan_once(&opening, opened, damage, asked, dictionary, &mut refusals, scan)
    })
}

fn scan_once(
    opening: &Opening<'_>,
    opened: Opened<'_>,
    damage: &mut Damage,
    asked: Asked,
    dictionary: &Dictionary,
    refusals: &mut Refusals,
    scan: &mut Scan<'_>,
) -> Result<Tables, Error> {
    let Opened { mut transaction, layout, spelling } = opened;
    let tables = &opening.settings.tables;
    let (mut found, mut accepted) = (Tables::default(), 0);
    let mut source = |which, transaction: &mut Transaction<'_>, scan: &Scan<'_>, refusals: &mut Refusals| {
        let mut source = opening.source(which, &layout, &spelling);
        scan.without_damage(transaction, damage, &mut source, refusals)?;
        Ok::<_, Error>(source)
    };

    let (product, category) = (&*tables.products.product_id, &*tables.products.category_id);
    let products = source(Which::Products, &mut transaction, scan, refusals)?;
    scan.table(&mut transaction, &products, refusals, |row| {
        let product = dictionary.product(id(row.text(0)?.as_deref(), product)?)?;
        let category = row.text(1).and_then(|text| category_key(text.as_deref(), category, dictionary));
        found
            .catalogue
            .push(CatalogueRow { product, category: category.as_ref().copied().unwrap_or(CategoryKey::NONE) });
        category?;
        accepted += 1;
        Ok(())
    })?;

    let Some(writing) = layout.time.map(Writing::of_column) else { return Ok(found) };
    let (order, user) = (&*tables.orders.order_id, &*tables.orders.user_id);
    let status = tables.status_at().zip(tables.orders.status.as_ref());
    let orders = source(Which::Orders, &mut transaction, scan, refusals)?;
    scan.table(&mut transaction, &orders, refusals, |row| {
        let created_at = row.millis(2, writing, &spelling.zone)?;
        let counts = match status {
            Some((column, status)) => status.counts(row.text(column)?.as_deref()),
            None => true,
        };
        if counts && asked.counts(created_at) {
            let order = dictionary.order(id(row.text(0)?.as_deref(), order)?);
            let user = dictionary.user(id(row.text(1)?.as_deref(), user)?);
            found.orders.push(OrderRow::counting(order, user, created_at));
            accepted += 1;
        }
        Ok(())
    })?;

    let (order, product) = (&*tables.order_items.order_id, &*tables.order_items.product_id);
    let lines = source(Which::OrderItems, &mut transaction, scan, refusals)?;
    scan.table(&mut transaction, &lines, refusals, |row| {
        let order = dictionary.order(id(row.text(0)?.as_deref(), order)?);
        let product = dictionary.product(id(row.text(1)?.as_deref(), product)?)?;
        found.lines.push(LineRow { order, product, row: RowKey::NONE });
        accepted += 1;
        Ok(())
    })?;

    transaction.commit()?;
    scan.status.accepted(accepted);
    Ok(found)
}
