//! Rows as columns: a key, a value or a difference is split into fields, and each field is in a column of its own.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Placed;
use crate::ids::{CategoryKey, IdentityKey, OrderKey, ProductKey, RowKey, UserKey};
use crate::merchandising::{RuleId, RuleVersion};
use crate::short_text::ShortText;
use crate::time::{Diff, Millis};

/// Takes the fields of a row, in order.
pub trait ColumnWriter {
    /// Adds a field to the next column.
    fn write<T: Serialize>(&mut self, field: &T);
}

/// Returns the fields of a row, in order.
pub trait ColumnReader {
    /// The error if a field cannot be read.
    type Error;

    /// Reads a field from the next column.
    ///
    /// # Errors
    /// When the column does not hold a field of this type.
    fn read<T: DeserializeOwned>(&mut self) -> Result<T, Self::Error>;
}

/// A part of a row with a fixed number of fields.
pub trait Columns: Sized {
    /// The number of its columns.
    const WIDTH: usize;

    /// Writes the fields.
    fn write(&self, to: &mut impl ColumnWriter);

    /// Reads the fields.
    ///
    /// # Errors
    /// When a column does not hold its field.
    fn read<R: ColumnReader>(from: &mut R) -> Result<Self, R::Error>;
}

macro_rules! one_column {
    ($($field:ty),+) => {$(
        impl Columns for $field {
            const WIDTH: usize = 1;

            fn write(&self, to: &mut impl ColumnWriter) {
                to.write(self);
            }

            fn read<R: ColumnReader>(from: &mut R) -> Result<Self, R::Error> {
                from.read()
            }
        }
    )+};
}
one_column!(
    UserKey,
    OrderKey,
    ProductKey,
    CategoryKey,
    RowKey,
    IdentityKey,
    Placed,
    Millis,
    Diff,
    RuleId,
    RuleVersion,
    ShortText
);

impl Columns for () {
    const WIDTH: usize = 0;

    fn write(&self, _: &mut impl ColumnWriter) {}

    fn read<R: ColumnReader>(_: &mut R) -> Result<Self, R::Error> {
        Ok(())
    }
}

impl<A: Columns, B: Columns> Columns for (A, B) {
    const WIDTH: usize = A::WIDTH + B::WIDTH;

    fn write(&self, to: &mut impl ColumnWriter) {
        self.0.write(to);
        self.1.write(to);
    }

    fn read<R: ColumnReader>(from: &mut R) -> Result<Self, R::Error> {
        Ok((A::read(from)?, B::read(from)?))
    }
}
