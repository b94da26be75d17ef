//! What the shop says about its products: names, texts and embeddings. They are read whole, again and again, for content
//! vectors; they do not pass through the graph.
//!
//! ```text
//! products of PostgreSQL ─┐
//! product_catalog.csv ────┼─▶ DescriptionReader ─▶ one Description a product
//! products of the store ──┘
//! ```
//! Files and the store are only read again if they have changed since the last reading. A product of several rows comes
//! several times.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use store::Follow;

use crate::description::{Description, DescriptionColumns, DescriptionsError, Reading};
use crate::files::descriptions::FileDescriptions;
use crate::postgres;
use crate::postgres::descriptions::TableDescriptions;
use crate::store::descriptions::StoreDescriptions;

/// Where the products are.
#[derive(Clone)]
pub enum DescriptionHome {
    /// In the file `product_catalog.csv` of this directory.
    Files(PathBuf),
    /// In the table of products of a database.
    Postgres(Box<postgres::Settings>),
    /// In Vitrine's own store, whose fields have fixed names.
    Store(Arc<dyn Follow>),
}

/// Reads the descriptions of all products.
pub struct DescriptionReader(Home);

enum Home {
    Files(FileDescriptions),
    Postgres(Box<TableDescriptions>),
    Store(StoreDescriptions),
}

impl DescriptionReader {
    /// A reader that has read nothing yet. The columns are those of a file or of a database.
    ///
    /// # Errors
    /// When the settings of the database cannot work.
    pub fn new(home: DescriptionHome, columns: DescriptionColumns) -> Result<DescriptionReader, DescriptionsError> {
        Ok(DescriptionReader(match home {
            DescriptionHome::Files(dir) => Home::Files(FileDescriptions::new(&dir, columns)),
            DescriptionHome::Postgres(settings) => {
                Home::Postgres(Box::new(TableDescriptions::new(&settings, columns)?))
            }
            DescriptionHome::Store(store) => Home::Store(StoreDescriptions::new(store)),
        }))
    }

    /// Shows every product to `see`, until it breaks, unless nothing has changed since the last whole reading.
    ///
    /// # Errors
    /// When the products cannot be read. Some may have been seen; the next call reads them again.
    pub fn read(&mut self, see: &mut dyn FnMut(Description) -> ControlFlow<()>) -> Result<Reading, DescriptionsError> {
        match &mut self.0 {
            Home::Files(files) => files.read(see),
            Home::Postgres(table) => table.read(see),
            Home::Store(store) => store.read(see),
        }
    }
}
