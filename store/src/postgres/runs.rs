//! The runs of an import: rows of the file that are written together.

use std::collections::HashMap;

use crate::error::StoreError;
use crate::import::{FileRows, ImportMode, ImportRow, Role, unreadable};
use crate::kind::Kind;
use crate::row::Row;

/// The most rows of a run; a purchase counts as many as it has lines.
const RUN_MAX: usize = 16_000;

/// The most bytes of the records that the rows of a run are from.
const RUN_BYTES_MAX: usize = 4 << 20;

/// Rows of one kind and role, among which are no others of the kind in the file. The rows of one id, and the parts of a
/// purchase, stand together.
#[derive(Default)]
pub(super) struct ImportRun {
    pub(super) of: Option<(Kind, Role)>,
    /// For each id its rows, or the parts of the purchase, each with its line. No list is empty.
    pub(super) rows: Vec<Vec<(u64, Row)>>,
    places: HashMap<String, usize>,
    parts: usize,
    bytes: usize,
}

impl ImportRun {
    /// Whether the row may be added.
    fn takes(&self, ImportRow { row, role, .. }: &ImportRow, mode: ImportMode) -> bool {
        let is_first = self.of.is_none();
        let is_same = self.of == Some((row.kind(), *role));
        let has_room = self.parts < RUN_MAX && self.bytes < RUN_BYTES_MAX;
        // A whole purchase replaces the lines before, and a second new row is a fault.
        let is_once = *role == Role::Whole && (row.kind() == Kind::Purchases || mode == ImportMode::Insert);
        is_first || is_same && has_room && !(is_once && self.places.contains_key(row.id()))
    }

    /// Adds a row; `bytes` is the length of its record.
    pub(super) fn add(&mut self, ImportRow { line, row, role }: ImportRow, bytes: usize) {
        if role == Role::IfAbsent && self.places.contains_key(row.id()) {
            return;
        }
        self.of = Some((row.kind(), role));
        self.bytes += bytes;
        self.parts += if let Row::Purchase(purchase) = &row { purchase.lines.len().max(1) } else { 1 };
        match self.places.get(row.id()) {
            Some(at) => self.rows[*at].push((line, row)),
            None => {
                self.places.insert(row.id().to_owned(), self.rows.len());
                self.rows.push(vec![(line, row)]);
            }
        }
    }
}

/// A run for each kind.
pub(super) type Runs = [ImportRun; 4];

/// Gathers the rows of a file in runs. `write` takes them, or says that no more can be written.
pub(super) fn read_runs<'f>(
    rows: &mut FileRows<'f>,
    mode: ImportMode,
    write: &mut dyn FnMut(Runs, &mut FileRows<'f>) -> bool,
) -> Result<(), StoreError> {
    let mut runs = Runs::default();
    // After a bad line the others are written too, to find all that is wrong.
    while let Some(row) = rows.next_row().map_err(unreadable)? {
        let (kind, bytes) = (row.row.kind() as usize, rows.record_bytes());
        if !runs[kind].takes(&row, mode) && !write(std::mem::take(&mut runs), rows) {
            return Ok(());
        }
        runs[kind].add(row, bytes);
    }
    write(runs, rows);
    Ok(())
}
