//! Finds the used columns in a table as the log describes it, and reads their values.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::fault::Fault;
use crate::postgres::names::{OrderTime, SourceTable, Status, Tables};
use crate::postgres::rows::pgoutput::{Relation, RelationColumn, Tuple, TupleValue};
use crate::postgres::schema::keys::Identity;
use crate::postgres::schema::value_format::ValueFormat;
use crate::postgres::values::charset::{Charset, escaped};
use crate::postgres::values::id_format::IdFormat;
use crate::postgres::values::pg_time::TimeFormat;
use crate::postgres::values::zone::Zone;

/// A truth value as the server writes it.
pub(crate) const TRUE: &str = "t";

/// Where the used columns of a table are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowDecoder {
    pub(crate) which: SourceTable,
    /// The columns that are read, in the order of [`Tables::columns`].
    pub(crate) columns: Vec<UsedColumn>,
    /// The columns that identify a row.
    pub(crate) key: Vec<UsedColumn>,
    /// How orders write their time.
    pub(crate) time: Option<TimeFormat>,
    /// The zone of their local times.
    pub(crate) zone: Arc<Zone>,
    /// The column of the status, and the values of orders that count.
    pub(crate) status: Option<(usize, Status)>,
    /// The column of the truth value of products and lines.
    pub(crate) flag: Option<usize>,
    /// Whether the column of the category holds lists of ids.
    pub(crate) category_lists: bool,
}

/// One used column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsedColumn {
    pub(crate) name: String,
    at: usize,
    /// The number of the column's type in the log.
    kind: u32,
    form: IdFormat,
    charset: Charset,
}

/// Why the rows of a table cannot be read from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RelationError {
    /// A used column is gone or is of no use.
    Column(String),
    /// Other columns identify the rows than those of the rows held.
    Key(String),
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ColumnValue<'a> {
    Null,
    /// Unchanged, and not sent.
    Kept,
    Text(Cow<'a, str>),
}

impl RowDecoder {
    /// Finds the used columns.
    pub(crate) fn new(
        relation: &Relation<'_>,
        which: SourceTable,
        tables: &Tables,
        identity: &Identity,
        format: &ValueFormat,
    ) -> Result<RowDecoder, RelationError> {
        let (table, charset) = (tables.name(which), format.charset);
        let place = |name: &str, form: IdFormat| {
            let at = relation.columns.iter().position(|column| column.is_named(name, charset));
            let at = at.ok_or_else(|| RelationError::Column(format!("table {table} has no column {name} any more")))?;
            let kind = relation.columns[at].kind;
            Ok(UsedColumn { kind, ..UsedColumn::new(name, at, form, charset) })
        };
        let used = |(at, name): (usize, &str)| place(name, format.form(tables, which, at));
        let columns: Vec<UsedColumn> =
            tables.columns(which).into_iter().enumerate().map(used).collect::<Result<_, RelationError>>()?;
        let key: Vec<UsedColumn> =
            identity.key.iter().map(|name| place(name, IdFormat::Plain)).collect::<Result<_, RelationError>>()?;
        if relation.full != identity.full || !relation.full && !tells(&relation.columns, &identity.key, charset) {
            return Err(RelationError::Key(format!("rows of table {table} are told by other columns than before")));
        }
        let time = match (which, &tables.orders.time) {
            (SourceTable::Orders, OrderTime::Column(name)) => {
                let writing = columns.get(2).and_then(|place| TimeFormat::of(place.kind, format.time));
                Some(writing.ok_or_else(|| {
                    RelationError::Column(format!(
                        "column {name} of table {table} is of a type that is no time any more"
                    ))
                })?)
            }
            _ => None,
        };
        let status = tables.status_at().zip(tables.orders.status.clone()).filter(|_| which == SourceTable::Orders);
        let (flag, category_lists) = (tables.flag_at(which), format.category_lists);
        Ok(RowDecoder { which, columns, key, time, zone: format.zone.clone(), status, flag, category_lists })
    }

    /// Whether both read the same columns, which may stand in other places: unused columns come and go.
    pub(crate) fn reads_the_same(&self, other: &RowDecoder) -> bool {
        let read = |decoder: &RowDecoder| -> Vec<(String, u32)> {
            let places = decoder.columns.iter().chain(&decoder.key);
            places.map(|place| (place.name.clone(), place.kind)).collect()
        };
        self.which == other.which && self.time == other.time && read(self) == read(other)
    }
}

/// Whether exactly these columns identify a row.
fn tells(columns: &[RelationColumn<'_>], key: &[String], charset: Charset) -> bool {
    let told = columns.iter().filter(|column| column.key);
    told.clone().count() == key.len()
        && told.into_iter().all(|column| key.iter().any(|name| column.is_named(name, charset)))
}

impl RelationColumn<'_> {
    fn is_named(&self, name: &str, charset: Charset) -> bool {
        charset.decode(self.name).is_some_and(|own| own == name)
    }
}

