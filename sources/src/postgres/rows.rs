//! From the values of a changed row to the change in keys, or to what is wrong with the row.

use std::borrow::Cow;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, OrderKey, ProductKey, RowKey};
use dataflow::tables::{CatalogueRow, LineRow, OrderRow, Placed};
use dataflow::time::Millis;

use super::edit::{Edit, Partly};
use super::names::Which;
use super::pgoutput::{Tuple, Value};
use super::relation::{Field, Place, Route, to_json};
use crate::fault::{Fault, category_key, id};

/// What the log tells of one row.
#[derive(Clone, Copy)]
pub(super) enum Told<'r, 't> {
    Came(&'r Tuple<'t>),
    /// First the row as it was, its key or all of it, where that was told.
    Changed(Option<&'r Tuple<'t>>, &'r Tuple<'t>),
    Gone(&'r Tuple<'t>),
}

/// A row that changed, of a table whose columns are known.
pub(super) struct Row<'r, 't> {
    pub(super) route: &'r Route,
    pub(super) told: Told<'r, 't>,
}

impl<'r, 't> Told<'r, 't> {
    /// The row as it was: its key, or all of it.
    fn before(self) -> Option<&'r Tuple<'t>> {
        match self {
            Told::Came(_) => None,
            Told::Changed(old, _) => old,
            Told::Gone(old) => Some(old),
        }
    }

    /// The row as it is; none if it is gone.
    fn now(self) -> Option<&'r Tuple<'t>> {
        match self {
            Told::Came(new) | Told::Changed(_, new) => Some(new),
            Told::Gone(_) => None,
        }
    }
}

