//! The rows of all lists at one step, read from the published indexes in the order of the lists' names and ids.

use std::sync::Arc;

use anyhow::Context as _;
use dataflow::graph::shape::{Column, Value};
use dataflow::graph::{EachList, Family, Index, Indexes, List, Make, each_list};
use dataflow::index_reader::IndexReader;
use dataflow::time::{Diff, Time};
use sinks::list_file::{Cell, ListRow};

/// Calls `take` with every row of every list that is shown at `step`.
pub(super) fn walk(
    reader: &IndexReader,
    step: Time,
    lists: &mut SortedLists,
    take: &mut impl FnMut(&ListRow<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    lists.refresh(reader)?;
    for list in &lists.sorted {
        let mut rows = ReadRows { reader, step, keys: &lists.keys, list, take, result: Ok(()) };
        each_list(&mut rows);
        rows.result?;
    }
    Ok(())
}

/// All lists that have a key, by name and id, kept from step to step.
pub(super) struct SortedLists {
    keys: Indexes<Keys>,
    sorted: Vec<ListEntry>,
}

/// The keys of an index.
struct Keys;

impl Family for Keys {
    type Of<I: Index> = Vec<I::Key>;
}

/// One list of one index.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct ListEntry {
    name: &'static str,
    id: Option<Arc<str>>,
    /// The index, and the place of the list's key among its keys.
    index: usize,
    place: usize,
}

impl Default for SortedLists {
    fn default() -> Self {
        SortedLists { keys: Indexes::make(&mut NoKeys), sorted: Vec::new() }
    }
}

struct NoKeys;

impl Make<Keys> for NoKeys {
    fn make<I: Index>(&mut self) -> Vec<I::Key> {
        Vec::new()
    }
}

impl SortedLists {
    /// Reads the keys of all lists, and sorts them if they have changed.
    fn refresh(&mut self, reader: &IndexReader) -> anyhow::Result<()> {
        let mut read = ReadKeys { reader, keys: &mut self.keys, changed: false };
        each_list(&mut read);
        if read.changed {
            let mut name = NameLists { reader, keys: &self.keys, entries: Vec::new(), result: Ok(()) };
            each_list(&mut name);
            name.result?;
            name.entries.sort_unstable();
            self.sorted = name.entries;
        }
        Ok(())
    }
}

struct ReadKeys<'a> {
    reader: &'a IndexReader,
    keys: &'a mut Indexes<Keys>,
    changed: bool,
}

impl EachList for ReadKeys<'_> {
    fn list<L: List>(&mut self) {
        let keys = self.reader.keys::<L>();
        self.changed |= *self.keys.get::<L>() != keys;
        *self.keys.get_mut::<L>() = keys;
    }
}

struct NameLists<'a> {
    reader: &'a IndexReader,
    keys: &'a Indexes<Keys>,
    entries: Vec<ListEntry>,
    result: anyhow::Result<()>,
}

impl EachList for NameLists<'_> {
    fn list<L: List>(&mut self) {
        for (place, key) in self.keys.get::<L>().iter().enumerate() {
            let id = match L::subject(key) {
                None => Ok(None),
                Some(subject) => id(self.reader, subject).map(Some),
            };
            match id {
                Ok(id) => self.entries.push(ListEntry { name: L::export_name(key), id, index: L::INDEX, place }),
                Err(error) => self.result = Err(error),
            }
        }
    }
}

struct ReadRows<'a, F> {
    reader: &'a IndexReader,
    step: Time,
    keys: &'a Indexes<Keys>,
    list: &'a ListEntry,
    take: &'a mut F,
    result: anyhow::Result<()>,
}

impl<F: FnMut(&ListRow<'_>) -> anyhow::Result<()>> EachList for ReadRows<'_, F> {
    fn list<L: List>(&mut self) {
        if L::INDEX == self.list.index {
            self.result = self.rows::<L>(&self.keys.get::<L>()[self.list.place]);
        }
    }
}

impl<F: FnMut(&ListRow<'_>) -> anyhow::Result<()>> ReadRows<'_, F> {
    fn rows<L: List>(&mut self, key: &L::Key) -> anyhow::Result<()> {
        let mut rows: Vec<(L::Row, Diff)> = Vec::new();
        self.reader.view_of::<L>(key).list::<L>(key, &mut rows);
        for (rank, (row, _)) in (1..).zip(&rows) {
            let cell = |(column, value): (&Column, &Value)| {
                let cell =
                    value.number().map_or_else(|| id(self.reader, *value).map(Cell::Id), |n| Ok(Cell::Number(n)));
                Ok((*column, cell?))
            };
            let cells = L::COLUMNS.iter().zip(L::values(row).as_ref()).map(cell).collect::<anyhow::Result<Vec<_>>>()?;
            let ListEntry { name, id, .. } = self.list;
            (self.take)(&ListRow { as_of: self.step, list: name, id: id.as_deref(), rank, cells: &cells })?;
        }
        Ok(())
    }
}

fn id(reader: &IndexReader, value: Value) -> anyhow::Result<Arc<str>> {
    value.id(reader.dictionary()).context("the key of a list's row has no id")
}
