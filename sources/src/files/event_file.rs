//! A file of events that is followed: one JSON object a line.

use std::io;
use std::path::Path;

use dataflow::dictionary::KeyCache;
use events::{EventChanges, Malformed, RawRecord, TimeBounds};

use super::batch::InputChanges;
use super::context::{FileReporter, FilesContext, Interruption};
use super::follow::FollowedFile;
use super::lines::{self, LineRange};
use super::times::LineTimes;
use crate::file_position::{FilePosition, offset_i64};
use crate::file_tail::{FileSpan, FileTail, TailChange};

/// One followed file of events.
pub(super) struct EventFile {
    reporter: FileReporter,
    tail: FileTail,
    times: LineTimes,
    /// The span that is being read, until its end.
    span: Option<FileSpan>,
    buffer: Vec<u8>,
    keys: KeyCache,
}

impl EventFile {
    pub(super) fn new(dir: &Path, part: usize, keys: KeyCache) -> Self {
        let reporter = FileReporter::new(part);
        let tail = FileTail::summing(dir.join(reporter.name()));
        EventFile { reporter, tail, times: LineTimes::default(), span: None, buffer: Vec::new(), keys }
    }

    /// The span to read next, if there is anything to read.
    fn look(&mut self, context: &FilesContext) -> Result<Option<FileSpan>, Interruption> {
        if self.span.is_some() {
            return Ok(self.span.take());
        }
        let span = match self.tail.look()? {
            TailChange::Same => {
                context.send_any(self.reporter.live(&self.tail))?;
                return Ok(None);
            }
            TailChange::Missing => {
                context.send_any(self.reporter.missing(&self.tail))?;
                return Ok(None);
            }
            TailChange::Grown(span) => span,
            TailChange::Replaced(span) => {
                tracing::warn!(file = %self.tail.path().display(), "the file was cut or replaced: it is read from its start");
                self.tail.restart();
                span
            }
        };
        let now = context.arrival();
        let from_start = self.tail.position == FilePosition::default();
        match self.tail.path().parent() {
            Some(dir) if from_start => self.times.begin_file(now.min(span.modified_ms()), dir, self.reporter.name()),
            _ => self.times.begin(now),
        }
        Ok(Some(span))
    }

    /// Reads the next lines of a span; whether that was all of it.
    fn read_lines(&mut self, span: &FileSpan, context: &FilesContext) -> Result<bool, Interruption> {
        let held = context.dictionary.hold();
        let mut position = self.tail.position;
        let mut events = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        let range = lines::read(&span.file, &mut position, span.to(), &mut buffer)?;
        match range {
            LineRange::Unfinished => {}
            LineRange::TooLong => {
                let malformed = Malformed::TooLarge(buffer.len());
                context.refuse(self.reporter.name(), position.offset, malformed.into(), &buffer)?;
            }
            LineRange::Lines(bytes) => {
                let bounds = TimeBounds::around(context.now());
                for (at, line) in lines::split(&buffer[..bytes]) {
                    let offset = position.offset + at as u64;
                    let event = self.times.decode(line, &span.file, offset, span.to(), &bounds)?;
                    self.times.pass();
                    let (stream, offset) = (self.reporter.name(), offset_i64(offset));
                    let record = RawRecord { stream, partition: 0, offset, time: None, payload: line };
                    match EventChanges::of(&record, event, &context.used, &mut self.keys, &context.status) {
                        Ok(changes) => events.extend(Some(changes).filter(|changes| !changes.is_empty())),
                        Err(letter) => context.send_letter(*letter)?,
                    }
                }
                self.tail.saw(position.offset, &buffer[..bytes]);
                position.offset += bytes as u64;
            }
        }
        self.buffer = buffer;
        let ended = range == LineRange::Unfinished || position.offset == span.to();
        self.tail.read(span, position, ended)?;
        let changes = (!events.is_empty()).then_some(InputChanges::Events(events));
        context.send(self.reporter.batch(changes, position.offset, span.to(), ended).holding(held))?;
        Ok(ended)
    }
}

impl FollowedFile for EventFile {
    fn turn(&mut self, context: &FilesContext) -> Result<bool, Interruption> {
        let Some(span) = self.look(context)? else { return Ok(false) };
        if !self.read_lines(&span, context)? {
            self.span = Some(span);
        }
        Ok(true)
    }

    fn trouble(&mut self, error: &io::Error, context: &FilesContext) -> Result<(), Interruption> {
        self.span = None;
        Ok(context.send_any(self.reporter.failing(&self.tail, error.to_string()))?)
    }
}
