//! The lines that were fed: by the key of their row where the log is followed, else as rows of which several may be equal.

use dataflow::ids::{OrderKey, ProductKey, RowKey};
use dataflow::tables::LineRow;
use dataflow::time::Diff;

use crate::row_store::{Refresh, RowStore};

/// Lines of orders.
pub(super) enum Lines {
    ByRow(RowStore<LineRow, ()>),
    ByKey(RowStore<RowKey, (OrderKey, ProductKey)>),
}

/// The table is being read anew. Dropped before [`Reading::finish`], it leaves the lines as they were.
pub(super) enum Reading<'a> {
    ByRow(Refresh<'a, LineRow, ()>),
    ByKey(Refresh<'a, RowKey, (OrderKey, ProductKey)>),
}

impl Lines {
    /// A line that was there before.
    pub(super) fn hold(&mut self, line: LineRow) {
        match self {
            Lines::ByRow(rows) => rows.hold(line, ()),
            Lines::ByKey(rows) => rows.hold(line.row, (line.order, line.product)),
        }
    }

    pub(super) fn begin(&mut self) -> Reading<'_> {
        match self {
            Lines::ByRow(rows) => Reading::ByRow(rows.begin()),
            Lines::ByKey(rows) => Reading::ByKey(rows.begin()),
        }
    }

    /// Whether rows have keys.
    pub(super) fn is_by_key(&self) -> bool {
        matches!(self, Lines::ByKey(_))
    }

    /// The line of this row, where rows have keys.
    pub(super) fn get(&self, row: RowKey) -> Option<(OrderKey, ProductKey)> {
        match self {
            Lines::ByRow(_) => None,
            Lines::ByKey(rows) => rows.get(&row),
        }
    }

    pub(super) fn put(&mut self, line: LineRow, out: &mut Vec<(LineRow, Diff)>) {
        match self {
            Lines::ByRow(rows) => rows.put(line, (), &mut |line, (), diff| out.push((line, diff))),
            Lines::ByKey(rows) => rows.put(line.row, (line.order, line.product), &mut into(out)),
        }
    }

    pub(super) fn remove(&mut self, row: RowKey, out: &mut Vec<(LineRow, Diff)>) {
        if let Lines::ByKey(rows) = self {
            rows.remove(&row, &mut into(out));
        }
    }

    /// Forgets the lines that `keep` does not hold on to.
    pub(super) fn keep(&mut self, mut keep: impl FnMut(OrderKey) -> bool, out: &mut Vec<(LineRow, Diff)>) {
        match self {
            Lines::ByRow(rows) => {
                rows.keep(|line, ()| keep(line.order), &mut |line, (), diff| out.push((line, diff)));
            }
            Lines::ByKey(rows) => rows.keep(|_, (order, _)| keep(*order), &mut into(out)),
        }
    }

    /// The orders of all lines that are held.
    pub(super) fn each(&mut self, mut order: impl FnMut(OrderKey)) {
        self.keep(
            |of| {
                order(of);
                true
            },
            &mut Vec::new(),
        );
    }

    /// Calls `see` with the product of each line.
    pub(super) fn for_each_product(&self, mut see: impl FnMut(ProductKey)) {
        match self {
            Lines::ByRow(rows) => rows.for_each(|line, ()| see(line.product)),
            Lines::ByKey(rows) => rows.for_each(|_, (_, product)| see(*product)),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        match self {
            Lines::ByRow(rows) => rows.len(),
            Lines::ByKey(rows) => rows.len(),
        }
    }
}

fn into(out: &mut Vec<(LineRow, Diff)>) -> impl FnMut(RowKey, (OrderKey, ProductKey), Diff) {
    |row, (order, product), diff| out.push((LineRow { order, product, row }, diff))
}

impl Reading<'_> {
    pub(super) fn seen(&mut self, line: LineRow) {
        match self {
            Reading::ByRow(rows) => rows.seen(line, ()),
            Reading::ByKey(rows) => rows.seen(line.row, (line.order, line.product)),
        }
    }

    pub(super) fn finish(self) -> Vec<(LineRow, Diff)> {
        match self {
            Reading::ByRow(rows) => rows.finish().into_iter().map(|((line, ()), diff)| (line, diff)).collect(),
            Reading::ByKey(rows) => {
                let line = |((row, (order, product)), diff)| (LineRow { order, product, row }, diff);
                rows.finish().into_iter().map(line).collect()
            }
        }
    }
}
