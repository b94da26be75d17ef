//! A change as a line of JSON. The lists declare their names and columns.

use std::io::Write as _;

use dataflow::dictionary::Dictionary;
use dataflow::graph::shape::Kind;
use dataflow::graph::{Change, Changed, List, ReadChange};
use dataflow::time::{Diff, Time};
use serde::ser::{SerializeMap, Serializer};

/// Sorts the rows of a tick into the order of writing: by list, and within each list the rows that left before the rows
/// that entered.
pub(super) fn sort(changed: &mut Changed) {
    changed.rows.sort_by_key(|(change, diff)| (change.read(ListNumber), *diff > 0));
}

/// The position of a change's list among the lists.
struct ListNumber;

impl ReadChange for ListNumber {
    type Output = usize;

    fn read<L: List>(self, _key: &L::Key, _row: &L::Row) -> usize {
        L::INDEX
    }
}

/// Appends the line of one row that entered or left its list, with its line end.
pub(super) fn write_row(tick: Time, change: &Change, diff: Diff, dictionary: &Dictionary, out: &mut Vec<u8>) {
    let written = change.read(Line { tick, diff, dictionary, out: &mut *out });
    written.expect("texts and integers always serialise");
    out.push(b'\n');
}

struct Line<'a> {
    tick: Time,
    diff: Diff,
    dictionary: &'a Dictionary,
    out: &'a mut Vec<u8>,
}

impl ReadChange for Line<'_> {
    type Output = serde_json::Result<()>;

    fn read<L: List>(self, key: &L::Key, row: &L::Row) -> serde_json::Result<()> {
        let mut json = serde_json::Serializer::new(self.out);
        let mut line = json.serialize_map(None)?;
        line.serialize_entry("tick", &self.tick)?;
        line.serialize_entry("list", L::NAME)?;
        line.serialize_entry(L::KEY, &L::subject(key).and_then(|subject| subject.id(self.dictionary)))?;
        for (column, value) in L::COLUMNS.iter().zip(L::values(row).as_ref()) {
            match column.kind {
                Kind::Id => line.serialize_entry(column.name, &value.id(self.dictionary))?,
                Kind::Time | Kind::Count => line.serialize_entry(column.name, &value.number())?,
            }
        }
        line.serialize_entry("change", if self.diff > 0 { "+" } else { "-" })?;
        line.end()
    }
}

/// Appends the line that says that all lists are empty.
pub(super) fn write_reset(tick: Time, out: &mut Vec<u8>) {
    writeln!(out, r#"{{"tick":{tick},"list":"all","change":"reset"}}"#).expect("a Vec takes everything");
}
