//! Decodes a changed row into edits in keys, or a fault.

use std::borrow::Cow;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{OrderKey, ProductKey, RowKey};
use dataflow::tables::{LineRow, OrderRow, Placed};
use dataflow::time::Millis;

use crate::fault::{Fault, id};
use crate::postgres::names::SourceTable;
use crate::postgres::rows::category_sets::RowCategories;
use crate::postgres::rows::pgoutput::{Tuple, TupleValue};
use crate::postgres::rows::row_decoder::{ColumnValue, RowDecoder, TRUE, UsedColumn, to_json};
use crate::postgres::rows::row_edit::{PartialRow, RowEdit};

/// A change of one row in the log.
#[derive(Clone, Copy)]
pub(crate) enum RowChange<'r, 't> {
    Inserted(&'r Tuple<'t>),
    /// First the row as it was, its key or all of it, where that was change.
    Updated(Option<&'r Tuple<'t>>, &'r Tuple<'t>),
    Deleted(&'r Tuple<'t>),
}

/// A row that changed, of a table whose columns are known.
pub(crate) struct ChangedRow<'r, 't> {
    pub(crate) decoder: &'r RowDecoder,
    pub(crate) change: RowChange<'r, 't>,
}

impl<'r, 't> RowChange<'r, 't> {
    /// The row as it was: its key, or all of it.
    fn before(self) -> Option<&'r Tuple<'t>> {
        match self {
            RowChange::Inserted(_) => None,
            RowChange::Updated(old, _) => old,
            RowChange::Deleted(old) => Some(old),
        }
    }

    /// The row as it is; none if it is gone.
    fn now(self) -> Option<&'r Tuple<'t>> {
        match self {
            RowChange::Inserted(new) | RowChange::Updated(_, new) => Some(new),
            RowChange::Deleted(_) => None,
        }
    }
}

