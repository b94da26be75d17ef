//! The rows of a cut, as a checkpoint takes them: all, or what came since the cut before.

use dataflow::cut::{Cut, DeltaLog};
use dataflow::dictionary::Name;
use dataflow::time::{Diff, Time};
use differential_dataflow::consolidation::consolidate;

use crate::data_file::RowWriter;
use crate::error::Error;

/// What came since the cut before, in all workers of this process, each row once.
pub(crate) struct Changes(DeltaLog);

impl Changes {
    /// The changes since the cut at `last`; none where a worker could not note them all.
    pub(crate) fn since(last: Time, cut: &mut Cut) -> Option<Changes> {
        if cut.parts.iter().any(|part| part.delta_log.as_ref().is_none_or(|delta_log| delta_log.after != last)) {
            return None;
        }
        let mut delta_logs = cut.parts.iter_mut().filter_map(|part| part.delta_log.take());
        let mut all = delta_logs.next()?;
        for mut delta_log in delta_logs {
            all.stamps.append(&mut delta_log.stamps);
            all.orders.append(&mut delta_log.orders);
            all.lines.append(&mut delta_log.lines);
            all.catalogue.append(&mut delta_log.catalogue);
        }
        // Of each pair the greatest stamp is what it comes to.
        all.stamps.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(other.2.cmp(&one.2)));
        all.stamps.dedup_by_key(|stamp| stamp.0);
        sum_up(&mut all.orders);
        sum_up(&mut all.lines);
        sum_up(&mut all.catalogue);
        Some(Changes(all))
    }

    /// How many rows they are.
    pub(crate) fn rows(&self) -> usize {
        self.0.len()
    }

    /// Writes them, with the names that are new.
    pub(crate) fn write(&self, names: &[Name], to: &mut RowWriter) -> Result<(), Error> {
        let DeltaLog { stamps, orders, lines, catalogue, .. } = &self.0;
        stamps.iter().try_for_each(|((user, product), _, stamp)| to.stamp(*user, *product, *stamp))?;
        orders.iter().try_for_each(|(row, _, diff)| to.order(row, *diff as i64))?;
        lines.iter().try_for_each(|(row, _, diff)| to.line(row, *diff as i64))?;
        catalogue.iter().try_for_each(|(row, _, diff)| to.catalogue(row, *diff as i64))?;
        names.iter().try_for_each(|name| to.name(name))
    }
}

fn sum_up<T: Ord + Clone>(rows: &mut Vec<(T, Time, Diff)>) {
    let mut sums: Vec<(T, Diff)> = std::mem::take(rows).into_iter().map(|(row, _, diff)| (row, diff)).collect();
    consolidate(&mut sums);
    *rows = sums.into_iter().map(|(row, diff)| (row, 0, diff)).collect();
}

/// Writes everything that is held as of the cut.
pub(crate) fn write_all(cut: &Cut, names: impl FnOnce(&mut dyn FnMut(Name)), to: &mut RowWriter) -> Result<(), Error> {
    for part in &cut.parts {
        let mut written = Ok(());
        // The walks cannot be broken off: after a failure the rest of them does nothing.
        part.base.stamps(|(user, product), stamp| then(&mut written, || to.stamp(user, product, stamp)));
        part.base.orders(|row, diff| then(&mut written, || to.order(&row, diff as i64)));
        part.base.lines(|row, diff| then(&mut written, || to.line(&row, diff as i64)));
        part.base.catalogue(|row, diff| then(&mut written, || to.catalogue(&row, diff as i64)));
        written?;
    }
    let mut written = Ok(());
    names(&mut |name| then(&mut written, || to.name(&name)));
    written
}

fn then(written: &mut Result<(), Error>, write: impl FnOnce() -> Result<(), Error>) {
    if written.is_ok() {
        *written = write();
    }
}
