//! A file of events, one JSON object a line: views and removals enter the graph, the rest is counted.

use std::io;
use std::path::Path;

use events::{HistoryChange, Malformed, RawRecord, TimeBounds};

use super::batch::Changes;
use super::lines::{self, LineRange};
use super::position::{FilePosition, offset_i64};
use super::reader::Followed;
use super::refusals::{FileRefusals, Interruption, Voice};
use super::tail::{Look, Span, Tail};
use super::times::LineTimes;

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
        let mut changes = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut stretch = LineRange::Unfinished;
        if place.skip(&span.file, span.to())? {
            stretch = lines::read(&span.file, place.offset, span.to(), &mut buffer)?;
        }
        match stretch {
            LineRange::Unfinished => {}
            LineRange::TooLong => {
                let malformed = Malformed::TooLarge(buffer.len());
                desk.refuse(self.voice.name(), place.offset, malformed.into(), &buffer)?;
                place.skipping = true;
            }
            LineRange::Lines(bytes) => {
                let bounds = TimeBounds::around(desk.now());
                for (at, line) in lines::split(&buffer[..bytes]) {
                    let offset = place.offset + at as u64;
                    let event = self.times.decode(line, &span.file, offset, span.to(), &bounds)?;
                    let (stream, offset) = (self.voice.name(), offset_i64(offset));
                    let record = RawRecord { stream, partition: 0, offset, time: None, payload: line };
                    match HistoryChange::of(&record, event, &desk.dictionary, &desk.status) {
                        Ok(change) => changes.extend(change),
                        Err(letter) => desk.send_letter(*letter)?,
                    }
                    self.times.pass();
                }
                place.offset += bytes as u64;
            }
        }
        self.buffer = buffer;
        let ended = stretch == LineRange::Unfinished || place.offset == span.to();
        self.tail.read(span, place, ended)?;
        let changes = (!changes.is_empty()).then_some(Changes::Histories(changes));
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