impl<'r, 't> Row<'r, 't> {
    /// Adds what the row's change means to `edits`. A row that is wrong is as good as gone, and its fault is returned;
    /// a product whose category is wrong is in none.
    pub(super) fn edits(&self, dictionary: &Dictionary, edits: &mut Vec<Edit>) -> Result<(), Fault<'r>> {
        let (old, new) = (self.told.before(), self.told.now());
        match self.route.which {
            Which::Orders => {
                let key = |tuple| self.order(tuple, dictionary).ok().flatten();
                let before = old.and_then(key);
                let Some(new) = new else {
                    edits.extend(before.map(Edit::OrderGone));
                    return Ok(());
                };
                let read = self.whole_order(new, before, dictionary);
                self.settle(read, before, key(new), Edit::OrderGone, edits)
            }
            Which::OrderItems => {
                let before = old.and_then(|old| self.row(old, dictionary).ok());
                let Some(new) = new else {
                    edits.extend(before.map(Edit::LineGone));
                    return Ok(());
                };
                let read = self.whole_line(new, before, dictionary);
                self.settle(read, before, self.row(new, dictionary).ok(), Edit::LineGone, edits)
            }
            Which::Products => {
                let before = old.and_then(|old| self.known_product(old, dictionary));
                let Some(new) = new else {
                    edits.extend(before.map(Edit::ProductGone));
                    return Ok(());
                };
                let read = self.whole_product(new, before, dictionary);
                let now = self.known_product(new, dictionary);
                let (read, unusable) = match read {
                    Ok((edit, unusable)) => (Ok(edit), unusable),
                    Err(fault) => (Err(fault), None),
                };
                self.settle(read, before, now, Edit::ProductGone, edits)?;
                unusable.map_or(Ok(()), Err)
            }
        }
    }

    /// The row under its key before goes, unless it is still the same, then what was read comes.
    fn settle<K: Copy + PartialEq>(
        &self,
        read: Result<Edit, Fault<'r>>,
        before: Option<K>,
        now: Option<K>,
        gone: impl Fn(K) -> Edit,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Fault<'r>> {
        let moved = before.filter(|before| now != Some(*before));
        match read {
            // It looks at the row before, and removes that by itself.
            Ok(edit @ (Edit::Partly(_) | Edit::LineChanged { .. })) => edits.push(edit),
            Ok(edit) => {
                edits.extend(moved.map(gone));
                edits.push(edit);
            }
            Err(fault) => {
                edits.extend(moved.map(&gone));
                edits.extend(now.map(gone));
                return Err(fault);
            }
        }
        Ok(())
    }

    fn whole_order(
        &self,
        new: &Tuple<'t>,
        before: Option<OrderKey>,
        dictionary: &Dictionary,
    ) -> Result<Edit, Fault<'r>> {
        let order = self.order(new, dictionary)?.or(before).ok_or_else(|| self.missing(0))?;
        let user = self.id(new, 1)?.map(|user| dictionary.user(&user));
        let (at, counts) = (self.time(new)?, self.counts(new)?);
        Ok(match (user, at, counts) {
            (Some(user), Some(at), Some(counts)) => {
                Edit::Order(OrderRow { order, user, placed: Placed::new(at, counts) })
            }
            _ => Edit::Partly(Box::new(Partly::Order { from: before.unwrap_or(order), order, user, at, counts })),
        })
    }

    fn whole_line(&self, new: &Tuple<'t>, before: Option<RowKey>, dictionary: &Dictionary) -> Result<Edit, Fault<'r>> {
        let row = self.row(new, dictionary)?;
        let order = self.id(new, 0)?.map(|order| dictionary.order(&order));
        let product = self.id(new, 1)?.map(|product| dictionary.product(&product)).transpose()?;
        Ok(match (order, product) {
            (Some(order), Some(product)) => {
                let line = LineRow { order, product, row };
                match self.told {
                    Told::Came(_) | Told::Gone(_) => Edit::Line(line),
                    Told::Changed(..) => Edit::LineChanged { from: before.unwrap_or(row), line },
                }
            }
            _ => Edit::Partly(Box::new(Partly::Line { from: before.unwrap_or(row), row, order, product })),
        })
    }

    /// The product, and what is wrong with its category: it is then in none.
    fn whole_product(
        &self,
        new: &Tuple<'t>,
        before: Option<ProductKey>,
        dictionary: &Dictionary,
    ) -> Result<(Edit, Option<Fault<'r>>), Fault<'r>> {
        let product = self.id(new, 0)?.map(|product| dictionary.product(&product)).transpose()?;
        let product = product.or(before).ok_or_else(|| self.missing(0))?;
        let category = match self.route.columns[1].read(new) {
            Ok(Field::Null) => category_key(None, self.name(1), dictionary),
            Ok(Field::Text(category)) => category_key(Some(&category), self.name(1), dictionary),
            Ok(Field::Kept) => {
                let from = before.unwrap_or(product);
                return Ok((Edit::Partly(Box::new(Partly::Product { from, product })), None));
            }
            Err(fault) => Err(fault),
        };
        let edit = |category| Edit::Product(CatalogueRow { product, category });
        Ok(match category {
            Ok(category) => (edit(category), None),
            Err(fault) => (edit(CategoryKey::NONE), Some(fault)),
        })
    }

    /// An id; none if it is what it was.
    fn id(&self, tuple: &Tuple<'t>, at: usize) -> Result<Option<Cow<'t, str>>, Fault<'r>> {
        match self.route.columns[at].read(tuple)? {
            Field::Null => Err(self.missing(at)),
            Field::Kept => Ok(None),
            Field::Text(text) => {
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
        let value = |place: &'r Place| {
            let mut value = place.value(tuple);
            if let (Value::Kept, Some(old)) = (value, self.told.before()) {
                value = place.value(old);
            }
            match value {
                Value::Text(bytes) => Ok(bytes),
                Value::Null | Value::Kept => Err(Fault::Missing { column: &place.name }),
            }
        };
        let values: Vec<&[u8]> = self.route.key.iter().map(value).collect::<Result<_, _>>()?;
        Ok(dictionary.row(values))
    }

    /// When the order was created; none if that is what it was.
    fn time(&self, tuple: &Tuple<'t>) -> Result<Option<Millis>, Fault<'r>> {
        let Some(writing) = self.route.time else { return Err(self.missing(2)) };
        match self.route.columns[2].read(tuple)? {
            Field::Null => Err(self.missing(2)),
            Field::Kept => Ok(None),
            Field::Text(text) => {
                let at = writing.millis(&text, &self.route.zone);
                Ok(Some(at.ok_or(Fault::UnreadableTime { column: self.name(2) })?))
            }
        }
    }

    /// Whether the order counts; none if that is what it was.
    fn counts(&self, tuple: &Tuple<'t>) -> Result<Option<bool>, Fault<'r>> {
        let Some((at, status)) = &self.route.status else { return Ok(Some(true)) };
        Ok(match self.route.columns[*at].read(tuple)? {
            Field::Null => Some(status.counts(None)),
            Field::Kept => None,
            Field::Text(text) => Some(status.counts(Some(&text))),
        })
    }

    fn name(&self, at: usize) -> &'r str {
        self.route.columns.get(at).map_or("", |place| &place.name)
    }

    fn missing(&self, at: usize) -> Fault<'r> {
        Fault::Missing { column: self.name(at) }
    }

    /// The used values as one JSON object.
    pub(super) fn to_json(&self) -> String {
        let tuple = self.told.now().or(self.told.before());
        tuple.map(|tuple| to_json(&self.route.columns, tuple)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::keys::Identity;
    use crate::postgres::names::Tables;
    use crate::postgres::pgoutput::{Column, Relation};
    use crate::postgres::spelling::Spelling;
    use dataflow::ids::Ids;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn route(which: Which) -> Route {
        let tables = Tables::default();
        let names = tables.columns(which);
        let key = if which == Which::OrderItems { names.clone() } else { vec![names[0]] };
        let kind = |name: &str| if name == "created_at" { 1184 } else { 25 };
        let columns = names
            .iter()
            .map(|name| Column { name: name.as_bytes(), key: key.contains(name), kind: kind(name) })
            .collect();
        let relation = Relation { id: 1, schema: b"public", name: b"t", full: false, columns };
        let key = key.into_iter().map(str::to_owned).collect();
        let identity = Identity::by_key(1, key);
        Route::new(&relation, which, &tables, &identity, &Spelling::default()).unwrap()
    }

    fn text(value: &str) -> Value<'_> {
        Value::Text(value.as_bytes())
    }

    fn edits(which: Which, old: Option<&[Value<'_>]>, new: Option<&[Value<'_>]>) -> (Vec<Edit>, Option<&'static str>) {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let route = route(which);
        let (old, new) = (old.map(|row| Tuple(row.to_vec())), new.map(|row| Tuple(row.to_vec())));
        let mut edits = Vec::new();
        let told = match (old.as_ref(), new.as_ref()) {
            (old, Some(new)) => Told::Changed(old, new),
            (Some(old), None) => Told::Gone(old),
            (None, None) => return (edits, None),
        };
        let row = Row { route: &route, told };
        let fault = row.edits(&dictionary, &mut edits).err().map(|fault| fault.reason());
        (edits, fault)
    }

    #[test]
    fn a_row_that_is_wrong_is_gone_under_both_its_keys() {
        let ids = Ids::new([7; 16]);
        let old = [text("1"), Value::Null, Value::Null];
        let new = [text("2"), Value::Null, text("2024-01-01 00:00:00+00")];
        let gone = vec![Edit::OrderGone(ids.order("1")), Edit::OrderGone(ids.order("2"))];
        assert_eq!(edits(Which::Orders, Some(&old), Some(&new)), (gone, Some("missing_field")));
    }

    #[test]
    fn a_line_that_is_changed_is_told_from_one_that_is_new() {
        let ids = Ids::new([7; 16]);
        let (dictionary, route) = (Dictionary::new(Ids::new([7; 16])), route(Which::OrderItems));
        let line = |order: &'static str| Tuple(vec![text(order), text("lamp")]);
        let (old, new) = (line("1"), line("2"));
        let row = |order: &str| ids.row([order.as_bytes(), b"lamp"]);
        let line = LineRow { order: ids.order("2"), product: dictionary.product("lamp").unwrap(), row: row("2") };
        for (told, edit) in [
            (Told::Came(&new), Edit::Line(line)),
            (Told::Changed(None, &new), Edit::LineChanged { from: row("2"), line }),
            (Told::Changed(Some(&old), &new), Edit::LineChanged { from: row("1"), line }),
        ] {
            let mut edits = Vec::new();
            Row { route: &route, told }.edits(&dictionary, &mut edits).unwrap();
            assert_eq!(edits, [edit]);
        }
    }

    #[test]
    fn what_was_not_sent_is_taken_from_the_key_before() {
        let ids = Ids::new([7; 16]);
        let (order, from) = (ids.order("2"), ids.order("1"));
        let old = [text("1"), Value::Null, Value::Null];
        let new = [text("2"), Value::Kept, text("1970-01-01 00:00:01+00")];
        let partly =
            Edit::Partly(Box::new(Partly::Order { from, order, user: None, at: Some(1000), counts: Some(true) }));
        assert_eq!(edits(Which::Orders, Some(&old), Some(&new)), (vec![partly], None));
    }

    proptest! {
        #[test]
        fn any_values_are_edits_or_a_fault(
            old in proptest::option::of(vec(0..5usize, 0..4)), new in proptest::option::of(vec(0..5usize, 0..4))
        ) {
            let values = [Value::Null, Value::Kept, text("a"), text(""), Value::Text(b"\xff")];
            let row = |row: Option<Vec<usize>>| row.map(|row| row.into_iter().map(|at| values[at]).collect::<Vec<_>>());
            let (old, new) = (row(old), row(new));
            for which in Which::ALL {
                let (edits, fault) = edits(which, old.as_deref(), new.as_deref());
                prop_assert!(edits.len() <= 2);
                prop_assert!(new.is_some() || fault.is_none());
            }
        }
    }
}
