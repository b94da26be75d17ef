//! The trait of a home of the store, and the requests and answers that pass through it.

use std::future::Future;
use std::io::BufRead;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::Millis;
use crate::error::StoreError;
use crate::import::{ImportReport, ImportRequest};
use crate::kind::Kind;
use crate::row::{Row, tag};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where the rows are kept.
///
/// A caller that drops a returned future does not learn whether its write was done.
pub trait Store: Send + Sync {
    /// The row with this id.
    fn get(&self, kind: Kind, id: String) -> BoxFuture<'_, Result<Option<Stored>, StoreError>>;

    /// At most `limit` rows after an id, in the order of their ids as bytes.
    fn list(&self, request: ListRequest) -> BoxFuture<'_, Result<Vec<Row>, StoreError>>;

    /// Does all the writes in one transaction, or none. Resolves when they are durable.
    fn write(&self, request: WriteRequest) -> BoxFuture<'_, Result<Written, StoreError>>;

    /// Imports a file in one transaction, in this thread. A file with a bad line is not written.
    ///
    /// # Errors
    /// When the store or the file cannot be read or written; nothing was written then.
    fn import(&self, request: &ImportRequest, file: &mut dyn BufRead) -> Result<ImportReport, StoreError>;

    /// Gives every row, in the order of ids and all of one state, to `see` in this thread, until it returns false.
    ///
    /// # Errors
    /// When the store cannot be read. Some rows may have been seen.
    fn export(&self, kind: Kind, see: &mut dyn FnMut(Row) -> bool) -> Result<(), StoreError>;

    /// Digits after the point in a price.
    fn price_digits(&self) -> usize;

    /// The name of the stream whose offsets number the changes, in positions and tokens.
    fn stream(&self) -> &'static str;
}

/// A row as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// The row as JSON.
    pub json: String,
    /// A tag that changes with the row.
    pub tag: String,
}

impl From<&Row> for Stored {
    fn from(row: &Row) -> Self {
        let json = row.json();
        Stored { tag: tag(&json), json }
    }
}

/// A request for a page of rows.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// The kind of rows.
    pub kind: Kind,
    /// Only rows after this id.
    pub after: Option<String>,
    /// The most rows.
    pub limit: usize,
    /// Which rows.
    pub filter: Filter,
}

/// Which rows a list holds. A condition on a field that the kind does not have is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Products of this category, or categories of this parent.
    pub category: Option<String>,
    /// Rows whose name starts like this; ASCII letters match in both cases.
    pub prefix: Option<String>,
    /// Products that are available, or are not.
    pub available: Option<bool>,
    /// Purchases of this user.
    pub user: Option<String>,
}

/// Writes that are done together.
#[derive(Debug)]
pub struct WriteRequest {
    /// The writes, in order.
    pub writes: Vec<Write>,
    /// Set if the request may be repeated without a second effect.
    pub repeatable: Option<Repeatable>,
    /// The time of the clock.
    pub now: Millis,
}

/// What makes a request repeatable for a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeatable {
    /// The key that the client chose.
    pub key: String,
    /// A fingerprint of the request. The same key with another one is refused.
    pub fingerprint: String,
}

/// A write of one row.
#[derive(Debug)]
pub struct Write {
    /// The kind of the row.
    pub kind: Kind,
    /// The id of the row.
    pub id: String,
    /// What is done.
    pub action: Action,
    /// What must hold before.
    pub condition: Condition,
}

/// What a write does.
#[derive(Debug)]
pub enum Action {
    /// Adds a row that is not there.
    Create(Row),
    /// Adds a row, or replaces the one that is there.
    Put(Row),
    /// Changes the fields that a merge patch (RFC 7396) names.
    Patch(Vec<u8>),
    /// Removes a row.
    Delete,
    /// Cancels a purchase.
    Cancel,
    /// Marks the line with this number, from 1, as returned.
    Return(usize),
}

/// What must hold before a write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    #[default]
    Nothing,
    /// The row is there.
    Present,
    /// The row has one of these tags.
    Tags(Vec<String>),
}

/// The answer to a request of writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The number of the last change: its offset in the home's stream. A source that has followed up to it has seen
    /// these writes. For a repeated request it may be the number of a later change.
    pub change: i64,
    /// What became of each row.
    pub rows: Vec<Wrote>,
    /// Whether this is the answer to an earlier request with the same key.
    pub replayed: bool,
}

/// What became of one row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrote {
    /// Whether the row was not there before.
    pub created: bool,
    /// The row now; none if it was removed.
    pub stored: Option<Stored>,
}
