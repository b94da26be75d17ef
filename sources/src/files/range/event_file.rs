//! One file of events of a range, line by line.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use dataflow::inputs::Inputs;
use dataflow::replay::{Failure, ReplaySource, Went};
use dataflow::time::{Millis, Time};
use events::{Malformed, RawRecord, TimeBounds};

use super::RangeError;
use crate::files::lines::{self, LineRange};
use crate::files::position::{FilePosition, offset_i64};
use crate::files::tail::Span;
use crate::files::times::LineTimes;
use crate::replay::{PartitionReplay, Progress};

/// One file of events.
pub(super) struct EventsPast {
    stream: &'static str,
    path: PathBuf,
    file: File,
    to: u64,
    /// When the last line had arrived.
    arrived: Millis,
    lane: PartitionReplay,
    times: LineTimes,
    /// Where `lines` begins in the file.
    place: FilePosition,
    /// Whole lines that have been read.
    lines: Vec<u8>,
    /// Where the next line begins in `lines`.
    at: usize,
    /// Nothing more of it is read.
    over: bool,
    /// How far it was when that was last told.
    told: u64,
    progress: Arc<Progress>,
}

impl EventsPast {
    pub(super) fn new(
        stream: &'static str,
        path: PathBuf,
        file: File,
        span: &Span,
        lane: PartitionReplay,
        progress: Arc<Progress>,
    ) -> Self {
        let mut times = LineTimes::default();
        times.begin(span.modified_ms());
        EventsPast {
            stream,
            path,
            file,
            to: span.to(),
            arrived: span.modified_ms(),
            lane,
            times,
            place: FilePosition::default(),
            lines: Vec::new(),
            at: 0,
            over: false,
            told: 0,
            progress,
        }
    }

    /// Reads on where the lines that were read are used up.
    fn read(&mut self) -> io::Result<()> {
        self.place.offset += self.lines.len() as u64;
        (self.at, self.lines) = (0, Vec::new());
        if !self.place.skip(&self.file, self.to)? {
            self.over = true;
        } else {
            match lines::read(&self.file, self.place.offset, self.to, &mut self.lines)? {
                LineRange::Lines(bytes) => self.lines.truncate(bytes),
                LineRange::Unfinished => {
                    self.lines.clear();
                    self.over = true;
                }
                LineRange::TooLong => {
                    let beginning = std::mem::take(&mut self.lines);
                    let malformed = Malformed::TooLarge(beginning.len());
                    self.lane.refuse(&self.record(self.place.offset, &beginning), malformed);
                    self.place.skipping = true;
                }
            }
        }
        Ok(())
    }

    /// Takes the lines that were read, until `budget` are or the step is complete; returns how many.
    fn take(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> io::Result<usize> {
        let stretch = std::mem::take(&mut self.lines);
        let (begin, mut records) = (self.at, 0);
        for (at, line) in lines::split(&stretch[begin..]) {
            if records == budget || self.over || !self.lane.is_open(inputs, step) {
                break;
            }
            records += 1;
            let place = self.place.offset + (begin + at) as u64;
            let event = self.times.decode(line, &self.file, place, self.to, &TimeBounds::around(self.arrived))?;
            self.times.pass();
            let record = self.record(place, line);
            self.lane.take(&record, event, inputs, step);
            // The line's end is after it, and before the next line.
            self.at = begin + at + line.len();
            self.over = self.lane.is_over(Some(self.times.latest()));
        }
        if !self.over && records < budget && self.lane.is_open(inputs, step) {
            self.at = stretch.len();
        }
        self.lines = stretch;
        Ok(records)
    }

    fn record<'a>(&self, offset: u64, payload: &'a [u8]) -> RawRecord<'a> {
        let (offset, time) = (offset_i64(offset), Some(self.times.latest().into()));
        RawRecord { stream: self.stream, partition: 0, offset, time, payload }
    }
}

impl ReplaySource for EventsPast {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        let mut records = 0;
        while records < budget && self.lane.is_open(inputs, step) && !self.over {
            let went = if self.at == self.lines.len() {
                self.read().map(|()| 0)
            } else {
                self.take(inputs, step, budget - records)
            };
            records += went.map_err(|error| RangeError::Io { path: self.path.clone(), error })?;
        }
        let come = if self.over { self.to } else { self.place.offset };
        if self.over && self.told < self.to {
            self.lane.beyond().into_iter().for_each(|(from, _)| {
                let (path, bytes) = (self.path.display(), self.to.saturating_sub(from.unsigned_abs()));
                self.progress.passes_over(format!("{path}: {bytes} bytes from byte {from} on are after the last step"));
            });
        }
        self.progress.went(come.saturating_sub(self.told));
        self.told = come;
        let reached = !self.lane.is_open(inputs, step) || self.over;
        Ok(Went { records, reached })
    }
}
