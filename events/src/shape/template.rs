//! [`Template`]: the text between the values of a line.
//!
//! A program writes all its events with the same members in the same order, so the text between the values is the same in
//! every line. A template is learned from one line: the text after each value, and which field the value is. A line that
//! fits a template is compared text by text, and only its values are looked at:
//!
//! ```text
//! {"event":"‖ProductView‖","messageid":"‖5b8e6f0e‖","userid":"‖user-120‖","properties":{"productid":"‖…‖"},"timestamp":‖…‖}
//! ```
//! A template never changes the result: the text comes from a line that the quick pass has accepted, the values are checked by
//! the same functions, and a property test compares the two.
//!
//! Most values are as long as in the line before, so the text after a value is looked for there first. That is right if the
//! value before it has no quote; and no value has one if the line has only as many quotes as the template's text.

use super::RawFields;
use super::field::Field;
use super::quick::JsonCursor;

/// Lines with more values are not learned from. Bounds the size of a template.
const VALUES_MAX: usize = 32;

/// The text between the values of a line.
pub(super) struct Template {
    /// The text before the first value, with its opening quote if it is text.
    begin: Box<[u8]>,
    values: Vec<Value>,
    /// The number of quotes in a line.
    quotes: usize,
    /// Where the object `metadata` begins and ends, if there is one.
    metadata: Option<[Place; 2]>,
}

/// A place in the text between the values.
#[derive(Clone, Copy)]
struct Place {
    /// The number of values before it.
    values: usize,
    /// The number of bytes from the last of these values to it.
    bytes: usize,
}

/// One value, and the text from it to the next value or to the end of the line.
struct Value {
    is_text: bool,
    field: Option<Field>,
    /// The length that the value had in the line that fitted last, without its quotes.
    length: usize,
    /// With the closing quote of this value and the opening quote of the next one, if they are texts.
    after: Box<[u8]>,
}

impl Value {
    /// Goes past the value and the text after it. Returns where the value ends, without its closing quote.
    #[inline]
    fn go_past(&mut self, cursor: &mut JsonCursor<'_>) -> Option<usize> {
        let start = cursor.at();
        if !self.is_text {
            cursor.number()?;
        } else if cursor.bytes_and_text(self.length, &self.after).is_some() {
            return Some(start + self.length);
        } else {
            cursor.find_quote()?;
            self.length = cursor.at() - start;
        }
        let end = cursor.at();
        cursor.text(&self.after)?;
        Some(end)
    }
}

impl Template {
    /// Learns from a line that the quick pass has read; none if other lines that look alike could mean something else.
    pub(super) fn of(line: &str, mut cursor: JsonCursor<'_>) -> Option<Template> {
        let quotes = cursor.scan().quotes;
        let mut found = Vec::new();
        let (mut properties, mut metadata, mut context) = (0, 0, 0);
        let mut object = None;
        cursor.token(b'{')?;
        cursor.members(|cursor, name| {
            if name == b"properties" {
                properties += 1;
                cursor.token(b'{')?;
                return cursor.members(|cursor, name| find(cursor, Field::named_in_properties(name), &mut found));
            }
            if name == b"metadata" && cursor.peek() == Some(b'{') {
                metadata += 1;
                let start = cursor.at();
                cursor.token(b'{')?;
                cursor.members(|cursor, name| find(cursor, Field::named_in_metadata(name), &mut found))?;
                object = Some([start, cursor.at()]);
                return Some(());
            }
            if name == b"context" {
                context += 1;
                cursor.token(b'{')?;
                return cursor.members(|cursor, name| find(cursor, Field::named_in_context(name), &mut found));
            }
            find(cursor, Field::named(name), &mut found)
        })?;
        // The fields in a second one would replace those in the first, also if it has none.
        if properties > 1 || metadata > 1 || context > 1 || found.len() > VALUES_MAX {
            return None;
        }
        let metadata = object.map(|ends| ends.map(|at| Place::of(at, &found)));
        let between = |from: usize, to: usize| line.as_bytes().get(from..to).map(Box::from);
        let begin = between(0, found.first().map_or(line.len(), Found::inner_start))?;
        let next = found.iter().skip(1).map(Found::inner_start).chain([line.len()]);
        let values = found.iter().zip(next).map(|(value, next)| {
            let &Found { is_text, field, .. } = value;
            let length = value.inner_end() - value.inner_start();
            Some(Value { is_text, field, length, after: between(value.inner_end(), next)? })
        });
        Some(Template { begin, values: values.collect::<Option<_>>()?, quotes, metadata })
    }

    /// Fills in the fields of a line from its beginning. If the line does not fit, returns none, and some fields may be filled in.
    #[inline]
    pub(super) fn read<'a>(&mut self, mut cursor: JsonCursor<'a>, fields: &mut RawFields<'a>) -> Option<()> {
        // The text between the values has that many, so no value has one.
        if cursor.scan().quotes != self.quotes {
            return None;
        }
        let mut metadata = [0; 2];
        cursor.text(&self.begin)?;
        find_metadata(&self.metadata, 0, 0, &mut metadata);
        for (nth, value) in (1..).zip(&mut self.values) {
            let quote = usize::from(value.is_text);
            let start = cursor.at() - quote;
            let end = value.go_past(&mut cursor)? + quote;
            if let Some(field) = value.field {
                *fields.field(field) = cursor.between(start, end)?;
            }
            find_metadata(&self.metadata, nth, end, &mut metadata);
        }
        cursor.is_at_end()?;
        fields.metadata = cursor.between(metadata[0], metadata[1])?;
        Some(())
    }
}

