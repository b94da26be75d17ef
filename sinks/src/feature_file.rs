//! Rows of features in a file, as lines of JSON or as Parquet. The same rows give the same bytes.
//!
//! ```text
//! FeatureColumns (the chosen features) ─┬▶ FeatureWriter: one row a user
//!                                       └▶ labels: rows of a file, each with its features behind its own columns
//! ```
//! A feature is one value of its type, or a map from ids to values. In Parquet, a map is a column of the type `MAP`. Times are
//! `TIMESTAMP(MILLIS)` in Parquet, and milliseconds since the epoch in JSON.

pub mod labels;
mod parquet_columns;
mod spool;

use std::io::{self, Write};
use std::sync::Arc;

use dataflow::features::{Feature, FeatureCell, FeatureValue};
use dataflow::time::Time;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use serde::ser::{Serialize, SerializeMap, Serializer};

pub use spool::Spool;

use parquet_columns::{id_type, properties, schema, time_type};

/// Rows that are written together; they are held in memory until then.
const GROUP_ROWS: usize = 1 << 12;

/// The format of a file, which the end of its name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Parquet: `.parquet`.
    Parquet,
    /// One JSON object a line: `.jsonl`.
    JsonLines,
}

impl Format {
    /// The format of a file with this name.
    #[must_use]
    pub fn of(path: &std::path::Path) -> Option<Format> {
        match path.extension()?.to_str()? {
            "parquet" => Some(Format::Parquet),
            "jsonl" => Some(Format::JsonLines),
            _ => None,
        }
    }
}

/// The columns of the chosen features.
#[derive(Clone, Debug)]
pub struct FeatureColumns {
    features: Vec<&'static Feature>,
    /// Whether each row names a product.
    of_one_product: bool,
}

impl FeatureColumns {
    /// The columns of these features, in rows of one product each or in rows of all products.
    #[must_use]
    pub fn new(features: Vec<&'static Feature>, of_one_product: bool) -> Self {
        FeatureColumns { features, of_one_product }
    }

    fn write_json<S: SerializeMap>(&self, to: &mut S, cells: &[FeatureCell]) -> Result<(), S::Error> {
        let mut named = self.features.iter().zip(cells);
        named.try_for_each(|(feature, cell)| to.serialize_entry(feature.name, &JsonCell(cell)))
    }
}

/// A cell in JSON: a number, null, or an object of numbers.
struct JsonCell<'a>(&'a FeatureCell);

impl Serialize for JsonCell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            FeatureCell::One(value) => value.map(JsonValue).serialize(serializer),
            FeatureCell::Map(entries) => {
                serializer.collect_map(entries.iter().map(|(id, value)| (id, JsonValue(*value))))
            }
        }
    }
}

struct JsonValue(FeatureValue);

impl Serialize for JsonValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            FeatureValue::Count(number) | FeatureValue::Time(number) => serializer.serialize_u64(number),
            FeatureValue::Mean(mean) => serializer.serialize_f64(mean),
        }
    }
}

/// Writes one row a user.
pub struct FeatureWriter<W: Write + Send> {
    columns: FeatureColumns,
    as_of: Time,
    out: Output<W>,
}

enum Output<W: Write + Send> {
    JsonLines(W),
    Parquet { file: Box<SerializedFileWriter<W>>, users: Vec<ByteArray>, held: Vec<Vec<FeatureCell>> },
}

/// One row in JSON.
struct UserRow<'a> {
    columns: &'a FeatureColumns,
    user: &'a str,
    as_of: Time,
    cells: &'a [FeatureCell],
}

impl Serialize for UserRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(None)?;
        row.serialize_entry("user_id", self.user)?;
        row.serialize_entry("as_of", &self.as_of)?;
        self.columns.write_json(&mut row, self.cells)?;
        row.end()
    }
}

impl<W: Write + Send> FeatureWriter<W> {
    /// A file of rows as of one time.
    ///
    /// # Errors
    /// Errors of `out`.
    pub fn new(format: Format, out: W, columns: FeatureColumns, as_of: Time) -> io::Result<Self> {
        let out = match format {
            Format::JsonLines => Output::JsonLines(out),
            Format::Parquet => {
                let own = vec![id_type("user_id"), time_type("as_of")];
                let file = SerializedFileWriter::new(out, schema(own, &columns).map_err(failed)?, properties());
                Output::Parquet { file: Box::new(file.map_err(failed)?), users: Vec::new(), held: Vec::new() }
            }
        };
        Ok(FeatureWriter { columns, as_of, out })
    }

    /// Adds a user's row, with one cell for each column.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn row(&mut self, user: &Arc<str>, cells: Vec<FeatureCell>) -> io::Result<()> {
        let FeatureWriter { columns, as_of, out } = self;
        match out {
            Output::JsonLines(out) => {
                serde_json::to_writer(&mut *out, &UserRow { columns, user, as_of: *as_of, cells: &cells })?;
                out.write_all(b"\n")
            }
            Output::Parquet { users, held, .. } => {
                users.push(user.as_bytes().to_vec().into());
                held.push(cells);
                if held.len() == GROUP_ROWS { self.write_group().map_err(failed) } else { Ok(()) }
            }
        }
    }

    /// Writes the rows that are held, and the end of the file.
    ///
    /// # Errors
    /// Errors of the file.
    pub fn finish(mut self) -> io::Result<()> {
        self.write_group().map_err(failed)?;
        match self.out {
            Output::JsonLines(mut out) => out.flush(),
            Output::Parquet { file, .. } => file.close().map(|_| ()).map_err(failed),
        }
    }

    fn write_group(&mut self) -> Result<(), ParquetError> {
        let FeatureWriter { columns, as_of, out } = self;
        let Output::Parquet { file, users, held } = out else { return Ok(()) };
        if held.is_empty() {
            return Ok(());
        }
        let mut group = file.next_row_group()?;
        let times = vec![as_of.cast_signed(); held.len()];
        parquet_columns::write::<ByteArrayType>(&mut group, users, None, None)?;
        parquet_columns::write::<Int64Type>(&mut group, &times, None, None)?;
        columns.write_parquet(&mut group, held)?;
        users.clear();
        held.clear();
        group.close().map(|_| ())
    }
}

fn failed(error: ParquetError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests;
