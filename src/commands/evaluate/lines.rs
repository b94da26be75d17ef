//! The lines of a stream: what happened, and what is asked.
//!
//! ```text
//! {"view": [user, product, ms]}
//! {"order": [user, product, ms, order_id]}
//! {"category": [product, category]}
//! {"ask": key, "user": user}
//! ```
//! Ids are texts of 1 to 256 bytes or whole numbers; a number is the id of its digits. A key may be any JSON value, and stays as
//! it is written.

use std::str::Utf8Error;

use dataflow::ids::ID_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use serde_json::value::RawValue;

/// The longest line that is read.
pub(super) const LINE_BYTES_MAX: u64 = 1 << 20;

/// The last time that a line may have, in the year 2527.
pub(super) const LAST_MS: u64 = (1 << 44) - 1;

/// What a line may be.
const FORMS: &str = "{\"view\": [user, product, ms]}, {\"order\": [user, product, ms, order_id]}, \
                     {\"category\": [product, category]} and {\"ask\": key, \"user\": user}";

/// An id as a text or a whole number.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub(super) enum Id {
    Text(String),
    Whole(u64),
}

impl Id {
    /// The id as text.
    pub(super) fn text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Id::Text(text) => text.into(),
            Id::Whole(number) => number.to_string().into(),
        }
    }

    /// Whether its length is that of an id. `of`: whose id it is.
    fn check(&self, of: &'static str) -> Result<(), BadLine> {
        match self {
            Id::Text(text) if text.is_empty() => Err(BadLine::NoId(of)),
            Id::Text(text) if text.len() > ID_BYTES_MAX => Err(BadLine::LongId(of, text.len())),
            Id::Text(_) | Id::Whole(_) => Ok(()),
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    View {
        user: Id,
        product: Id,
        at: u64,
    },
    Order {
        user: Id,
        product: Id,
        at: u64,
        order: Id,
    },
    Category {
        product: Id,
        category: Id,
    },
    /// The key is JSON.
    Ask {
        key: String,
        user: Id,
    },
}

/// Why a line cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadLine {
    #[error("it is not UTF-8")]
    Encoding(#[from] Utf8Error),
    #[error("it is not one of {FORMS}")]
    NoObject,
    #[error("it is not one of {FORMS}")]
    Form(#[source] serde_json::Error),
    #[error("it has none of \"view\", \"order\", \"category\" and \"ask\"")]
    Nothing,
    #[error("it has more than one of \"view\", \"order\", \"category\" and \"ask\"")]
    Several,
    #[error("it asks without a \"user\"")]
    NoUser,
    #[error("{0} is no time: write milliseconds since the epoch, from 1 to {LAST_MS}")]
    Time(Number),
    #[error("the id of {0} is empty: an id has 1 to {ID_BYTES_MAX} bytes")]
    NoId(&'static str),
    #[error("the id of {0} has {1} bytes: an id has 1 to {ID_BYTES_MAX} bytes")]
    LongId(&'static str, usize),
}

#[derive(Deserialize)]
struct Fields<'a> {
    view: Option<(Id, Id, Number)>,
    order: Option<(Id, Id, Number, Id)>,
    category: Option<(Id, Id)>,
    #[serde(borrow, default, deserialize_with = "present")]
    ask: Option<&'a RawValue>,
    user: Option<Id>,
}

/// A key of `null` is a key.
fn present<'d, D: serde::Deserializer<'d>>(from: D) -> Result<Option<&'d RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl Line {
    /// Reads a line.
    pub(super) fn parse(line: &str) -> Result<Line, BadLine> {
        let line = Line::read(line)?;
        line.check_ids().map(|()| line)
    }

    fn read(line: &str) -> Result<Line, BadLine> {
        // A struct can be read from an array, too.
        if !line.trim_start().starts_with('{') {
            return Err(BadLine::NoObject);
        }
        let fields: Fields<'_> = serde_json::from_str(line).map_err(BadLine::Form)?;
        match (fields.view, fields.order, fields.category, fields.ask) {
            (Some((user, product, at)), None, None, None) => Ok(Line::View { user, product, at: millis(at)? }),
            (None, Some((user, product, at, order)), None, None) => {
                Ok(Line::Order { user, product, at: millis(at)?, order })
            }
            (None, None, Some((product, category)), None) => Ok(Line::Category { product, category }),
            (None, None, None, Some(key)) => {
                Ok(Line::Ask { key: key.get().to_owned(), user: fields.user.ok_or(BadLine::NoUser)? })
            }
            (None, None, None, None) => Err(BadLine::Nothing),
            _ => Err(BadLine::Several),
        }
    }

    fn check_ids(&self) -> Result<(), BadLine> {
        const USER: &str = "the user";
        const PRODUCT: &str = "the product";
        match self {
            Line::View { user, product, .. } => user.check(USER).and(product.check(PRODUCT)),
            Line::Order { user, product, order, .. } => {
                user.check(USER).and(product.check(PRODUCT)).and(order.check("the order"))
            }
            Line::Category { product, category } => product.check(PRODUCT).and(category.check("the category")),
            Line::Ask { user, .. } => user.check(USER),
        }
    }
}

/// Milliseconds; a fraction of a millisecond is dropped.
fn millis(at: Number) -> Result<u64, BadLine> {
    let whole = at.as_u64().or_else(|| at.as_f64().filter(|at| (0.0..9e15).contains(at)).map(|at| at as u64));
    whole.filter(|whole| (1..=LAST_MS).contains(whole)).ok_or(BadLine::Time(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str) -> Id {
        Id::Text(id.into())
    }

    #[test]
    fn all_forms_are_read() {
        let read = |line: &str| Line::parse(line).unwrap();
        let view = Line::View { user: text("ada"), product: Id::Whole(214), at: 1000 };
        assert_eq!(read(r#"{"view": ["ada", 214, 1000]}"#), view);
        assert_eq!(read(r#"{"view": ["ada", 214, 1000.7]}"#), view);
        let order = Line::Order { user: Id::Whole(1), product: text("p"), at: 5, order: text("o") };
        assert_eq!(read(r#"{"order": [1, "p", 5, "o"]}"#), order);
        assert_eq!(read(r#"{"category": ["p", "c"]}"#), Line::Category { product: text("p"), category: text("c") });
        for key in ["7", "null", "12345678901234567890123", "1.0", "1e400", "-0", r#"{"b": 1, "a": "\u00e9"}"#] {
            let asked = Line::Ask { key: key.into(), user: text("ada") };
            assert_eq!(read(&format!(r#"{{"ask": {key} , "user": "ada"}}"#)), asked);
        }
        assert_eq!(Id::Whole(214).text(), "214");
    }

    #[test]
    fn other_lines_are_refused_with_a_reason() {
        for (line, reason) in [
            ("", "it is not one of"),
            ("{}", "it has none of"),
            (r#"[["ada", "p", 5], null, null, null, null]"#, "it is not one of"),
            (r#"{"ask": 1, "user": "ada", "view": ["ada", "p", 5]}"#, "it has more than one of"),
            (r#"{"category": ["p", "c"], "view": ["ada", "p", 5]}"#, "it has more than one of"),
            (r#"{"view": ["ada", "p"]}"#, "it is not one of"),
            (r#"{"view": ["ada", "p", -1]}"#, "-1 is no time"),
            (r#"{"view": ["ada", "p", 0]}"#, "0 is no time"),
            (r#"{"view": ["ada", "p", 1795132800000000]}"#, "1795132800000000 is no time"),
            (r#"{"view": ["ada", 1.5, 3]}"#, "it is not one of"),
            (r#"{"ask": 1}"#, "it asks without"),
            (r#"{"ask": 1, "user": ""}"#, "the id of the user is empty"),
            (r#"{"order": ["ada", "p", 5, ""]}"#, "the id of the order is empty"),
            (r#"{"category": ["p", ""]}"#, "the id of the category is empty"),
            (
                format!(r#"{{"view": ["ada", "{}", 5]}}"#, "p".repeat(257)).as_str(),
                "the id of the product has 257 bytes",
            ),
        ] {
            let found = Line::parse(line).unwrap_err().to_string();
            assert!(found.contains(reason), "{line}: {found}");
        }
        let longest = format!(r#"{{"ask": 1, "user": "{}"}}"#, "é".repeat(128));
        assert!(Line::parse(&longest).is_ok(), "ids of 256 bytes are ids");
    }

    #[test]
    fn the_cause_of_an_error_is_named_once() {
        let error = anyhow::Error::from(Line::parse(r#"{"view": ["ada"]}"#).unwrap_err());
        let words = format!("{error:#}");
        assert_eq!(words.matches("at line 1 column").count(), 1, "{words}");
    }
}
