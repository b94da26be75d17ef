//! The work of the thread: ticks become lines, lines go into the file, and failures are retried.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::graph::Changed;
use dataflow::source_status::State;

use super::line;
use super::queue::ChangeQueue;
use crate::Report;
use crate::line_file::LineFile;

/// The most bytes of lines that are collected before they are written.
const WRITE_BYTES_MAX: usize = 1 << 20;

/// The deadline has passed, and lines are left.
struct GivenUp;

pub(super) struct ChangeFileWriter {
    file: LineFile,
    dictionary: Arc<Dictionary>,
    queue: Arc<ChangeQueue>,
    report: Report,
    /// Whole lines that are not in the file yet.
    lines: Vec<u8>,
    failing: bool,
}

impl ChangeFileWriter {
    pub(super) fn new(file: PathBuf, dictionary: Arc<Dictionary>, queue: Arc<ChangeQueue>, report: Report) -> Self {
        ChangeFileWriter { file: LineFile::new(file), dictionary, queue, report, lines: Vec::new(), failing: false }
    }

    /// Writes until the queue is closed and empty, or until the deadline.
    pub(super) fn run(&mut self) {
        (self.report)(State::Live);
        let mut begun = false;
        while let Some(ticks) = self.queue.take() {
            let rows = ticks.iter().map(|(changed, _)| changed.rows.len()).sum();
            let written = (|| {
                if let Some((first, _)) = ticks.front()
                    && !std::mem::replace(&mut begun, true)
                {
                    self.begin(first)?;
                }
                ticks.into_iter().try_for_each(|(changed, _held)| self.tick(changed))?;
                // Ticks that arrived together are written together: under load these are many, otherwise one.
                self.write_out()
            })();
            if written.is_err() {
                // The outlet must not wait for a thread that has given up.
                return self.queue.close();
            }
            self.queue.release(rows);
        }
    }

    /// Completes the file of an earlier run.
    fn begin(&mut self, first: &Changed) -> Result<(), GivenUp> {
        let mut has_lines = false;
        self.insist(|writer| writer.file.cut_torn_tail().map(|remain| has_lines = remain))?;
        if !has_lines {
            return Ok(());
        }
        let mut reset = Vec::new();
        line::write_reset(first.tick, &mut reset);
        self.insist(|writer| writer.file.append(&reset).error.map_or(Ok(()), Err))
    }

    fn tick(&mut self, mut changed: Changed) -> Result<(), GivenUp> {
        line::sort(&mut changed);
        for (change, diff) in &changed.rows {
            line::write_row(changed.tick, change, *diff, &self.dictionary, &mut self.lines);
            if self.lines.len() >= WRITE_BYTES_MAX {
                self.write_out()?;
            }
        }
        Ok(())
    }

    /// Writes the collected lines.
    fn write_out(&mut self) -> Result<(), GivenUp> {
        self.insist(|writer| {
            let appended = writer.file.append(&writer.lines);
            let written = writer.lines.drain(..appended.whole).filter(|byte| *byte == b'\n').count();
            writer.queue.written(written as u64);
            appended.error.map_or(Ok(()), Err)
        })
    }

    /// Repeats the action until it succeeds.
    fn insist(&mut self, mut step: impl FnMut(&mut Self) -> io::Result<()>) -> Result<(), GivenUp> {
        let mut backoff = crate::backoff();
        while let Err(error) = step(self) {
            if !self.failing {
                tracing::error!(file = %self.file.name(), %error, "changes cannot be written");
            }
            self.failing = true;
            (self.report)(State::Retrying(format!("{} cannot be written: {error}", self.file.name())));
            if !self.queue.pause(backoff.pause()) {
                return Err(GivenUp);
            }
        }
        if self.failing {
            self.failing = false;
            tracing::info!(file = %self.file.name(), "changes are written again");
            (self.report)(State::Live);
        }
        Ok(())
    }
}
