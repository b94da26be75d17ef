//! Where the shop's rows are kept: in the database of `[postgres]`, or in a SQLite file.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sources::postgres::NAME;
use store::postgres::{PgClient, PostgresStore};
use store::sqlite::SqliteStore;
use store::{Follow, Store};

use crate::config::Config;

/// The store, if `[store]` is configured.
#[derive(Default)]
pub(crate) struct ShopRows {
    /// The rows, for the paths that read and write them.
    pub(crate) store: Option<Arc<dyn Store>>,
    /// The log of changes of the store itself. Of a database the source of `[postgres]` hears all changes.
    pub(crate) followed: Option<Arc<dyn Follow>>,
}

impl ShopRows {
    /// Opens the store. A database that is away is no error.
    ///
    /// # Errors
    /// When the file cannot be opened, or no thread can be started.
    pub(crate) fn open(config: &Config) -> anyhow::Result<ShopRows> {
        let Some(settings) = config.store.clone() else { return Ok(ShopRows::default()) };
        let Some(postgres) = &config.postgres else {
            let store = Arc::new(SqliteStore::open(settings)?);
            return Ok(ShopRows { store: Some(store.clone()), followed: Some(store) });
        };
        let target = postgres.target()?;
        let connect_max = postgres.connect_timeout;
        let connect = move |patience: Option<Duration>| {
            let target = patience.map_or_else(|| target.clone(), |long| target.clone().within(connect_max, long));
            let connection = target.connect().map_err(|error| error.to_string())?;
            Ok(Box::new(connection) as PgClient)
        };
        let store = PostgresStore::open(settings, Arc::new(connect), NAME)
            .context("the thread of the store's database cannot be started")?;
        Ok(ShopRows { store: Some(Arc::new(store)), followed: None })
    }
}

/// The SQLite file of `[store]`, for commands that only read it; none if the shop's rows are elsewhere. Of a file that `vitrine serve`
/// has not made yet, a command would read an empty shop.
///
/// # Errors
/// When the file is not there, or cannot be opened.
pub(crate) fn made_file(config: &Config) -> anyhow::Result<Option<Arc<SqliteStore>>> {
    let Some(settings) = config.store.clone().filter(|_| config.postgres.is_none()) else { return Ok(None) };
    let path = settings.path.display();
    if !settings.path.try_exists().with_context(|| format!("`store.path`: {path} cannot be read"))? {
        bail!("`store.path`: {path} is not there: `vitrine serve` makes the file of [store] at its first start");
    }
    store::sqlite::open(settings).context("the file of [store] cannot be opened").map(Some)
}
