//! The worker's end: the changes of one reading are fed in one call, and so show in one tick.

use std::sync::Arc;

use dataflow::feed::{Feed, FeedProgress, Position, WorkerContext};
use dataflow::inputs::Inputs;
use dataflow::source_status::SourceStatus;
use dataflow::tables::MerchRules;

use super::reader::{RuleReading, RulesReader};
use super::{NAME, Source};
use crate::read_ahead::ReadAhead;

pub(super) struct RulesFeed {
    readings: ReadAhead<RuleReading>,
    status: Arc<SourceStatus>,
    /// Whether the first attempt has ended.
    has_tried: bool,
}

impl RulesFeed {
    pub(super) fn open(source: &Source, worker: &WorkerContext) -> RulesFeed {
        let readings = ReadAhead::start(NAME, &source.status, |readings| {
            let reader = RulesReader::new(source, worker, readings);
            move |stop| reader.run(&stop)
        });
        RulesFeed { readings, status: source.status.clone(), has_tried: false }
    }

    fn take(&mut self, reading: RuleReading, inputs: &mut Inputs) -> usize {
        let _held = reading.held;
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
        while records < budget
            && let Some(reading) = self.readings.take()
        {
            records += self.take(reading, inputs);
        }
        // No list is shown before the rules are known, unless they cannot be read.
        let waits = !self.has_tried && self.readings.is_running();
        FeedProgress { records, waiting: 0, reached: waits.then_some(0) }
    }

    /// None: every start reads the whole table.
    fn positions(&self, _: &mut Vec<Position>) {}
}
