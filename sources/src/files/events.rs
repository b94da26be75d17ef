//! A file of events, one JSON object a line: views and removals enter the graph, the rest is counted.

use std::io;
use std::path::Path;

use dataflow::ids::{ProductKey, UserKey};
use dataflow::time::Millis;

use super::batch::{Changes, Interaction};
use super::lines::{self, LineRange};
use super::position::{FilePosition, line_ends};
use super::reader::Followed;
use super::refusals::{FileRefusals, Interruption, Refusal, Voice};
use super::tail::{Look, Span, Tail};
use super::times::LineTimes;
use crate::decode::{Event, Kind, Malformed, TimeBounds, decode};
use crate::fault::Fault;

/// One followed file of events.
pub(super) struct EventFile {
    voice: Voice,
    tail: Tail,
    times: LineTimes,
    /// What is being read, until its end.
    span: Option<Span>,
    buffer: Vec<u8>,
}

impl EventFile {
    pub(super) fn new(dir: &Path, part: usize) -> Self {
        let voice = Voice::new(part);
        let tail = Tail::new(dir.join(voice.name()));
        EventFile { voice, tail, times: LineTimes::default(), span: None, buffer: Vec::new() }
    }

    /// The span to read next, if there is anything to read.
    fn look(&mut self, desk: &FileRefusals) -> Result<Option<Span>, Interruption> {
        if self.span.is_some() {
            return Ok(self.span.take());
        }
        let span = match self.tail.look()? {
            Look::Same => {
                self.voice.well(&self.tail).map_or(Ok(()), |batch| desk.send(batch))?;
                return Ok(None);
            }
            Look::Missing => {
                self.voice.missing(&self.tail).map_or(Ok(()), |batch| desk.send(batch))?;
                return Ok(None);
            }
            Look::Grown(span) => span,
            Look::Replaced(span) => {
                tracing::warn!(file = %self.tail.path().display(), "cut or replaced, it is read from its start");
                self.tail.place = FilePosition::default();
                span
            }
        };
        let now = desk.now();
        let from_start = self.tail.place == FilePosition::default();
        self.times.begin(if from_start { now.min(span.modified_ms()) } else { now });
        Ok(Some(span))
    }

    /// Reads the next lines of a span; whether that was all of it.
    fn stretch(&mut self, span: &Span, desk: &FileRefusals) -> Result<bool, Interruption> {
        let mut place = self.tail.place;
        let mut deeds = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut stretch = LineRange::Unfinished;
        if place.skip(&span.file, span.to())? {
            stretch = lines::read(&span.file, place.offset, span.to(), &mut buffer)?;
        }
        match stretch {
            LineRange::Unfinished => {}
            LineRange::TooLong => {
                let malformed = Malformed::TooLarge { bytes: buffer.len() };
                desk.refuse(self.voice.name(), place.offset, malformed.into(), &buffer)?;
                place.skipping = true;
            }
            LineRange::Lines(bytes) => {
                let bounds = TimeBounds::around(desk.now());
                for (at, line) in lines::split(&buffer[..bytes]) {
                    let offset = place.offset + at as u64;
                    let mut time = || self.times.give(|| line_ends(&span.file, offset, span.to()));
                    match event(line, &bounds, &mut time)?.and_then(|event| deed(event, desk)) {
                        Ok(deed) => deeds.extend(deed.map(|(deed, user, product, at)| {
                            let latest = if deed == Interaction::View { self.times.latest() } else { Millis::MAX };
                            (deed, user, product, at.min(latest))
                        })),
                        Err(refusal) => desk.refuse(self.voice.name(), offset, refusal, line)?,
                    }
                    self.times.pass();
                }
                place.offset += bytes as u64;
            }
        }
        self.buffer = buffer;
        let ended = stretch == LineRange::Unfinished || place.offset == span.to();
        self.tail.read(span, place, ended)?;
        let changes = (!deeds.is_empty()).then_some(Changes::Deeds(deeds));
        desk.send(self.voice.batch(changes, place.offset, span.to(), ended))?;
        Ok(ended)
    }
}

impl Followed for EventFile {
    fn turn(&mut self, desk: &FileRefusals) -> Result<bool, Interruption> {
        let Some(span) = self.look(desk)? else { return Ok(false) };
        if !self.stretch(&span, desk)? {
            self.span = Some(span);
        }
        Ok(true)
    }

    fn trouble(&mut self, error: &io::Error, desk: &FileRefusals) -> Result<(), Interruption> {
        self.span = None;
        Ok(self.voice.trouble(&self.tail, error.to_string()).map_or(Ok(()), |batch| desk.send(batch))?)
    }
}

/// Decodes a line; one that states no time is given one.
fn event<'a>(
    line: &'a [u8],
    bounds: &TimeBounds,
    time: &mut impl FnMut() -> io::Result<Millis>,
) -> io::Result<Result<Event<'a>, Refusal>> {
    let event = match decode(line, None, bounds) {
        Err(Malformed::MissingField { field: "timestamp" }) => decode(line, Some(time()?), bounds),
        event => event,
    };
    Ok(event.map_err(Refusal::from))
}

/// What enters the graph; other kinds of events are counted.
fn deed(event: Event<'_>, desk: &FileRefusals) -> Result<Option<(Interaction, UserKey, ProductKey, Millis)>, Refusal> {
    let deed = match event.kind {
        Kind::View => Interaction::View,
        Kind::Removal => Interaction::Removal,
        kind => {
            desk.status.ignored(kind.name());
            return Ok(None);
        }
    };
    let product = desk.dictionary.product(&event.product).map_err(Fault::from)?;
    Ok(Some((deed, desk.dictionary.user(&event.user), product, event.at)))
}
