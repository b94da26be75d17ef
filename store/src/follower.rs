//! Following a store: all rows once, and then the rows that changed, in the order of the changes.

use std::io::BufRead;

use thiserror::Error;

use crate::Millis;
use crate::error::StoreError;
use crate::home::Store;
use crate::import::ImportReport;
use crate::shop_file::LoadRequest;

/// A home whose changes a source follows in the home's own log.
pub trait Follow: Store {
    /// A reader that follows the changes.
    ///
    /// # Errors
    /// When the home cannot be opened.
    fn follow(&self) -> Result<Box<dyn Follower>, FollowError>;

    /// Loads a state of a file that the home follows, in one transaction in this thread: the difference of its records to
    /// those that were loaded before. Returns none if this state is loaded already. A file with a bad line is not loaded.
    ///
    /// # Errors
    /// When the store or the file cannot be read or written; nothing was written then.
    fn load(&self, request: &LoadRequest, file: &mut dyn BufRead) -> Result<Option<ImportReport>, StoreError>;
}

/// A reader of the tables that the lists are made from. Each reading is of one state of the store.
pub trait Follower: Send {
    /// Reads all rows; purchases only from `since` on. Products that were deleted are seen as gone. Returns the number of the
    /// last change that the rows hold.
    ///
    /// # Errors
    /// When the store cannot be read. Some rows may have been seen.
    fn read_all(&mut self, since: Millis, see: &mut dyn FnMut(TableRow)) -> Result<i64, FollowError>;

    /// Reads the rows that have changed after this number, as they are now. A row that changed several times is read once.
    ///
    /// # Errors
    /// When the store cannot be read. Some rows may have been seen.
    fn read_changes(&mut self, after: i64, see: &mut dyn FnMut(TableRow)) -> Result<Followed, FollowError>;
}

/// How far a reading of changes came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// There is no change.
    Unchanged,
    /// Everything up to the change with this number was read.
    UpTo(i64),
    /// Some changes are not kept any more: all rows must be read again.
    Lost,
}

/// A row of a table as it is now; `now` is none if it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableRow {
    /// A category and its parent, if it has one.
    Category {
        /// The category.
        category: String,
        /// Its parent.
        now: Option<Option<String>>,
    },
    /// A product.
    Product {
        /// The product.
        product: String,
        /// Its place in the catalogue.
        now: Option<Listed>,
    },
    /// An order.
    Order {
        /// The order.
        order: String,
        /// Who ordered, and when.
        now: Option<Placed>,
    },
    /// A line of an order. It is gone when its order is, or when it was returned.
    Line {
        /// The order.
        order: String,
        /// The line's number.
        line: i64,
        /// When the order was made, and the product.
        now: Option<(Millis, String)>,
    },
}

/// A product in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its category.
    pub category: Option<String>,
    /// Whether it can be bought.
    pub available: bool,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Who ordered.
    pub user: String,
    /// When.
    pub created_at: Millis,
    /// Whether it counts.
    pub counts: bool,
}

/// The store cannot be read now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the store cannot be read: {0}")]
pub struct FollowError(pub String);
