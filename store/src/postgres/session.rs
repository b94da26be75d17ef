//! The connection of one thread: opened when it is needed, and again after it was lost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres::Client;

use super::LONG;
use super::connect::{Connect, PgClient};
use super::opening::{self, TableAccess};
use super::reason::PgError;
use super::rows::ShopSql;
use crate::error::StoreError;

/// The pause after a failed attempt to connect, in which requests get its reason at once, and after a look at tables that
/// are of no use.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Makes sure that what is acknowledged is on the disk, whatever the database's default is.
const DURABLE: &str = "
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

pub(super) struct PgSession {
    connect: Arc<Connect>,
    manage: bool,
    sql: ShopSql,
    open: Option<PreparedSession>,
    failed: Option<(Instant, String)>,
}

struct PreparedSession {
    client: PgClient,
    access: TableAccess,
    looked: Instant,
}

impl PgSession {
    pub(super) fn new(connect: Arc<Connect>, manage: bool) -> PgSession {
        PgSession { connect, manage, sql: ShopSql::made(), open: None, failed: None }
    }

    /// A session whose statements may take long.
    pub(super) fn long(connect: &Arc<Connect>, manage: bool) -> PgSession {
        let connect = connect.clone();
        PgSession::new(Arc::new(move |_| (*connect)(Some(LONG))), manage)
    }

    /// The connection, and what may be done with the tables.
    pub(super) fn get(&mut self) -> Result<(&mut Client, &ShopSql, TableAccess), StoreError> {
        let PgSession { connect, manage, sql, open, failed } = self;
        if let Some((_, reason)) = failed.as_ref().filter(|(at, _)| at.elapsed() < PAUSE) {
            return Err(StoreError::Unavailable(reason.clone()));
        }
        let stale = |open: &PreparedSession| open.access != TableAccess::Writes && open.looked.elapsed() >= PAUSE;
        let kept = open.take().filter(|open| !open.client.is_closed());
        let opened = match kept {
            Some(open) if !stale(&open) => Ok(open),
            Some(open) => look(open.client, *manage, &**connect),
            None => (connect)(None).and_then(|client| look(client, *manage, &**connect)),
        };
        *failed = opened.as_ref().err().map(|reason| (Instant::now(), reason.clone()));
        let opened = open.insert(opened.map_err(StoreError::Unavailable)?);
        Ok((&mut *opened.client, sql, opened.access.clone()))
    }

    /// Reads; once more on a new connection if the kept one was lost.
    pub(super) fn read<R>(
        &mut self,
        read: impl Fn(&mut Client, &ShopSql) -> Result<R, PgError>,
    ) -> Result<R, StoreError> {
        let was_open = self.open.is_some();
        let (client, sql, access) = self.get()?;
        if let TableAccess::Nothing(reason) = access {
            return Err(StoreError::Elsewhere(reason));
        }
        let mut done = read(client, sql);
        if done.is_err() && client.is_closed() && was_open {
            let (client, sql, _) = self.get()?;
            done = read(client, sql);
        }
        Ok(done?)
    }
}

fn look(mut client: PgClient, manage: bool, connect: &Connect) -> Result<PreparedSession, String> {
    client.batch_execute(DURABLE).map_err(|error| PgError::from(error).to_string())?;
    let access = opening::prepare(&mut client, manage, connect)?;
    if let TableAccess::Nothing(reason) = &access {
        tracing::warn!(reason, "the store is of no use");
    }
    Ok(PreparedSession { client, access, looked: Instant::now() })
}
