//! From a table as the log describes it to the columns that are used.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::charset::{Charset, escaped};
use super::form::Form;
use super::keys::Identity;
use super::names::{OrderTime, Status, Tables, Which};
use super::pg_time::Writing;
use super::pgoutput::{Column, Relation, Tuple, Value};
use super::spelling::Spelling;
use super::zone::Zone;
use crate::fault::Fault;

/// Where the used columns of a table are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) which: Which,
    /// The columns that are read, in the order of [`Tables::columns`].
    pub(super) columns: Vec<Place>,
    /// The columns whose values tell the row.
    pub(super) key: Vec<Place>,
    /// How orders write their time.
    pub(super) time: Option<Writing>,
    /// The zone of their local times.
    pub(super) zone: Arc<Zone>,
    /// Which orders count, and the column that says so.
    pub(super) status: Option<(usize, Status)>,
}

/// One used column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) name: String,
    at: usize,
    /// The number of the column's type in the log.
    kind: u32,
    form: Form,
    charset: Charset,
}

/// Why the rows of a table cannot be read from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// A used column is gone or is of no use.
    Column(String),
    /// Rows are told by other columns than the rows that are held.
    Key(String),
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Null,
    /// It is what it was.
    Kept,
    Text(Cow<'a, str>),
}

impl Route {
    /// Finds the used columns.
    pub(super) fn new(
        relation: &Relation<'_>,
        which: Which,
        tables: &Tables,
        identity: &Identity,
        spelling: &Spelling,
    ) -> Result<Route, Lost> {
        let (table, charset) = (tables.name(which), spelling.charset);
        let place = |name: &str, form: Form| {
            let at = relation.columns.iter().position(|column| column.is_named(name, charset));
            let at = at.ok_or_else(|| Lost::Column(format!("table {table} has no column {name} any more")))?;
            let kind = relation.columns[at].kind;
            Ok(Place { kind, ..Place::new(name, at, form, charset) })
        };
        let used = |(at, name): (usize, &str)| place(name, spelling.form(tables, which, at));
        let columns: Vec<Place> =
            tables.columns(which).into_iter().enumerate().map(used).collect::<Result<_, Lost>>()?;
        let key: Vec<Place> = identity.key.iter().map(|name| place(name, Form::Plain)).collect::<Result<_, Lost>>()?;
        if relation.full != identity.full || !relation.full && !tells(&relation.columns, &identity.key, charset) {
            return Err(Lost::Key(format!("rows of table {table} are told by other columns than before")));
        }
        let time = match (which, &tables.orders.time) {
            (Which::Orders, OrderTime::Column(name)) => {
                let writing = columns.get(2).and_then(|place| Writing::of(place.kind, spelling.time));
                Some(writing.ok_or_else(|| {
                    Lost::Column(format!("column {name} of table {table} is of a type that is no time any more"))
                })?)
            }
            _ => None,
        };
        let status = tables.status_at().zip(tables.orders.status.clone()).filter(|_| which == Which::Orders);
        Ok(Route { which, columns, key, time, zone: spelling.zone.clone(), status })
    }

    /// Whether both read the same columns, which may stand in other places: unused columns come and go.
    pub(super) fn reads_the_same(&self, other: &Route) -> bool {
        let read = |route: &Route| -> Vec<(String, u32)> {
            let places = route.columns.iter().chain(&route.key);
            places.map(|place| (place.name.clone(), place.kind)).collect()
        };
        self.which == other.which && self.time == other.time && read(self) == read(other)
    }
}

/// Whether these columns, and no others, tell a row.
fn tells(columns: &[Column<'_>], key: &[String], charset: Charset) -> bool {
    let told = columns.iter().filter(|column| column.key);
    told.clone().count() == key.len()
        && told.into_iter().all(|column| key.iter().any(|name| column.is_named(name, charset)))
}

impl Column<'_> {
    fn is_named(&self, name: &str, charset: Charset) -> bool {
        charset.decode(self.name).is_some_and(|own| own == name)
    }
}

impl Place {
    /// The value at that place of each row.
    pub(super) fn new(name: &str, at: usize, form: Form, charset: Charset) -> Place {
        Place { name: name.to_owned(), at, kind: 0, form, charset }
    }