impl<'r, 't> ChangedRow<'r, 't> {
    /// Adds the edits of the row's change. A wrong row counts as deleted, and its fault is returned;
    /// a product whose category is wrong is in none.
    pub(crate) fn edits(&self, dictionary: &Dictionary, edits: &mut Vec<RowEdit>) -> Result<(), Fault<'r>> {
        let (old, new) = (self.change.before(), self.change.now());
        match self.decoder.which {
            SourceTable::Orders => {
                let key = |tuple| self.order(tuple, dictionary).ok().flatten();
                let before = old.and_then(key);
                let Some(new) = new else {
                    edits.extend(before.map(RowEdit::OrderDeleted));
                    return Ok(());
                };
                let read = self.whole_order(new, before, dictionary);
                // An id that is stored apart and was not sent is that of the old row.
                let now = self.order(new, dictionary).ok().and_then(|order| order.or(before));
                let is_new = matches!(self.change, RowChange::Inserted(_));
                let refused = |order| RowEdit::OrderRefused { order, is_new };
                self.settle(read, (before, now), (RowEdit::OrderDeleted, refused), edits)
            }
            SourceTable::OrderItems => {
                let before = old.and_then(|old| self.row(old, dictionary).ok());
                let Some(new) = new else {
                    edits.extend(before.map(RowEdit::LineDeleted));
                    return Ok(());
                };
                let read = self.whole_line(new, before, dictionary);
                let (now, refused) = (self.row(new, dictionary).ok(), |row| self.unusable(row, before));
                self.settle(read, (before, now), (RowEdit::LineDeleted, refused), edits)
            }
            SourceTable::Products => {
                let before = old.and_then(|old| self.known_product(old, dictionary));
                let Some(new) = new else {
                    edits.extend(before.map(RowEdit::ProductDeleted));
                    return Ok(());
                };
                let read = self.whole_product(new, before, dictionary);
                let now = self.known_product(new, dictionary);
                let (read, unusable) = match read {
                    Ok((edit, unusable)) => (Ok(edit), unusable),
                    Err(fault) => (Err(fault), None),
                };
                self.settle(read, (before, now), (RowEdit::ProductDeleted, RowEdit::ProductDeleted), edits)?;
                unusable.map_or(Ok(()), Err)
            }
        }
    }

    /// Deletes the row under its old key, unless the key is the same, then adds the new row, or that it is refused.
    fn settle<K: Copy + PartialEq>(
        &self,
        read: Result<RowEdit, Fault<'r>>,
        (before, now): (Option<K>, Option<K>),
        (gone, refused): (impl Fn(K) -> RowEdit, impl Fn(K) -> RowEdit),
        edits: &mut Vec<RowEdit>,
    ) -> Result<(), Fault<'r>> {
        let moved = before.filter(|before| now != Some(*before));
        match read {
            // The edit itself reads and removes the old row.
            Ok(edit @ (RowEdit::PartialRow(_) | RowEdit::LineUpdated { .. } | RowEdit::LineUnusable { .. })) => {
                edits.push(edit);
            }
            Ok(edit) => {
                edits.extend(moved.map(gone));
                edits.push(edit);
            }
            Err(fault) => {
                // Refused first, while the row is still known by its old key.
                edits.extend(now.map(refused));
                edits.extend(moved.map(gone));
                return Err(fault);
            }
        }
        Ok(())
    }

    /// The edit of a line that cannot be used.
    fn unusable(&self, row: RowKey, before: Option<RowKey>) -> RowEdit {
        let is_new = matches!(self.change, RowChange::Inserted(_));
        RowEdit::LineUnusable { from: (!is_new).then(|| before.unwrap_or(row)), row }
    }

    fn whole_order(
        &self,
        new: &Tuple<'t>,
        before: Option<OrderKey>,
        dictionary: &Dictionary,
    ) -> Result<RowEdit, Fault<'r>> {
        let order = self.order(new, dictionary)?.or(before).ok_or_else(|| self.missing(0))?;
        let user = self.id(new, 1)?.map(|user| dictionary.user(&user));
        let (at, counts) = (self.time(new)?, self.counts(new)?);
        Ok(match (user, at, counts) {
            (Some(user), Some(at), Some(counts)) => {
                let row = OrderRow { order, user, placed: Placed::new(at, counts) };
                let is_known = matches!(self.change, RowChange::Updated(..)) && before.is_none_or(|key| key == order);
                if is_known { RowEdit::OrderUpdated(row) } else { RowEdit::Order(row) }
            }
            _ => RowEdit::PartialRow(Box::new(PartialRow::Order {
                from: before.unwrap_or(order),
                order,
                user,
                at,
                counts,
            })),
        })
    }

    fn whole_line(
        &self,
        new: &Tuple<'t>,
        before: Option<RowKey>,
        dictionary: &Dictionary,
    ) -> Result<RowEdit, Fault<'r>> {
        let row = self.row(new, dictionary)?;
        if self.flag(new)? == Some(true) {
            return Ok(self.unusable(row, before));
        }
        let order = self.id(new, 0)?.map(|order| dictionary.order(&order));
        let product = self.id(new, 1)?.map(|product| dictionary.product(&product)).transpose()?;
        Ok(match (order, product) {
            (Some(order), Some(product)) => {
                let line = LineRow { order, product, row };
                match self.change {
                    RowChange::Inserted(_) | RowChange::Deleted(_) => RowEdit::Line(line),
                    RowChange::Updated(..) => RowEdit::LineUpdated { from: before.unwrap_or(row), line },
                }
            }
            _ => RowEdit::PartialRow(Box::new(PartialRow::Line { from: before.unwrap_or(row), row, order, product })),
        })
    }

    /// The product, and the fault of its categories: the product is then in those that can be used, if any.
    fn whole_product(
        &self,
        new: &Tuple<'t>,
        before: Option<ProductKey>,
        dictionary: &Dictionary,
    ) -> Result<(RowEdit, Option<Fault<'r>>), Fault<'r>> {
        let product = self.id(new, 0)?.map(|product| dictionary.product(&product)).transpose()?;
        let product = product.or(before).ok_or_else(|| self.missing(0))?;
        let available = self.flag(new)? != Some(false);
        let read =
            |text: Option<&str>| RowCategories::read(text, self.decoder.category_lists, self.name(1), dictionary);
        let (categories, fault) = match self.decoder.columns[1].read(new) {
            Ok(ColumnValue::Null) => read(None),
            Ok(ColumnValue::Text(text)) => read(Some(&text)),
            Ok(ColumnValue::Kept) => {
                let from = before.unwrap_or(product);
                return Ok((RowEdit::PartialRow(Box::new(PartialRow::Product { from, product, available })), None));
            }
            Err(fault) => (None, Some(fault)),
        };
        let categories = RowCategories::of_product(categories, available);
        Ok((RowEdit::Product { product, categories }, fault))
    }

    /// An id; none if it is unchanged.
    fn id(&self, tuple: &Tuple<'t>, at: usize) -> Result<Option<Cow<'t, str>>, Fault<'r>> {
        match self.decoder.columns[at].read(tuple)? {
            ColumnValue::Null => Err(self.missing(at)),
            ColumnValue::Kept => Ok(None),
            ColumnValue::Text(text) => {
                id(Some(&text), self.name(at))?;
                Ok(Some(text))
            }
        }
    }

    fn order(&self, tuple: &Tuple<'t>, dictionary: &Dictionary) -> Result<Option<OrderKey>, Fault<'r>> {
        Ok(self.id(tuple, 0)?.map(|order| dictionary.order(&order)))
    }

    /// The product, if its id was ever read.
    fn known_product(&self, tuple: &Tuple<'t>, dictionary: &Dictionary) -> Option<ProductKey> {
        dictionary.find_product(&self.id(tuple, 0).ok().flatten()?)
    }

    /// The key of a line. What is stored apart and was not sent is in the old row.
    fn row(&self, tuple: &Tuple<'t>, dictionary: &Dictionary) -> Result<RowKey, Fault<'r>> {
        let value = |place: &'r UsedColumn| {
            let mut value = place.value(tuple);
            if let (TupleValue::Kept, Some(old)) = (value, self.change.before()) {
                value = place.value(old);
            }
            match value {
                TupleValue::Text(bytes) => Ok(bytes),
                TupleValue::Null | TupleValue::Kept => Err(Fault::Missing { column: &place.name }),
            }
        };
        let values: Vec<&[u8]> = self.decoder.key.iter().map(value).collect::<Result<_, _>>()?;
        Ok(dictionary.row(values))
    }

    /// When the order was created; none if that is unchanged.
    fn time(&self, tuple: &Tuple<'t>) -> Result<Option<Millis>, Fault<'r>> {
        let Some(writing) = self.decoder.time else { return Err(self.missing(2)) };
        match self.decoder.columns[2].read(tuple)? {
            ColumnValue::Null => Err(self.missing(2)),
            ColumnValue::Kept => Ok(None),
            ColumnValue::Text(text) => {
                let at = writing.millis(&text, &self.decoder.zone);
                Ok(Some(at.ok_or(Fault::UnreadableTime { column: self.name(2) })?))
            }
        }
    }

    /// Whether the order counts; none if that is unchanged.
    fn counts(&self, tuple: &Tuple<'t>) -> Result<Option<bool>, Fault<'r>> {
        let Some((at, status)) = &self.decoder.status else { return Ok(Some(true)) };
        Ok(match self.decoder.columns[*at].read(tuple)? {
            ColumnValue::Null => Some(status.counts(None)),
            ColumnValue::Kept => None,
            ColumnValue::Text(text) => Some(status.counts(Some(&text))),
        })
    }

    /// The truth value of a product or a line; none where it is null or not used. The server always sends it.
    fn flag(&self, tuple: &Tuple<'t>) -> Result<Option<bool>, Fault<'r>> {
        let Some(at) = self.decoder.flag else { return Ok(None) };
        Ok(match self.decoder.columns[at].read(tuple)? {
            ColumnValue::Null | ColumnValue::Kept => None,
            ColumnValue::Text(text) => Some(text == TRUE),
        })
    }

    fn name(&self, at: usize) -> &'r str {
        self.decoder.columns.get(at).map_or("", |place| &place.name)
    }

    fn missing(&self, at: usize) -> Fault<'r> {
        Fault::Missing { column: self.name(at) }
    }

    /// The used values as one JSON object.
    pub(crate) fn to_json(&self) -> String {
        let tuple = self.change.now().or(self.change.before());
        tuple.map(|tuple| to_json(&self.decoder.columns, tuple)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
