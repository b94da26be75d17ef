//! The tables of a checkpoint: the base tables as the graph declares them, and the ids behind keys.

use std::fmt;
use std::sync::LazyLock;

use dataflow::tables::{self, Columns, Nothing, Table, Tables};

/// One of the collections that a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId {
    /// The number in files; it never changes.
    pub(crate) number: u8,
    /// The number of its columns.
    pub(crate) width: usize,
    name: &'static str,
}

impl TableId {
    /// The ids behind keys.
    pub const NAMES: TableId = TableId { number: 5, width: 1, name: "names" };

    /// A base table.
    #[must_use]
    pub fn of<T: Table>() -> TableId {
        let width = T::Key::WIDTH + T::Value::WIDTH + T::Diff::WIDTH;
        TableId { number: T::NUMBER, width, name: T::NAME }
    }

    /// All tables: the base tables in the order of their declarations, and the names.
    #[must_use]
    pub fn all() -> &'static [TableId] {
        static ALL: LazyLock<Vec<TableId>> = LazyLock::new(|| {
            let mut all = All(Vec::new());
            Tables::<Nothing>::make(&mut all);
            all.0.push(TableId::NAMES);
            all.0
        });
        &ALL
    }

    /// The name in messages and manifests.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name
    }

    /// The table with this number.
    pub(crate) fn of_number(number: u8) -> Option<TableId> {
        TableId::all().iter().copied().find(|table| table.number == number)
    }
}

struct All(Vec<TableId>);

impl tables::Make<Nothing> for All {
    fn make<T: Table>(&mut self) {
        self.0.push(TableId::of::<T>());
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
