//! A value as it was given, in JSON or as a cell of a table, read as what its field holds.

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::Millis;
use crate::bounds::Bounds;
use crate::decimal;
use crate::field::Shape;
use crate::kind::ID_BYTES_MAX;

/// A value as it was given.
#[derive(Clone, Copy)]
pub(crate) enum Given<'a> {
    /// A value of JSON.
    Json(&'a RawValue),
    /// The text of a cell of a table that gives a value.
    Cell(&'a str),
}

/// A value within the bounds of its field.
#[derive(Debug)]
pub(crate) enum Held {
    Text(String),
    Truth(bool),
    Whole(i64),
    Object(Map<String, Value>),
    Numbers(Vec<f32>),
    Time(Millis),
}

/// Times before this are seconds, all others milliseconds, where a time is given as a number.
const LEAST_MILLIS: i64 = 100_000_000_000;

/// How far ahead of the clock a time may be.
const AHEAD_MS_MAX: Millis = 300_000;

impl Given<'_> {
    /// Whether no value was given.
    pub(crate) fn is_nothing(self) -> bool {
        match self {
            Given::Json(raw) => raw.get() == "null",
            Given::Cell(_) => false,
        }
    }

    /// The value as `shape`, which does not hold rows.
    ///
    /// # Errors
    /// What it must be, when it is not that.
    pub(crate) fn read(self, shape: &Shape, bounds: &Bounds) -> Result<Held, String> {
        match shape {
            Shape::Id => self.text("must be a text").and_then(id).map(Held::Text),
            Shape::Text(most) => self.text("must be a text").and_then(|text| text_of(text, *most)).map(Held::Text),
            Shape::Price => {
                let text = self.text_or_number("must be a decimal, such as \"12.50\"")?;
                decimal::read(&text, bounds.price_digits).map(Held::Text)
            }
            Shape::Truth => self.truth().map(Held::Truth),
            Shape::Whole(least, most) => self.whole(*least, *most).map(Held::Whole),
            Shape::Object(most) => {
                let object: Map<String, Value> =
                    serde_json::from_str(self.json_text()).map_err(|_| "must be a JSON object".to_owned())?;
                // As it is stored and given back: 1e15 has 18 bytes there.
                let length = serde_json::to_string(&object).expect("JSON is plain data").len();
                if length > *most {
                    Err(format!("must have at most {most} bytes as compact JSON, and has {length}"))
                } else {
                    Ok(Held::Object(object))
                }
            }
            Shape::Numbers(most) => self.numbers(*most).map(Held::Numbers),
            Shape::Time => self.time(bounds).map(Held::Time),
            Shape::Word(words) => {
                let text = self.text("must be a text")?;
                let known = words.contains(&text.as_str());
                if known { Ok(Held::Text(text)) } else { Err(format!("must be one of {}", words.join(", "))) }
            }
            Shape::Rows(..) => Err("must be given as a list of objects in JSON".to_owned()),
        }
    }

    fn json_text(&self) -> &str {
        match self {
            Given::Json(raw) => raw.get(),
            Given::Cell(cell) => cell,
        }
    }

    fn text(self, otherwise: &str) -> Result<String, String> {
        match self {
            Given::Json(raw) => serde_json::from_str(raw.get()).map_err(|_| otherwise.to_owned()),
            Given::Cell(cell) => Ok(cell.to_owned()),
        }
    }

    fn text_or_number(self, otherwise: &str) -> Result<String, String> {
        match self {
            Given::Json(raw) if raw.get().starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
                Ok(raw.get().to_owned())
            }
            other => other.text(otherwise),
        }
    }

    fn truth(self) -> Result<bool, String> {
        let truth = match self {
            Given::Json(raw) => serde_json::from_str(raw.get()).ok(),
            Given::Cell(cell) => truth_of(cell),
        };
        truth.ok_or_else(|| "must be true or false".to_owned())
    }

    fn whole(self, least: i64, most: i64) -> Result<i64, String> {
        let number = self.json_text().parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }

    fn numbers(self, most: usize) -> Result<Vec<f32>, String> {
        let numbers: Option<Vec<f32>> = serde_json::from_str(self.json_text()).ok();
        let fit = |numbers: &Vec<f32>| numbers.len() <= most && numbers.iter().all(|number| number.is_finite());
        numbers.filter(fit).ok_or_else(|| format!("must be a list of at most {most} finite numbers"))
    }

    fn time(self, bounds: &Bounds) -> Result<Millis, String> {
        let wrong = "must be a time as RFC 3339 writes it, or seconds or milliseconds since 1970";
        let text = self.text_or_number(wrong)?;
        let is_text = matches!(self, Given::Json(raw) if raw.get().starts_with('"'));
        let millis = match text.parse::<i64>() {
            Ok(_) if is_text => None,
            Ok(number) if number < LEAST_MILLIS => number.checked_mul(1000),
            Ok(number) => Some(number),
            Err(_) => match DateTime::parse_from_rfc3339(&text) {
                Ok(time) => Some(time.timestamp_millis()),
                Err(_) if matches!(self, Given::Cell(_)) => local_time(&text),
                Err(_) => None,
            },
        };
        let millis = millis.ok_or_else(|| wrong.to_owned())?;
        if millis < 0 || millis > bounds.now + AHEAD_MS_MAX {
            return Err("must not be before 1970, nor more than five minutes ahead of the clock".to_owned());
        }
        Ok(millis)
    }
}