impl UsedColumn {
    /// The value at that place of each row.
    pub(crate) fn new(name: &str, at: usize, form: IdFormat, charset: Charset) -> UsedColumn {
        UsedColumn { name: name.to_owned(), at, kind: 0, form, charset }
    }

    /// The value in that row, as an id or a time is written.
    pub(crate) fn read<'a>(&self, tuple: &Tuple<'a>) -> Result<ColumnValue<'a>, Fault<'_>> {
        let bytes = match self.value(tuple) {
            TupleValue::Null => return Ok(ColumnValue::Null),
            TupleValue::Kept => return Ok(ColumnValue::Kept),
            TupleValue::Text(bytes) => bytes,
        };
        let text = self.charset.decode(bytes).ok_or(Fault::NotUtf8 { column: &self.name })?;
        Ok(ColumnValue::Text(self.form.id(text)))
    }

    /// The value in that row, as it was sent.
    pub(crate) fn value<'a>(&self, tuple: &Tuple<'a>) -> TupleValue<'a> {
        tuple.0.get(self.at).copied().unwrap_or(TupleValue::Null)
    }

    /// The value for a person, who can find the row by it.
    pub(crate) fn shown(&self, tuple: &Tuple<'_>) -> Option<String> {
        match (self.read(tuple), self.value(tuple)) {
            (Ok(ColumnValue::Text(text)), _) => Some(text.into_owned()),
            (Err(_), TupleValue::Text(bytes)) => Some(escaped(bytes)),
            _ => None,
        }
    }
}

/// These values of a row as one JSON object.
pub(crate) fn to_json(places: &[UsedColumn], tuple: &Tuple<'_>) -> String {
    let value = |place: &UsedColumn| (place.name.clone(), place.shown(tuple).map_or(Json::Null, Json::from));
    Json::Object(places.iter().map(value).collect::<Map<_, _>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation<'a>(columns: &[(&'a str, bool, u32)]) -> Relation<'a> {
        let columns =
            columns.iter().map(|&(name, key, kind)| RelationColumn { name: name.as_bytes(), key, kind }).collect();
        Relation { id: 1, schema: b"public", name: b"orders", full: false, columns }
    }

    fn decoder(columns: &[(&str, bool, u32)]) -> Result<RowDecoder, RelationError> {
        let identity = Identity::by_key(1, vec!["order_id".to_owned()]);
        RowDecoder::new(&relation(columns), SourceTable::Orders, &Tables::default(), &identity, &format())
    }

    fn format() -> ValueFormat {
        let mut format = ValueFormat::default();
        format.forms[SourceTable::Orders as usize] = [Some(IdFormat::Padded), Some(IdFormat::Plain)];
        format
    }

    #[test]
    fn columns_are_found_wherever_they_are() {
        let found = decoder(&[("created_at", false, 1184), ("user_id", false, 25), ("order_id", true, 1042)]).unwrap();
        assert_eq!(found.time, Some(TimeFormat::Instant));
        let row = Tuple(vec![TupleValue::Text(b"2024-01-01"), TupleValue::Kept, TupleValue::Text(b"ab  ")]);
        let values: Vec<ColumnValue<'_>> = found.columns.iter().map(|place| place.read(&row).unwrap()).collect();
        assert_eq!(values, [ColumnValue::Text("ab".into()), ColumnValue::Kept, ColumnValue::Text("2024-01-01".into())]);
        assert!(
            found.columns[0].read(&Tuple(vec![TupleValue::Null, TupleValue::Null, TupleValue::Text(b"\xff")])).is_err()
        );
        assert_eq!(found.columns[0].read(&Tuple(vec![])), Ok(ColumnValue::Null));
    }

    #[test]
    fn unused_columns_come_and_go() {
        let with = |unused: &[(&'static str, bool, u32)], user: u32| {
            let used = [("order_id", true, 25), ("user_id", false, user), ("created_at", false, 1184)];
            decoder(&[unused, &used].concat()).unwrap()
        };
        assert!(with(&[], 25).reads_the_same(&with(&[("note", false, 25)], 25)));
        assert!(!with(&[], 25).reads_the_same(&with(&[("note", false, 25)], 1043)));
    }

    #[test]
    fn what_is_lost_is_named() {
        let named = |lost| match lost {
            Err(RelationError::Column(text) | RelationError::Key(text)) => text,
            Ok(decoder) => panic!("{decoder:?}"),
        };
        assert!(named(decoder(&[("order_id", true, 25), ("created_at", false, 1184)])).contains("no column user_id"));
        let text = [("order_id", true, 25), ("user_id", false, 25), ("created_at", false, 25)];
        assert!(named(decoder(&text)).contains("created_at of table orders"));
        let key = [("order_id", false, 25), ("user_id", true, 25), ("created_at", false, 1184)];
        assert!(matches!(decoder(&key), Err(RelationError::Key(_))));
    }
}