/// Sets the ends of `metadata` that are behind this many values, of which the last ends at `at`.
#[inline]
fn find_metadata(places: &Option<[Place; 2]>, values: usize, at: usize, ends: &mut [usize; 2]) {
    if let Some(places) = places {
        places
            .iter()
            .zip(ends)
            .filter(|(place, _)| place.values == values)
            .for_each(|(place, end)| *end = at + place.bytes);
    }
}

impl Place {
    /// The place at a position in a line with these values.
    fn of(at: usize, found: &[Found]) -> Place {
        let values = found.iter().take_while(|found| found.start < at).count();
        let last = found[..values].last().map_or(0, |found| found.end);
        Place { values, bytes: at - last }
    }
}

/// A value that a line may have in its place.
struct Found {
    start: usize,
    end: usize,
    is_text: bool,
    field: Option<Field>,
}

impl Found {
    /// Where it begins, after its opening quote.
    fn inner_start(&self) -> usize {
        self.start + usize::from(self.is_text)
    }

    /// Where it ends, before its closing quote.
    fn inner_end(&self) -> usize {
        self.end - usize::from(self.is_text)
    }
}

/// Goes past a value. Text and numbers may differ from line to line; anything else is a part of the template.
fn find(cursor: &mut JsonCursor<'_>, field: Option<Field>, found: &mut Vec<Found>) -> Option<()> {
    let start = cursor.at();
    match cursor.peek()? {
        first @ (b'"' | b'-' | b'0'..=b'9') => {
            cursor.value()?;
            found.push(Found { start, end: cursor.at(), is_text: first == b'"', field });
        }
        // A field with any other value is rare.
        _ if field.is_some() => return None,
        b'{' => {
            cursor.token(b'{')?;
            cursor.members(|cursor, _| find(cursor, None, found))?;
        }
        _ => {
            cursor.value()?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str = r#"{"event":"ProductView","messageid":"a","userid":"ada","properties":{"productid":"lamp"},"context":{"source":"web","n":[1,true],"o":{}},"timestamp":1731000000.5}"#;

    fn template(line: &str) -> Option<Template> {
        Template::of(line, JsonCursor::new(line)?)
    }

    fn fits(template: &mut Template, line: &str) -> bool {
        let mut fields = RawFields::default();
        let fits = JsonCursor::new(line).and_then(|cursor| template.read(cursor, &mut fields)).is_some();
        assert!(!fits || Ok(fields) == RawFields::parse_any(line), "{line}");
        fits
    }

    #[test]
    fn lines_fit_that_differ_in_their_values_alone() {
        let mut view = template(VIEW).unwrap();
        assert!(fits(&mut view, VIEW));
        for (old, new) in [
            ("ProductView", "ProductRemoved"),
            ("ada", ""),
            ("\"lamp", "\"λάμπα"),
            ("web", "app, {1}"),
            ("31000000.5", "e9"),
        ] {
            assert!(fits(&mut view, &VIEW.replacen(old, new, 1)), "{new}");
        }
        for (old, new) in [
            ("event", "event_type"),
            ("\"ada\"", "7"),
            ("1731000000.5", "\"1731000000.5\""),
            ("1731000000.5", "01"),
            ("[1,true]", "[1,false]"),
            ("{}", "{\"a\":1}"),
            ("ada\"", "ada"),
            ("ada", "ada\",\"properties\":{\"productid\":\""),
            (".5}", ".5} "),
            (".5}", ".5}}"),
            (".5}", ".5"),
            ("{\"event", " {\"event"),
        ] {
            assert!(!fits(&mut view, &VIEW.replacen(old, new, 1)), "{new}");
        }
    }

    #[test]
    fn metadata_is_found_whole_wherever_it_stands() {
        for metadata in
            ["{}", r#"{"device":"app"}"#, r#"{"a":{"b":[1,true]},"n":7,"o":{}}"#, r#"{ "n" : 7 , "device" : "tv" }"#]
        {
            for line in [
                format!(r#"{{"metadata":{metadata},"user_id":"ada","n":7}}"#),
                format!(r#"{{"user_id":"ada","metadata":{metadata},"n":7}}"#),
                format!(r#"{{"user_id":"ada","n":7, "metadata" : {metadata} }}"#),
            ] {
                let mut learned = template(&line).unwrap();
                for other in [
                    line.clone(),
                    line.replace("\"ada\"", "\"a longer name\"").replace('7', "-1.25").replace("app", ""),
                ] {
                    assert!(fits(&mut learned, &other), "{other}");
                    assert_eq!(RawFields::of(&other), RawFields::parse_any(&other));
                    assert!(RawFields::of(&other).is_ok_and(|fields| fields.metadata.starts_with('{')));
                }
            }
        }
    }

    #[test]
    fn nothing_is_learned_where_alike_lines_can_mean_something_else() {
        let nested = r#"{"event_type":"purchase","items":[{"product_id":"a"}]}"#;
        let twice = r#"{"properties":{"productid":"a"},"properties":{"other":"b"}}"#;
        let many = format!("{{{}}}", (0..=VALUES_MAX).map(|n| format!("\"{n}\":1")).collect::<Vec<_>>().join(","));
        for line in [nested, twice, r#"{"userid":null}"#, r#"{"timestamp":{}}"#, &many] {
            assert!(template(line).is_none(), "{line}");
        }
    }
}
