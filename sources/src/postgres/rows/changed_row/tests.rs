//! The edits of changes of single rows.

use super::*;
use crate::postgres::names::Tables;
use crate::postgres::rows::pgoutput::{Relation, RelationColumn};
use crate::postgres::schema::keys::Identity;
use crate::postgres::schema::value_format::ValueFormat;
use dataflow::ids::Ids;
use proptest::collection::vec;
use proptest::prelude::*;

fn decoder(which: SourceTable) -> RowDecoder {
    let tables = Tables::default();
    let names = tables.columns(which);
    let key = if which == SourceTable::OrderItems { names.clone() } else { vec![names[0]] };
    let kind = |name: &str| if name == "created_at" { 1184 } else { 25 };
    let columns = names
        .iter()
        .map(|name| RelationColumn { name: name.as_bytes(), key: key.contains(name), kind: kind(name) })
        .collect();
    let relation = Relation { id: 1, schema: b"public", name: b"t", full: false, columns };
    let key = key.into_iter().map(str::to_owned).collect();
    let identity = Identity::by_key(1, key);
    RowDecoder::new(&relation, which, &tables, &identity, &ValueFormat::default()).unwrap()
}

fn text(value: &str) -> TupleValue<'_> {
    TupleValue::Text(value.as_bytes())
}

fn edits(
    which: SourceTable,
    old: Option<&[TupleValue<'_>]>,
    new: Option<&[TupleValue<'_>]>,
) -> (Vec<RowEdit>, Option<&'static str>) {
    let dictionary = Dictionary::new(Ids::new([7; 16]));
    let decoder = decoder(which);
    let (old, new) = (old.map(|row| Tuple(row.to_vec())), new.map(|row| Tuple(row.to_vec())));
    let mut edits = Vec::new();
    let change = match (old.as_ref(), new.as_ref()) {
        (old, Some(new)) => RowChange::Updated(old, new),
        (Some(old), None) => RowChange::Deleted(old),
        (None, None) => return (edits, None),
    };
    let row = ChangedRow { decoder: &decoder, change };
    let fault = row.edits(&dictionary, &mut edits).err().map(|fault| fault.reason());
    (edits, fault)
}

#[test]
fn a_row_that_is_wrong_is_gone_under_both_its_keys() {
    let ids = Ids::new([7; 16]);
    let old = [text("1"), TupleValue::Null, TupleValue::Null];
    let new = [text("2"), TupleValue::Null, text("2024-01-01 00:00:00+00")];
    let refused = RowEdit::OrderRefused { order: ids.order("2"), is_new: false };
    let gone = vec![refused, RowEdit::OrderDeleted(ids.order("1"))];
    assert_eq!(edits(SourceTable::Orders, Some(&old), Some(&new)), (gone, Some("missing_field")));
}

#[test]
fn a_line_that_is_changed_is_told_from_one_that_is_new() {
    let ids = Ids::new([7; 16]);
    let (dictionary, decoder) = (Dictionary::new(Ids::new([7; 16])), decoder(SourceTable::OrderItems));
    let line = |order: &'static str| Tuple(vec![text(order), text("lamp")]);
    let (old, new) = (line("1"), line("2"));
    let row = |order: &str| ids.row([order.as_bytes(), b"lamp"]);
    let line = LineRow { order: ids.order("2"), product: dictionary.product("lamp").unwrap(), row: row("2") };
    for (change, edit) in [
        (RowChange::Inserted(&new), RowEdit::Line(line)),
        (RowChange::Updated(None, &new), RowEdit::LineUpdated { from: row("2"), line }),
        (RowChange::Updated(Some(&old), &new), RowEdit::LineUpdated { from: row("1"), line }),
    ] {
        let mut edits = Vec::new();
        ChangedRow { decoder: &decoder, change }.edits(&dictionary, &mut edits).unwrap();
        assert_eq!(edits, [edit]);
    }
}

#[test]
fn an_order_whose_large_id_was_not_sent_stays_under_its_key() {
    let ids = Ids::new([7; 16]);
    let old = [text("1"), TupleValue::Null, TupleValue::Null];
    let new = [TupleValue::Kept, text("u"), text("2024-01-01 00:00:00+00")];
    let (edits, fault) = edits(SourceTable::Orders, Some(&old), Some(&new));
    assert!(matches!(&edits[..], [RowEdit::OrderUpdated(row)] if row.order == ids.order("1")), "{edits:?}");
    assert_eq!(fault, None);
}

#[test]
fn what_was_not_sent_is_taken_from_the_key_before() {
    let ids = Ids::new([7; 16]);
    let (order, from) = (ids.order("2"), ids.order("1"));
    let old = [text("1"), TupleValue::Null, TupleValue::Null];
    let new = [text("2"), TupleValue::Kept, text("1970-01-01 00:00:01+00")];
    let partly = RowEdit::PartialRow(Box::new(PartialRow::Order {
        from,
        order,
        user: None,
        at: Some(1000),
        counts: Some(true),
    }));
    assert_eq!(edits(SourceTable::Orders, Some(&old), Some(&new)), (vec![partly], None));
}

proptest! {
    #[test]
    fn any_values_are_edits_or_a_fault(
        old in proptest::option::of(vec(0..5usize, 0..4)), new in proptest::option::of(vec(0..5usize, 0..4))
    ) {
        let values = [TupleValue::Null, TupleValue::Kept, text("a"), text(""), TupleValue::Text(b"\xff")];
        let row = |row: Option<Vec<usize>>| row.map(|row| row.into_iter().map(|at| values[at]).collect::<Vec<_>>());
        let (old, new) = (row(old), row(new));
        for which in SourceTable::ALL {
            let (edits, fault) = edits(which, old.as_deref(), new.as_deref());
            prop_assert!(edits.len() <= 2);
            prop_assert!(new.is_some() || fault.is_none());
        }
    }
}
