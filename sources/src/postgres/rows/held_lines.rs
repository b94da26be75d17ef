//! The lines that were fed: by key where the log is followed, else as rows that may repeat.

use dataflow::ids::{OrderKey, ProductKey, RowKey};
use dataflow::tables::LineRow;
use dataflow::time::Diff;

use crate::row_store::{Refresh, RowStore};

/// HeldLines of orders.
pub(crate) enum HeldLines {
    ByRow(RowStore<LineRow, ()>),
    ByKey(RowStore<RowKey, (OrderKey, ProductKey)>),
}

/// A reading of the table. Dropped before [`LinesReading::finish`], it leaves the lines as they were.
pub(crate) enum LinesReading<'a> {
    ByRow(Refresh<'a, LineRow, ()>),
    ByKey(Refresh<'a, RowKey, (OrderKey, ProductKey)>),
}

impl HeldLines {
    /// A line that was there before.
    pub(crate) fn hold(&mut self, line: LineRow) {
        match self {
            HeldLines::ByRow(rows) => rows.hold(line, ()),
            HeldLines::ByKey(rows) => rows.hold(line.row, (line.order, line.product)),
        }
    }

    pub(crate) fn begin(&mut self) -> LinesReading<'_> {
        match self {
            HeldLines::ByRow(rows) => LinesReading::ByRow(rows.begin()),
            HeldLines::ByKey(rows) => LinesReading::ByKey(rows.begin()),
        }
    }

    /// Whether rows have keys.
    pub(crate) fn is_by_key(&self) -> bool {
        matches!(self, HeldLines::ByKey(_))
    }

    /// The line of this row, where rows have keys.
    pub(crate) fn get(&self, row: RowKey) -> Option<(OrderKey, ProductKey)> {
        match self {
            HeldLines::ByRow(_) => None,
            HeldLines::ByKey(rows) => rows.get(&row),
        }
    }

    pub(crate) fn put(&mut self, line: LineRow, out: &mut Vec<(LineRow, Diff)>) {
        match self {
            HeldLines::ByRow(rows) => rows.put(line, (), &mut |line, (), diff| out.push((line, diff))),
            HeldLines::ByKey(rows) => rows.put(line.row, (line.order, line.product), &mut into(out)),
        }
    }

    pub(crate) fn remove(&mut self, row: RowKey, out: &mut Vec<(LineRow, Diff)>) {
        if let HeldLines::ByKey(rows) = self {
            rows.remove(&row, &mut into(out));
        }
    }

    /// Forgets the lines that `keep` does not hold on to.
    pub(crate) fn keep(&mut self, mut keep: impl FnMut(OrderKey) -> bool, out: &mut Vec<(LineRow, Diff)>) {
        match self {
            HeldLines::ByRow(rows) => {
                rows.keep(|line, ()| keep(line.order), &mut |line, (), diff| out.push((line, diff)));
            }
            HeldLines::ByKey(rows) => rows.keep(|_, (order, _)| keep(*order), &mut into(out)),
        }
    }

    /// The orders of all lines that are held.
    pub(crate) fn each(&mut self, mut order: impl FnMut(OrderKey)) {
        self.keep(
            |of| {
                order(of);
                true
            },
            &mut Vec::new(),
        );
    }

    /// Calls `see` with the product of each line.
    pub(crate) fn for_each_product(&self, mut see: impl FnMut(ProductKey)) {
        match self {
            HeldLines::ByRow(rows) => rows.for_each(|line, ()| see(line.product)),
            HeldLines::ByKey(rows) => rows.for_each(|_, (_, product)| see(*product)),
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        match self {
            HeldLines::ByRow(rows) => rows.len(),
            HeldLines::ByKey(rows) => rows.len(),
        }
    }
}

fn into(out: &mut Vec<(LineRow, Diff)>) -> impl FnMut(RowKey, (OrderKey, ProductKey), Diff) {
    |row, (order, product), diff| out.push((LineRow { order, product, row }, diff))
}

impl LinesReading<'_> {
    pub(crate) fn seen(&mut self, line: LineRow) {
        match self {
            LinesReading::ByRow(rows) => rows.seen(line, ()),
            LinesReading::ByKey(rows) => rows.seen(line.row, (line.order, line.product)),
        }
    }

    pub(crate) fn finish(self) -> Vec<(LineRow, Diff)> {
        match self {
            LinesReading::ByRow(rows) => rows.finish().into_iter().map(|((line, ()), diff)| (line, diff)).collect(),
            LinesReading::ByKey(rows) => {
                let line = |((row, (order, product)), diff)| (LineRow { order, product, row }, diff);
                rows.finish().into_iter().map(line).collect()
            }
        }
    }
}
