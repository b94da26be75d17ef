//! Reads the fields of one row, and collects every fault instead of the first.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::Millis;
use crate::bounds::Bounds;
use crate::error::Fault;
use crate::field::{Field, Shape, nearest};
use crate::given::{Given, Held};

/// The members of a JSON object, in their order.
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject;
        impl<'de> Visitor<'de> for OfObject {
            type Value = Members<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(OfObject)
    }
}

impl<'a> Members<'a> {
    /// # Errors
    /// A fault of the whole row, when `json` is no object.
    pub(crate) fn read(json: &'a str) -> Result<Self, Fault> {
        serde_json::from_str(json).map_err(|_| Fault::new("", "must be a JSON object"))
    }
}

/// Reads fields by name.
pub(crate) struct FieldReader<'a> {
    fields: &'static [Field],
    given: Vec<(&'static str, Given<'a>)>,
    bounds: &'a Bounds,
    /// Stands before the names in faults.
    prefix: String,
    pub(crate) faults: Vec<Fault>,
}

impl<'a> FieldReader<'a> {
    /// A reader of `members`. Unknown and repeated names are faults.
    pub(crate) fn new(
        fields: &'static [Field],
        members: impl IntoIterator<Item = (String, Given<'a>)>,
        bounds: &'a Bounds,
        prefix: String,
    ) -> Self {
        let mut reader = FieldReader { fields, given: Vec::new(), bounds, prefix, faults: Vec::new() };
        for (name, value) in members {
            match fields.iter().find(|field| field.name == name) {
                Some(field) if reader.given.iter().any(|(given, _)| *given == field.name) => {
                    reader.fault(field.name, "is given more than once");
                }
                Some(field) => reader.given.push((field.name, value)),
                None => {
                    let hint = nearest(&name, fields).map(|near| format!("; did you mean `{near}`?"));
                    reader.faults.push(Fault::new(
                        format!("{}{}", reader.prefix, shown(&name)),
                        format!("is not a known field{}", hint.unwrap_or_default()),
                    ));
                }
            }
        }
        reader
    }

    fn fault(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}{name}", self.prefix), reason));
    }

    fn field(&self, name: &str) -> &'static Field {
        self.fields.iter().find(|field| field.name == name).expect("rows are read by the names that are declared")
    }

    fn given(&mut self, name: &str) -> Option<Given<'a>> {
        let given = self.given.iter().find(|(given, _)| *given == name).map(|(_, value)| *value);
        let given = given.filter(|value| !value.is_nothing());
        if given.is_none() && self.field(name).required {
            self.fault(name, "is missing");
        }
        given
    }

    fn held(&mut self, name: &str) -> Option<Held> {
        let given = self.given(name)?;
        match given.read(&self.field(name).shape, self.bounds) {
            Ok(held) => Some(held),
            Err(reason) => {
                self.fault(name, reason);
                None
            }
        }
    }

    /// An id, a text, a price or a word.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        if let Held::Text(text) = self.held(name)? { Some(text) } else { None }
    }

    pub(crate) fn truth(&mut self, name: &str) -> Option<bool> {
        if let Held::Truth(truth) = self.held(name)? { Some(truth) } else { None }
    }

    pub(crate) fn whole(&mut self, name: &str) -> Option<i64> {
        if let Held::Whole(number) = self.held(name)? { Some(number) } else { None }
    }

    pub(crate) fn object(&mut self, name: &str) -> Option<Map<String, Value>> {
        if let Held::Object(object) = self.held(name)? { Some(object) } else { None }
    }

    pub(crate) fn numbers(&mut self, name: &str) -> Option<Vec<f32>> {
        if let Held::Numbers(numbers) = self.held(name)? { Some(numbers) } else { None }
    }

    pub(crate) fn time(&mut self, name: &str) -> Option<Millis> {
        if let Held::Time(time) = self.held(name)? { Some(time) } else { None }
    }

    /// The time of the clock.
    pub(crate) fn now(&self) -> Millis {
        self.bounds.now
    }

    /// The rows in a field.
    pub(crate) fn rows<R>(&mut self, name: &str, read: impl Fn(&mut FieldReader<'_>) -> R) -> Vec<R> {
        let Shape::Rows(fields, most) = self.field(name).shape else { return Vec::new() };
        let given = match self.given(name) {
            None => return Vec::new(),
            Some(Given::Json(raw)) => serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok(),
            Some(Given::Cell(_)) => None,
        };
        let Some(given) = given.filter(|given| (1..=most).contains(&given.len())) else {
            self.fault(name, format!("must be a list of 1 to {most} objects"));
            return Vec::new();
        };
        let mut rows = Vec::with_capacity(given.len());
        for (at, raw) in given.into_iter().enumerate() {
            let prefix = format!("{}{name}[{at}]", self.prefix);
            match Members::read(raw.get()) {
                Ok(Members(members)) => {
                    let members = members.into_iter().map(|(name, raw)| (name, Given::Json(raw)));
                    let mut reader = FieldReader::new(fields, members, self.bounds, prefix + ".");
                    rows.push(read(&mut reader));
                    self.faults.append(&mut reader.faults);
                }
                Err(fault) => self.faults.push(Fault::new(prefix, fault.reason)),
            }
        }
        rows
    }
}

/// The start of a name that is not known, short enough for an answer. An empty name is shown as `""`.
fn shown(name: &str) -> String {
    const CHARACTERS_MAX: usize = 64;
    if name.is_empty() {
        return "\"\"".to_owned();
    }
    name.chars().filter(|character| !character.is_control()).take(CHARACTERS_MAX).collect()
}
