//! The worker's end: the changes of one reading are fed in one call, and so show in one tick.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use dataflow::feed::{Feed, FeedProgress, Position, WorkerContext};
use dataflow::inputs::Inputs;
use dataflow::source_status::{SourceStatus, State};
use dataflow::tables::MerchRules;

use super::reader::{RuleReading, RulesReader};
use super::{NAME, Source};
use crate::side_thread::SideThread;

/// Readings that wait for the feed.
const READINGS_MAX: usize = 4;

pub(super) struct RulesFeed {
    // Before the thread: dropping this first ends its waiting.
    readings: Option<Receiver<RuleReading>>,
    _thread: Option<SideThread>,
    status: Arc<SourceStatus>,
    /// Whether the first attempt has ended.
    has_tried: bool,
}

impl RulesFeed {
    /// Starts the reading thread. If it cannot be started, the source is stopped.
    pub(super) fn open(source: &Source, worker: &WorkerContext) -> RulesFeed {
        let (readings_in, readings) = sync_channel(READINGS_MAX);
        let reader = RulesReader::new(source, worker, readings_in);
        let thread = SideThread::spawn("rules", move |stop| reader.run(&stop));
        if let Err(error) = &thread {
            source.status.state(0, State::Stopped(format!("the reading thread cannot be started: {error}")));
        }
        RulesFeed {
            readings: thread.is_ok().then_some(readings),
            _thread: thread.ok(),
            status: source.status.clone(),
            has_tried: false,
        }
    }

    fn take(&mut self, reading: RuleReading, inputs: &mut Inputs) -> usize {
        let records = reading.changes.len();
        reading.changes.into_iter().for_each(|(id, version)| inputs.update::<MerchRules>((id, ()), version));
        self.status.accepted(records as u64);
        self.status.state(0, reading.state);
        self.has_tried = true;
        records
    }
}

impl Feed for RulesFeed {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        let mut records = 0;
        while let Some(readings) = self.readings.as_ref().filter(|_| records < budget) {
            match readings.try_recv() {
                Ok(reading) => records += self.take(reading, inputs),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    let reason = "the reading thread ended unexpectedly, please restart".to_owned();
                    tracing::error!(source = NAME, reason, "the table of rules is not read any more");
                    self.status.state(0, State::Stopped(reason));
                    self.readings = None;
                }
            }
        }
        // No list is shown before the rules are known, unless they cannot be read.
        let waits = !self.has_tried && self.readings.is_some();
        FeedProgress { records, waiting: 0, reached: waits.then_some(0) }
    }

    /// None: every start reads the whole table.
    fn positions(&self, _: &mut Vec<Position>) {}
}
