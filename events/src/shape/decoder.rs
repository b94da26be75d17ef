//! [`Decoder`]: decodes the records of one stream, whose lines are mostly alike.
//!
//! It learns a [`Template`] from a line and reads the lines that fit it; that takes a third of the quick pass, which reads the
//! others.

use super::quick::{self, COUNTED_BYTES_MAX, JsonCursor};
use super::template::Template;
use super::{RawFields, metadata};
use crate::{Event, EventCore, Malformed, RawRecord, TimeBounds, core_of, event_of};

/// The most templates of a stream: for programs that take turns.
const TEMPLATES_MAX: usize = 4;

/// Once there are enough templates, one in this many lines that fit no template is learned from. Learning takes longer than
/// decoding.
const LEARN_EVERY: u32 = 64;

/// Longer lines are not learned from.
const LINE_BYTES_MAX: usize = 4096;

/// A line that could hold too much metadata is left to the passes that look at its size.
const _: () = assert!(COUNTED_BYTES_MAX <= metadata::BYTES_MAX);

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
        let start = JsonCursor::new(text);
        let Some(start) = start.filter(|start| !start.scan().has_backslash && text.len() <= COUNTED_BYTES_MAX) else {
            *fields = RawFields::of(text)?;
            return Ok(());
        };
        match self.templates.get_mut(self.last).and_then(|template| template.read(start, fields)) {
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
        for (at, template) in self.templates.iter_mut().enumerate().filter(|(at, _)| *at != self.last) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
