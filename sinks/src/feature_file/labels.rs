//! A file of labels: rows that name a user, a time, and perhaps a product, and that are written again with features.
//!
//! ```text
//! rows ─▶ scan: user_id, product_id, event_time of each row ─▶ (features are found, in the order of time)
//! rows ─▶ join: all columns, and the features behind them, in the order of the rows ─▶ the same format
//! ```
//! The file is read twice and never held: of each row only what `scan` gives is kept by the caller. Ids are texts or whole
//! numbers; a number is the id of its digits. A time is RFC 3339 text, milliseconds since the epoch, or a timestamp of Parquet,
//! of which fractions of a millisecond are dropped.

mod json;
mod parquet_file;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::DateTime;
use dataflow::features::{Feature, FeatureCell};
use dataflow::ids::ID_BYTES_MAX;
use dataflow::time::Millis;
use parquet::errors::ParquetError;
use thiserror::Error;

use super::{FeatureColumns, Format};
use parquet_file::ParquetLabels;

/// The column of users.
pub const USER: &str = "user_id";
/// The column of products, which may be missing.
pub const PRODUCT: &str = "product_id";
/// The column of times.
pub const TIME: &str = "event_time";

/// The most rows of a file. A join keeps 56 bytes of each in memory: 560 MB.
pub const ROWS_MAX: usize = 10_000_000;

/// The longest line of JSON, in bytes.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// Smaller numbers of milliseconds are refused: they were probably meant as seconds.
const LEAST_MILLIS: u64 = 100_000_000_000;

/// The last millisecond of the year 9999.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// What is read of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label<'a> {
    /// The user.
    pub user: Cow<'a, str>,
    /// The product, if the row names one.
    pub product: Option<Cow<'a, str>>,
    /// The time, in milliseconds since the epoch.
    pub at: Millis,
}

/// Where a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The line of a file of lines, from 1.
    Line(u64),
    /// The row of a Parquet file, from 1.
    Row(u64),
}

impl std::fmt::Display for Place {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Line(line) => write!(to, "line {line}"),
            Place::Row(row) => write!(to, "row {row}"),
        }
    }
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum RowFault {
    /// The line is not a JSON object.
    #[error("it is not a JSON object: {0}")]
    NotJson(String),
    /// The line is not UTF-8.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// The line is too long.
    #[error("it is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// A field is missing or null.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// An id is of another type, empty or too long.
    #[error("`{0}` must be a text of 1 to {ID_BYTES_MAX} bytes or a whole number")]
    Id(&'static str),
    /// The time cannot be read.
    #[error(
        "`{TIME}` must be RFC 3339 text such as 2026-11-20T10:15:00Z, or milliseconds since the epoch, in the years 1970 to \
         9999"
    )]
    Time,
    /// The time was probably meant as seconds.
    #[error("`{TIME}` {0} is too small for milliseconds since the epoch, which have twelve digits or more")]
    Seconds(u64),
    /// A field has the name of a feature.
    #[error("`{0}` is the name of a feature: name this field otherwise, or leave out the feature")]
    Clash(&'static str),
}

/// Why a file of labels cannot be joined.
#[derive(Debug, Error)]
pub enum LabelError {
    /// The file cannot be read, or the result cannot be written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
    /// The name of the file says no format.
    #[error("{}: the name must end in .parquet or .jsonl", .0.display())]
    Format(PathBuf),
    /// The Parquet file is damaged, or holds something that cannot be read.
    #[error("{}: {error}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: ParquetError,
    },
    /// A column is missing.
    #[error("{} has no column `{column}`", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A column has a type that cannot be used.
    #[error("{}: column `{column}` is of type {found}; it must be {needed}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// Its type.
        found: String,
        /// The types that can be used.
        needed: &'static str,
    },
    /// A column has the name of a feature.
    #[error("{}: column `{column}` has the name of a feature: rename it, or leave out the feature", path.display())]
    ColumnClash {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A row cannot be used.
    #[error("{}, {place}: {fault}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row.
        place: Place,
        /// The reason.
        fault: RowFault,
    },
    /// There are too many rows.
    #[error("{} has more than {ROWS_MAX} rows: split it", .0.display())]
    TooMany(PathBuf),
    /// The file is not the one that was scanned.
    #[error("{} was changed while it was read", .0.display())]
    Changed(PathBuf),
}

/// What a scan found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// The number of rows.
    pub rows: usize,
    /// Whether rows name products.
    pub has_products: bool,
}

/// A file of labels.
pub struct LabelFile {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    JsonLines(File),
    Parquet(Box<ParquetLabels>),
}

impl LabelFile {
    /// Opens the file, whose name says its format.
    ///
    /// # Errors
    /// It cannot be read, or a column is missing or of a type that cannot be used.
    pub fn open(path: &Path) -> Result<LabelFile, LabelError> {
        let format = Format::of(path).ok_or_else(|| LabelError::Format(path.to_owned()))?;
        let file = File::open(path).map_err(|error| LabelError::Io { path: path.to_owned(), error })?;
        let kind = match format {
            Format::JsonLines => Kind::JsonLines(file),
            Format::Parquet => Kind::Parquet(Box::new(ParquetLabels::open(path, file)?)),
        };
        Ok(LabelFile { path: path.to_owned(), kind })
    }

    /// Gives what is read of each row, in order. `features` are those that will be written behind the rows.
    ///
    /// # Errors
    /// A row cannot be used, a column has the name of a feature, or there are too many rows; the error says where.
    pub fn scan(&self, features: &[&'static Feature], mut take: impl FnMut(Label<'_>)) -> Result<Scanned, LabelError> {
        match &self.kind {
            Kind::JsonLines(file) => json::scan(&self.path, file, features, &mut take),
            Kind::Parquet(labels) => labels.scan(features, &mut take),
        }
    }

    /// Writes all rows with all their columns to `out`, each with the cells that `cells` gives for its number behind them.
    ///
    /// # Errors
    /// The file cannot be read or is not as it was scanned, or `out` cannot be written.
    pub fn join(
        &self,
        out: &mut (impl Write + Send),
        columns: &FeatureColumns,
        cells: &mut CellsOf<'_>,
    ) -> Result<(), LabelError> {
        match &self.kind {
            Kind::JsonLines(file) => json::join(&self.path, file, out, columns, cells),
            Kind::Parquet(labels) => labels.join(out, columns, cells),
        }
    }
}

/// The cells of a row by its number, from 0; `None` if there is no such row.
pub type CellsOf<'a> = dyn FnMut(usize) -> io::Result<Option<Vec<FeatureCell>>> + 'a;

/// The id in a text.
fn id<'a>(text: Cow<'a, str>, field: &'static str) -> Result<Cow<'a, str>, RowFault> {
    if (1..=ID_BYTES_MAX).contains(&text.len()) { Ok(text) } else { Err(RowFault::Id(field)) }
}

/// The time in a text.
fn time_of_text(text: &str) -> Result<Millis, RowFault> {
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| RowFault::Time)?;
    bounded(time.timestamp_millis())
}

/// The time in a number without a type of its own.
fn time_of_number(millis: u64) -> Result<Millis, RowFault> {
    if millis < LEAST_MILLIS { Err(RowFault::Seconds(millis)) } else { bounded(millis.cast_signed()) }
}

fn bounded(millis: i64) -> Result<Millis, RowFault> {
    u64::try_from(millis).ok().filter(|millis| (1..=LAST_MILLIS).contains(millis)).ok_or(RowFault::Time)
}

#[cfg(test)]
mod tests;
