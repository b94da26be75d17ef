//! The rows of a cut that a checkpoint takes: all rows, or the changes since the previous cut.

use dataflow::cut::{Cut, DeltaLog};
use dataflow::dictionary::Name;
use dataflow::tables::{self, Family, Nothing, Pair, Rows, Table, Tables};
use dataflow::time::Time;
use differential_dataflow::consolidation::consolidate;

use crate::data_file::RowWriter;
use crate::error::Error;
use crate::user_names::UserNames;

/// The changes since the previous cut, in all workers of this process, each row once.
pub(crate) struct CutChanges {
    tables: Tables<Sums>,
    rows: usize,
}

/// Rows with the sum of their differences.
struct Sums;

impl Family for Sums {
    type Of<T: Table> = Rows<T>;
}

impl CutChanges {
    /// The changes since the cut at `last`; `None` if the log of a worker has overflowed.
    pub(crate) fn since(last: Time, cut: &mut Cut) -> Option<CutChanges> {
        if cut.parts.iter().any(|part| part.delta_log.as_ref().is_none_or(|delta_log| delta_log.after != last)) {
            return None;
        }
        let logs = cut.parts.iter_mut().filter_map(|part| part.delta_log.take()).collect();
        let mut sum_up = SumUp { logs, rows: 0 };
        Some(CutChanges { tables: Tables::make(&mut sum_up), rows: sum_up.rows })
    }

    /// The number of changed rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Writes the changes, with the new names.
    pub(crate) fn write(&self, names: &[Name], users: &mut UserNames<'_>, to: &mut RowWriter) -> Result<(), Error> {
        let mut write = Write { to, users, result: Ok(()) };
        self.tables.map_ref(&mut write);
        write.result?;
        names.iter().filter(|name| !users.is_of_erased(name)).try_for_each(|name| to.name(name))?;
        users.of_living().try_for_each(|name| to.name(&name))
    }
}

struct SumUp {
    logs: Vec<DeltaLog>,
    rows: usize,
}

impl tables::Make<Sums> for SumUp {
    fn make<T: Table>(&mut self) -> Rows<T> {
        let updates = self.logs.iter_mut().flat_map(DeltaLog::take::<T>);
        let mut sums: Vec<_> = updates.map(|(row, _, diff)| (row, diff)).collect();
        consolidate(&mut sums);
        self.rows += sums.len();
        sums
    }
}

struct Write<'a, 'u> {
    to: &'a mut RowWriter,
    users: &'a mut UserNames<'u>,
    result: Result<(), Error>,
}

impl tables::MapRef<Sums, Nothing> for Write<'_, '_> {
    fn map<T: Table>(&mut self, rows: &Rows<T>) {
        if self.result.is_ok() {
            self.result = rows.iter().try_for_each(|(row, diff)| {
                self.users.see::<T>(row, diff);
                self.to.row::<T>(row, diff)
            });
        }
    }
}

/// Writes all rows as of the cut.
pub(crate) fn write_all(
    cut: &Cut,
    names: impl FnOnce(&mut dyn FnMut(Name)),
    users: &mut UserNames<'_>,
    to: &mut RowWriter,
) -> Result<(), Error> {
    let mut write = WriteAll { cut, to, users, result: Ok(()) };
    Tables::<Nothing>::make(&mut write);
    let WriteAll { mut result, to, users, .. } = write;
    names(&mut |name| {
        if result.is_ok() && !users.is_of_erased(&name) {
            result = to.name(&name);
        }
    });
    result?;
    users.of_living().try_for_each(|name| to.name(&name))
}

struct WriteAll<'a, 'u> {
    cut: &'a Cut,
    to: &'a mut RowWriter,
    users: &'a mut UserNames<'u>,
    result: Result<(), Error>,
}

impl tables::Make<Nothing> for WriteAll<'_, '_> {
    fn make<T: Table>(&mut self) {
        for part in &self.cut.parts {
            // The walk cannot be aborted: after a failure the rest of it does nothing.
            part.base.rows::<T>(|row, diff| {
                if self.result.is_ok() {
                    let row: Pair<T> = row.into();
                    self.users.see::<T>(&row, &diff);
                    self.result = self.to.row::<T>(&row, &diff);
                }
            });
        }
    }
}
