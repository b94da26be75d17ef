//! Writes every step once it is visible, and updates the progress bar in between.

use std::sync::Arc;

use dataflow::index_reader::IndexReader;
use dataflow::replay::{Failure, Observer};
use dataflow::time::Time;
use indicatif::ProgressBar;
use sinks::list_file::ParquetWriter;
use sources::replay::ReplayProgress;

use super::dir::{JSONL, OutDir, PARQUET};
use super::rows::{SortedLists, walk};
use crate::commands::progress;

/// See [`Observer`].
pub(super) struct StepWriter<'a> {
    out: &'a OutDir,
    lists: SortedLists,
    progress: Option<Arc<ReplayProgress>>,
    bar: ProgressBar,
    steps: usize,
    /// Steps and rows written.
    written: (usize, u64),
}

impl<'a> StepWriter<'a> {
    pub(super) fn new(out: &'a OutDir, progress: Option<Arc<ReplayProgress>>, steps: usize) -> Self {
        let all = progress.as_ref().map_or(0, |progress| progress.total());
        // If no stream is read, the bar counts steps.
        let bar = progress::share("replay", if all == 0 { steps as u64 } else { all });
        StepWriter {
            out,
            lists: SortedLists::default(),
            progress: progress.filter(|_| all > 0),
            bar,
            steps,
            written: (0, 0),
        }
    }

    /// Ends the bar; returns how many rows were written.
    pub(super) fn finish(self) -> u64 {
        self.bar.finish_and_clear();
        self.written.1
    }

    fn write(&mut self, reader: &IndexReader, step: Time) -> anyhow::Result<u64> {
        let StepWriter { out, lists, .. } = self;
        let mut rows = 0;
        out.file(&out.name(step, PARQUET), |parquet| {
            out.file(&out.name(step, JSONL), |jsonl| {
                let mut columns = ParquetWriter::new(parquet)?;
                walk(reader, step, lists, &mut |row| {
                    rows += 1;
                    row.write_json(jsonl)?;
                    Ok(columns.row(row)?)
                })?;
                Ok(columns.finish()?)
            })
        })?;
        Ok(rows)
    }
}

impl Observer for StepWriter<'_> {
    fn step(&mut self, reader: &IndexReader, step: Time) -> Result<(), Failure> {
        // In the alternate form an error is one line with all its causes.
        let rows = self.write(reader, step).map_err(|error| format!("{error:#}"))?;
        self.written = (self.written.0 + 1, self.written.1 + rows);
        self.bar.set_message(format!("{} of {} steps", self.written.0, self.steps));
        self.waiting();
        Ok(())
    }

    fn waiting(&mut self) {
        self.bar.set_position(self.progress.as_ref().map_or(self.written.0 as u64, |progress| progress.done()));
    }
}
