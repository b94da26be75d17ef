//! Orders and catalogue of a range, read once.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use dataflow::dictionary::Dictionary;
use dataflow::ids::RowKey;
use dataflow::source_status::SourceStatus;
use dataflow::tables::LineRow;
use events::{DeadLetter, LETTER_PAYLOAD_BYTES_MAX};

use super::{Range, RangeError};
use crate::fault::Fault;
use crate::file_position::{FilePosition, offset_i64};
use crate::files::orders::{self, OrdersFile};
use crate::files::products::{self, ProductsFile};
use crate::files::records::{CsvRecords, NextRecord};
use crate::files::rows::{CsvColumns, RowContext, TableLine, TableRows};
use crate::replay::{LetterHandler, ReplayBounds, ReplayTables};

/// Reads both tables, if they exist.
pub(super) fn read(
    range: &Range,
    bounds: ReplayBounds,
    dictionary: &Dictionary,
    status: &SourceStatus,
    refused: &LetterHandler,
) -> Result<ReplayTables, RangeError> {
    let reading = RowContext { dictionary, now: bounds.from, kept_ms: bounds.kept_ms };
    let mut tables = ReplayTables::default();
    let scan = |name: &'static str| {
        let (path, file, to) = range.table(name)?;
        Some(CsvScan { name, path, file, to, reading: &reading, status, refused })
    };
    if let Some(mut scan) = scan(products::FILE) {
        scan.table::<ProductsFile>(|line| tables.catalogue.extend(line.rows()))?;
    }
    if let Some(mut scan) = scan(orders::FILE) {
        scan.table::<OrdersFile>(|sale| {
            if bounds.holds(sale.order.placed.created_at()) {
                let row = LineRow { order: sale.order.order, product: sale.product, row: RowKey::NONE };
                tables.orders.push(sale.order);
                tables.lines.push(row);
            }
        })?;
    }
    Ok(tables)
}

/// One table, and the context of its lines.
struct CsvScan<'a> {
    name: &'static str,
    path: PathBuf,
    file: &'a File,
    to: u64,
    reading: &'a RowContext<'a>,
    status: &'a SourceStatus,
    refused: &'a LetterHandler,
}

impl CsvScan<'_> {
    /// Calls `take` with every row that counts.
    fn table<R: TableRows>(&mut self, mut take: impl FnMut(R::Row)) -> Result<(), RangeError> {
        let mut records = CsvRecords::new(self.file, FilePosition::default(), self.to, true);
        let Some(columns) = self.columns::<R>(&mut records)? else { return Ok(()) };
        loop {
            match columns.next(&mut records, self.reading).map_err(|error| self.failed(error))? {
                TableLine::Row(row) => row.into_iter().for_each(|row| {
                    self.status.accepted(1);
                    take(row);
                }),
                TableLine::Refused { fault, .. } => self.refuse(&records, fault)?,
                TableLine::Last { .. } => return Ok(()),
            }
        }
    }

    /// Finds the columns in the first line; none if the table has yet to be written.
    fn columns<R: TableRows>(&self, records: &mut CsvRecords<'_>) -> Result<Option<CsvColumns<R>>, RangeError> {
        let found = match records.next().map_err(|error| self.failed(error))? {
            NextRecord::Record { .. } => CsvColumns::find(records.fields()),
            NextRecord::End => return Ok(None),
            NextRecord::Refused(_) | NextRecord::Unfinished => Err(R::COLUMNS.to_vec()),
        };
        found.map(Some).map_err(|columns| RangeError::CsvColumns { path: self.path.clone(), columns })
    }

    fn refuse(&self, records: &CsvRecords<'_>, fault: Fault<'_>) -> Result<(), RangeError> {
        let (start, payload) = records.raw(LETTER_PAYLOAD_BYTES_MAX).map_err(|error| self.failed(error))?;
        self.status.rejected(fault.reason());
        (self.refused)(DeadLetter::new(self.name, 0, offset_i64(start), fault.into(), &payload));
        Ok(())
    }

    fn failed(&self, error: io::Error) -> RangeError {
        RangeError::Io { path: self.path.clone(), error }
    }
}
