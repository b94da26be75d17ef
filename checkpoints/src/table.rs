//! The tables of a checkpoint, and rows as they are read back.

use std::fmt;

use dataflow::dictionary::Name;
use dataflow::ids::{ProductKey, UserKey};
use dataflow::rows::{CatalogueRow, LineRow, OrderRow};
use dataflow::stamp::Stamp;

/// One of the collections that a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The latest thing that happened to each (user, product).
    Stamps,
    /// Orders.
    Orders,
    /// Lines of orders.
    Lines,
    /// Which category each product is in.
    Catalogue,
    /// The ids behind keys.
    Names,
}

impl Table {
    /// All tables, in the order of their numbers.
    pub const ALL: [Table; 5] = [Table::Stamps, Table::Orders, Table::Lines, Table::Catalogue, Table::Names];

    /// The name for people, and in manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Table::Stamps => "stamps",
            Table::Orders => "orders",
            Table::Lines => "lines",
            Table::Catalogue => "catalogue",
            Table::Names => "names",
        }
    }

    /// The number in files; it never changes.
    pub(crate) fn number(self) -> u8 {
        match self {
            Table::Stamps => 1,
            Table::Orders => 2,
            Table::Lines => 3,
            Table::Catalogue => 4,
            Table::Names => 5,
        }
    }

    /// The table of a number.
    pub(crate) fn of_number(number: u8) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.number() == number)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The rows of one frame, all of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Stamps; they combine by maximum.
    Stamps(Vec<((UserKey, ProductKey), Stamp)>),
    /// Orders with their differences, which add up.
    Orders(Vec<(OrderRow, i64)>),
    /// Lines of orders with their differences, which add up.
    Lines(Vec<(LineRow, i64)>),
    /// Products' categories with their differences, which add up.
    Catalogue(Vec<(CatalogueRow, i64)>),
    /// Ids behind keys: a set.
    Names(Vec<Name>),
}

impl Rows {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Rows::Stamps(rows) => rows.len(),
            Rows::Orders(rows) => rows.len(),
            Rows::Lines(rows) => rows.len(),
            Rows::Catalogue(rows) => rows.len(),
            Rows::Names(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