/// What a cell of a table says, in the words that spreadsheets and databases write; none if it is neither true nor false.
#[must_use]
pub fn truth_of(cell: &str) -> Option<bool> {
    const WORDS: [(&str, &str); 5] = [("true", "false"), ("t", "f"), ("yes", "no"), ("y", "n"), ("1", "0")];
    let is = |word: &str| cell.trim_ascii().eq_ignore_ascii_case(word);
    WORDS.iter().find_map(|(yes, no)| if is(yes) { Some(true) } else { is(no).then_some(false) })
}

/// A time without a zone, as tables have it: in UTC, to the day, the minute or the second.
fn local_time(text: &str) -> Option<Millis> {
    let text = text.replacen('T', " ", 1);
    let time = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok())
        .or_else(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    Some(time.and_utc().timestamp_millis())
}

/// A time as RFC 3339.
pub(crate) fn time_text(millis: Millis) -> String {
    let time = DateTime::<Utc>::from_timestamp_millis(millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn id(text: String) -> Result<String, String> {
    match text.len() {
        1..=ID_BYTES_MAX if text.chars().any(char::is_control) => Err("must have no control characters".to_owned()),
        1..=ID_BYTES_MAX if text.ends_with(char::is_whitespace) => Err("must not end with a blank".to_owned()),
        1..=ID_BYTES_MAX => Ok(text),
        _ => Err(format!("must have 1 to {ID_BYTES_MAX} bytes")),
    }
}

fn text_of(text: String, most: usize) -> Result<String, String> {
    if text.contains('\0') {
        return Err("must not hold the character U+0000".to_owned());
    }
    if text.len() > most { Err(format!("must have at most {most} bytes")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds { price_digits: 2, now: 1_795_000_000_000 };

    fn read(json: &str, shape: &Shape) -> Result<Held, String> {
        let raw: &RawValue = serde_json::from_str(json).expect("it is JSON");
        Given::Json(raw).read(shape, &BOUNDS)
    }

    #[test]
    fn an_object_is_measured_as_it_is_stored() {
        let shape = Shape::Object(100);
        let long = format!(r#"{{"a":[{}]}}"#, ["1e15"; 6].join(","));
        assert!(long.len() < 100 && read(&long, &shape).is_err(), "its numbers are longer when they are stored");
        let wide = format!(r#"{{"a":{}1}}"#, " ".repeat(100));
        let Ok(Held::Object(object)) = read(&wide, &shape) else { panic!("blanks are not stored") };
        assert_eq!(serde_json::to_string(&object).expect("it is JSON"), r#"{"a":1}"#);
    }

    #[test]
    fn words_for_true_and_false() {
        assert!([" True", "t", "YES", "y", "1"].iter().all(|text| truth_of(text) == Some(true)));
        assert!(["false", "F", "no", "N ", "0"].iter().all(|text| truth_of(text) == Some(false)));
        assert!(["", "on", "2", "tr", "sold"].iter().all(|text| truth_of(text).is_none()));
    }
}
