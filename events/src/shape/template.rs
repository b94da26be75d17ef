//! [`Decoder`]: decodes the records of one stream, whose lines are mostly alike.
//!
//! A program writes all its events with the same members in the same order, so the text between the values is the same in
//! every line. A [`Template`] is learned from one line: the text before each value, and which field the value is. A line that
//! fits a template is compared text by text, and only its values are looked at:
//!
//! ```text
//! {"event":"‖ProductView‖","messageid":"‖5b8e6f0e‖","userid":"‖user-120‖","properties":{"productid":"‖…‖"},"timestamp":‖…‖}
//! ```
//! That takes a third of the quick pass, which does the rest. A template never changes the result: the text comes from a line
//! that the quick pass has accepted, the values are checked by the same functions, and a property test compares the two.

use super::field::Field;
use super::quick::{self, JsonCursor};
use super::{RawFields, metadata};
use crate::{Event, EventCore, Malformed, RawRecord, TimeBounds, core_of, event_of};

/// The most templates of a stream: for programs that take turns.
const TEMPLATES_MAX: usize = 4;

/// Once there are enough templates, one in this many lines that fit no template is learned from. Learning takes longer than
/// decoding.
const LEARN_EVERY: u32 = 64;

/// Lines with more values are not learned from. Bounds the size of a template.
const VALUES_MAX: usize = 32;

/// Longer lines are not learned from.
const LINE_BYTES_MAX: usize = 4096;

/// Decodes the records of one stream.
#[derive(Default)]
pub struct Decoder {
    templates: Vec<Template>,
    /// The template that fitted last.
    last: usize,
    /// Lines that fitted no template.
    misses: u32,
}

impl Decoder {
    /// The event of a record: the same result as [`RawRecord::decode`].
    ///
    /// # Errors
    /// As those of [`RawRecord::decode`].
    pub fn decode<'a>(&mut self, record: &RawRecord<'a>, bounds: &TimeBounds) -> Result<Event<'a>, Malformed> {
        let mut fields = RawFields::default();
        self.read(RawFields::text(record.payload)?, &mut fields)?;
        event_of(&fields, record.time, bounds)
    }

    /// The core of the event of a record.
    ///
    /// # Errors
    /// As those of [`RawRecord::decode`].
    #[inline]
    pub fn decode_core<'a>(&mut self, record: &RawRecord<'a>, bounds: &TimeBounds) -> Result<EventCore<'a>, Malformed> {
        let mut fields = RawFields::default();
        self.read(RawFields::text(record.payload)?, &mut fields)?;
        core_of(&fields, record.time, bounds)
    }

    /// Fills in the fields of a text. They were empty before.
    #[inline]
    pub(crate) fn read<'a>(&mut self, text: &'a str, fields: &mut RawFields<'a>) -> Result<(), Malformed> {
        // A line that could hold too much metadata is left to the passes that look at its size.
        let start = JsonCursor::new(text).filter(JsonCursor::is_free_of_escapes);
        let Some(start) = start.filter(|_| text.len() <= metadata::BYTES_MAX) else {
            *fields = RawFields::of(text)?;
            return Ok(());
        };
        match self.templates.get(self.last).and_then(|template| template.read(start, fields)) {
            Some(()) => Ok(()),
            None => self.unlike_the_last(text, start, fields),
        }
    }

    /// Fills in the fields of a line that does not fit the template of the line before.
    fn unlike_the_last<'a>(
        &mut self,
        text: &'a str,
        start: JsonCursor<'a>,
        fields: &mut RawFields<'a>,
    ) -> Result<(), Malformed> {
        for (at, template) in self.templates.iter().enumerate().filter(|(at, _)| *at != self.last) {
            *fields = RawFields::default();
            if template.read(start, fields).is_some() {
                self.last = at;
                return Ok(());
            }
        }
        *fields = RawFields::default();
        if quick::read(text, fields).is_none() {
            *fields = RawFields::parse_any(text)?;
            return Ok(());
        }
        self.learn(text, start);
        Ok(())
    }

    fn learn(&mut self, text: &str, start: JsonCursor<'_>) {
        self.misses = self.misses.wrapping_add(1);
        let is_full = self.templates.len() == TEMPLATES_MAX;
        if text.len() > LINE_BYTES_MAX || (is_full && !self.misses.is_multiple_of(LEARN_EVERY)) {
            return;
        }
        let Some(template) = Template::of(text, start) else { return };
        if is_full {
            // The template that fitted last is worth keeping.
            self.last = (self.last + 1) % TEMPLATES_MAX;
            self.templates[self.last] = template;
        } else {
            self.last = self.templates.len();
            self.templates.push(template);
        }
    }
}