    /// The value in that row, as an id or a time is written.
    pub(super) fn read<'a>(&self, tuple: &Tuple<'a>) -> Result<Field<'a>, Fault<'_>> {
        let bytes = match self.value(tuple) {
            Value::Null => return Ok(Field::Null),
            Value::Kept => return Ok(Field::Kept),
            Value::Text(bytes) => bytes,
        };
        let text = self.charset.decode(bytes).ok_or(Fault::NotUtf8 { column: &self.name })?;
        Ok(Field::Text(self.form.id(text)))
    }

    /// The value in that row, as it was sent.
    pub(super) fn value<'a>(&self, tuple: &Tuple<'a>) -> Value<'a> {
        tuple.0.get(self.at).copied().unwrap_or(Value::Null)
    }

    /// The value for a person, who can find the row by it.
    pub(super) fn shown(&self, tuple: &Tuple<'_>) -> Option<String> {
        match (self.read(tuple), self.value(tuple)) {
            (Ok(Field::Text(text)), _) => Some(text.into_owned()),
            (Err(_), Value::Text(bytes)) => Some(escaped(bytes)),
            _ => None,
        }
    }
}

/// These values of a row as one JSON object.
pub(super) fn to_json(places: &[Place], tuple: &Tuple<'_>) -> String {
    let value = |place: &Place| (place.name.clone(), place.shown(tuple).map_or(Json::Null, Json::from));
    Json::Object(places.iter().map(value).collect::<Map<_, _>>()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation<'a>(columns: &[(&'a str, bool, u32)]) -> Relation<'a> {
        let columns = columns.iter().map(|&(name, key, kind)| Column { name: name.as_bytes(), key, kind }).collect();
        Relation { id: 1, schema: b"public", name: b"orders", full: false, columns }
    }

    fn route(columns: &[(&str, bool, u32)]) -> Result<Route, Lost> {
        let identity = Identity::by_key(1, vec!["order_id".to_owned()]);
        Route::new(&relation(columns), Which::Orders, &Tables::default(), &identity, &spelling())
    }

    fn spelling() -> Spelling {
        let mut spelling = Spelling::default();
        spelling.forms[Which::Orders as usize] = [Some(Form::Padded), Some(Form::Plain)];
        spelling
    }

    #[test]
    fn columns_are_found_wherever_they_are() {
        let found = route(&[("created_at", false, 1184), ("user_id", false, 25), ("order_id", true, 1042)]).unwrap();
        assert_eq!(found.time, Some(Writing::Instant));
        let row = Tuple(vec![Value::Text(b"2024-01-01"), Value::Kept, Value::Text(b"ab  ")]);
        let values: Vec<Field<'_>> = found.columns.iter().map(|place| place.read(&row).unwrap()).collect();
        assert_eq!(values, [Field::Text("ab".into()), Field::Kept, Field::Text("2024-01-01".into())]);
        assert!(found.columns[0].read(&Tuple(vec![Value::Null, Value::Null, Value::Text(b"\xff")])).is_err());
        assert_eq!(found.columns[0].read(&Tuple(vec![])), Ok(Field::Null));
    }

    #[test]
    fn unused_columns_come_and_go() {
        let with = |unused: &[(&'static str, bool, u32)], user: u32| {
            let used = [("order_id", true, 25), ("user_id", false, user), ("created_at", false, 1184)];
            route(&[unused, &used].concat()).unwrap()
        };
        assert!(with(&[], 25).reads_the_same(&with(&[("note", false, 25)], 25)));
        assert!(!with(&[], 25).reads_the_same(&with(&[("note", false, 25)], 1043)));
    }

    #[test]
    fn what_is_lost_is_named() {
        let named = |lost| match lost {
            Err(Lost::Column(text) | Lost::Key(text)) => text,
            Ok(route) => panic!("{route:?}"),
        };
        assert!(named(route(&[("order_id", true, 25), ("created_at", false, 1184)])).contains("no column user_id"));
        let text = [("order_id", true, 25), ("user_id", false, 25), ("created_at", false, 25)];
        assert!(named(route(&text)).contains("created_at of table orders"));
        let key = [("order_id", false, 25), ("user_id", true, 25), ("created_at", false, 1184)];
        assert!(matches!(route(&key), Err(Lost::Key(_))));
    }
}
