//! One file of events of a range, line by line.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflow::inputs::Inputs;
use dataflow::replay::{Failure, ReplaySource, Went};
use dataflow::time::{Millis, Time};
use events::{Malformed, RawRecord, TimeBounds};

use super::RangeError;
use crate::file_position::{FilePosition, offset_i64};
use crate::file_tail::FileSpan;
use crate::files::lines::{self, LineRange};
use crate::files::times::LineTimes;
use crate::replay::{PartitionReplay, ReplayProgress};

/// One file of events.
pub(super) struct EventFileReplay {
    stream: &'static str,
    path: PathBuf,
    file: File,
    to: u64,
    /// When the last line had arrived.
    arrived: Millis,
    replay: PartitionReplay,
    times: LineTimes,
    /// Where `lines` begins in the file.
    position: FilePosition,
    /// Whole lines that have been read.
    lines: Vec<u8>,
    /// Where the next line begins in `lines`.
    at: usize,
    /// Whether reading has ended.
    over: bool,
    /// The position that was last reported.
    reported: u64,
    progress: Arc<ReplayProgress>,
}

impl EventFileReplay {
    pub(super) fn new(
        stream: &'static str,
        path: PathBuf,
        file: File,
        span: &FileSpan,
        replay: PartitionReplay,
        progress: Arc<ReplayProgress>,
    ) -> Self {
        let mut times = LineTimes::default();
        times.begin_file(span.modified_ms(), path.parent().unwrap_or(Path::new("")), stream);
        EventFileReplay {
            stream,
            path,
            file,
            to: span.to(),
            arrived: span.modified_ms(),
            replay,
            times,
            position: FilePosition::default(),
            lines: Vec::new(),
            at: 0,
            over: false,
            reported: 0,
            progress,
        }
    }

    /// Reads the next lines when the lines in hand are used up.
    fn read(&mut self) -> io::Result<()> {
        self.position.offset += self.lines.len() as u64;
        self.at = 0;
        match lines::read(&self.file, &mut self.position, self.to, &mut self.lines)? {
            LineRange::Lines(bytes) => self.lines.truncate(bytes),
            LineRange::Unfinished => {
                self.lines.clear();
                self.over = true;
            }
            LineRange::TooLong => {
                let beginning = std::mem::take(&mut self.lines);
                let malformed = Malformed::TooLarge(beginning.len());
                self.replay.refuse(&self.record(self.position.offset, &beginning), malformed);
            }
        }
        Ok(())
    }

    /// Takes the lines that were read, until `budget` are or the step is complete; returns how many.
    fn take(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> io::Result<usize> {
        let chunk = std::mem::take(&mut self.lines);
        let (begin, mut records) = (self.at, 0);
        for (at, line) in lines::split(&chunk[begin..]) {
            if records == budget || self.over || !self.replay.is_open(step) {
                break;
            }
            records += 1;
            let position = self.position.offset + (begin + at) as u64;
            let event = self.times.decode(line, &self.file, position, self.to, &TimeBounds::around(self.arrived))?;
            self.times.pass();
            let record = self.record(position, line);
            self.replay.take(&record, event, inputs, step);
            // Before the line's end, which is skipped with the next line.
            self.at = begin + at + line.len();
            self.over = self.replay.is_over(Some(self.times.latest()));
        }
        if !self.over && records < budget && self.replay.is_open(step) {
            self.at = chunk.len();
        }
        self.lines = chunk;
        Ok(records)
    }

    fn record<'a>(&self, offset: u64, payload: &'a [u8]) -> RawRecord<'a> {
        // As where a file is followed, the time of the event is that of its record: a line says no other.
        RawRecord { stream: self.stream, partition: 0, offset: offset_i64(offset), time: None, payload }
    }
}

impl ReplaySource for EventFileReplay {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        let mut records = if budget == 0 { 0 } else { self.replay.give_waiting(inputs, step) };
        while records < budget && self.replay.is_open(step) && !self.over {
            let went = if self.at == self.lines.len() {
                self.read().map(|()| 0)
            } else {
                self.take(inputs, step, budget - records)
            };
            records += went.map_err(|error| RangeError::Io { path: self.path.clone(), error })?;
        }
        let reached_offset = if self.over { self.to } else { self.position.offset };
        if self.over && self.reported < self.to {
            self.replay.beyond().into_iter().for_each(|(from, _)| {
                let (path, bytes) = (self.path.display(), self.to.saturating_sub(from.unsigned_abs()));
                self.progress
                    .note_skipped(format!("{path}: {bytes} bytes from byte {from} on are after the last step"));
            });
        }
        self.progress.add_done(reached_offset.saturating_sub(self.reported));
        self.reported = reached_offset;
        Ok(Went { records, reached: self.replay.has_reached(step, self.over) })
    }
}

#[cfg(test)]
mod tests {
    use dataflow::dictionary::Dictionary;
    use dataflow::feed::{Waker, WorkerContext};
    use dataflow::ids::Ids;
    use dataflow::rules::Rules;
    use dataflow::source_status::SourceRegistry;
    use dataflow::stepped::SteppedGraph;
    use dataflow::tables::Stamps;
    use events::view_json;

    use crate::files::range::Range;
    use crate::replay::ReplayBounds;

    use super::*;

    const FIRST_MS: Time = 1_700_000_000_000;

    /// What a file with views of these times gives for each step and budget: the number of views, and whether that is all.
    fn fed(times: &[Time], feeds: &[(Time, usize)]) -> Vec<(usize, bool)> {
        let dir = tempfile::tempdir().unwrap();
        let line = |(number, at): (usize, &Time)| view_json("ada", &format!("lamp-{number}"), *at, "1", "web") + "\n";
        std::fs::write(dir.path().join("views.jsonl"), times.iter().enumerate().map(line).collect::<String>()).unwrap();
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
        let mut graph = SteppedGraph::new(Rules::default(), dictionary.clone(), 300);
        graph.keep_log(10);
        let worker = WorkerContext { index: 0, peers: 1, waker: Waker::of_this_thread(), dictionary };
        let bounds = ReplayBounds { from: 1, until: FIRST_MS + 1000, kept_ms: 1 };
        let range = Range::pin(dir.path()).unwrap();
        let mut sources = range.open(&worker, bounds, &SourceRegistry::default(), &(Arc::new(|_| {}) as _)).unwrap();
        let feed = |&(step, budget): &(Time, usize)| {
            let went = sources[0].feed(graph.inputs(), step, budget).unwrap();
            (graph.take_log().unwrap().of::<Stamps>().len(), went.reached)
        };
        feeds.iter().map(feed).collect()
    }

    #[test]
    fn a_budget_of_nothing_asks_whether_a_record_waits_and_takes_none() {
        let second = FIRST_MS + 100;
        let feeds = [(FIRST_MS, 10), (second - 1, 0), (second, 0), (second - 1, 0), (second, 10), (FIRST_MS + 1000, 0)];
        let expected = [(1, true), (0, true), (0, false), (0, true), (1, true), (0, true)];
        assert_eq!(fed(&[FIRST_MS, second], &feeds), expected);
    }

    #[test]
    fn the_record_that_waited_is_one_of_the_budget() {
        let second = FIRST_MS + 100;
        let feeds = [(FIRST_MS, 10), (second, 1), (second, 1), (second, 10)];
        assert_eq!(fed(&[FIRST_MS, second, second, second], &feeds), [(1, true), (1, false), (1, false), (1, true)]);
    }
}