/// The text between the values of a line.
struct Template {
    values: Vec<Value>,
    /// The text after the last value.
    end: Box<[u8]>,
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

/// One value, and the text from the value before it to it.
struct Value {
    /// With the opening quote if the value is text.
    before: Box<[u8]>,
    is_text: bool,
    field: Option<Field>,
}

impl Template {
    /// Learns from a line that the quick pass has read; none if other lines that look alike could mean something else.
    fn of(line: &str, mut cursor: JsonCursor<'_>) -> Option<Template> {
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
        let (mut values, mut done) = (Vec::with_capacity(found.len()), 0);
        for Found { start, end, is_text, field } in found {
            let before = line.as_bytes().get(done..start + usize::from(is_text))?.into();
            values.push(Value { before, is_text, field });
            done = end;
        }
        Some(Template { values, end: line.as_bytes().get(done..)?.into(), metadata })
    }

    /// Fills in the fields of a line from its beginning; none if it does not fit, and then some may be filled in already.
    #[inline]
    fn read<'a>(&self, mut cursor: JsonCursor<'a>, fields: &mut RawFields<'a>) -> Option<()> {
        let mut metadata = [0; 2];
        for (nth, Value { before, is_text, field }) in self.values.iter().enumerate() {
            self.find_metadata(nth, cursor.at(), &mut metadata);
            cursor.text(before)?;
            let start = cursor.at() - usize::from(*is_text);
            if *is_text {
                cursor.string()?
            } else {
                cursor.number()?
            }
            if let Some(field) = field {
                *fields.field(*field) = cursor.since(start)?;
            }
        }
        self.find_metadata(self.values.len(), cursor.at(), &mut metadata);
        cursor.text(&self.end)?;
        cursor.is_at_end()?;
        fields.metadata = cursor.between(metadata[0], metadata[1])?;
        Some(())
    }

    /// Sets the ends of `metadata` that are behind the value before the one with this number, which ends at `at`.
    #[inline]
    fn find_metadata(&self, nth: usize, at: usize, ends: &mut [usize; 2]) {
        if let Some(places) = &self.metadata {
            places
                .iter()
                .zip(ends)
                .filter(|(place, _)| place.values == nth)
                .for_each(|(place, end)| *end = at + place.bytes);
        }
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

    fn fits(template: &Template, line: &str) -> bool {
        let mut fields = RawFields::default();
        let fits = JsonCursor::new(line).and_then(|cursor| template.read(cursor, &mut fields)).is_some();
        assert!(!fits || Ok(fields) == RawFields::parse_any(line), "{line}");
        fits
    }

    #[test]
    fn lines_fit_that_differ_in_their_values_alone() {
        let view = template(VIEW).unwrap();
        assert!(fits(&view, VIEW));
        for (old, new) in [
            ("ProductView", "ProductRemoved"),
            ("ada", ""),
            ("\"lamp", "\"λάμπα"),
            ("web", "app, {1}"),
            ("31000000.5", "e9"),
        ] {
            assert!(fits(&view, &VIEW.replacen(old, new, 1)), "{new}");
        }
        for (old, new) in [
            ("event", "event_type"),
            ("\"ada\"", "7"),
            ("1731000000.5", "\"1731000000.5\""),
            ("1731000000.5", "01"),
            ("[1,true]", "[1,false]"),
            ("{}", "{\"a\":1}"),
            ("ada\"", "ada"),
            (".5}", ".5} "),
            (".5}", ".5}}"),
            (".5}", ".5"),
            ("{\"event", " {\"event"),
        ] {
            assert!(!fits(&view, &VIEW.replacen(old, new, 1)), "{new}");
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
                let learned = template(&line).unwrap();
                for other in [
                    line.clone(),
                    line.replace("\"ada\"", "\"a longer name\"").replace('7', "-1.25").replace("app", ""),
                ] {
                    assert!(fits(&learned, &other), "{other}");
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
        for line in [nested, twice, r#"{"userid":null}"#, r#"{"timestamp":{}}"#] {
            assert!(template(line).is_none(), "{line}");
        }
    }

    #[test]
    fn programs_that_take_turns_have_a_template_each_and_new_ones_replace_old_ones() {
        let mut decoder = Decoder::default();
        let line = |program: usize| format!(r#"{{"program{program}":"x","user_id":"ada"}}"#);
        for program in (0..TEMPLATES_MAX).cycle().take(100) {
            decoder.read(&line(program), &mut RawFields::default()).unwrap();
        }
        assert_eq!((decoder.templates.len(), decoder.misses), (TEMPLATES_MAX, TEMPLATES_MAX as u32));
        for _ in 0..2 * LEARN_EVERY {
            decoder.read(&line(9), &mut RawFields::default()).unwrap();
        }
        assert_eq!((decoder.templates.len(), decoder.misses), (TEMPLATES_MAX, LEARN_EVERY));
        let many = format!("{{{}}}", (0..=VALUES_MAX).map(|n| format!("\"{n}\":1")).collect::<Vec<_>>().join(","));
        assert!(template(&many).is_none());
    }
}
