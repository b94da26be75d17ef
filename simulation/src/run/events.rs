//! The events of a run: what users do, and what the service writes to the log.

use super::Run;
use crate::log::{Event, EventBody};
use crate::operation::Operation;
use crate::plant::Plant;

impl Run {
    /// An event happens, or one is written once more.
    pub(super) fn event(&mut self, operation: Operation) {
        match operation {
            Operation::View { user, product, partition, ago_ms } => {
                self.act(Event { user, product, at: self.now - ago_ms, body: EventBody::View }, partition);
            }
            Operation::Act { user, product, partition, ago_ms, body } => {
                self.act(Event { user, product, at: self.now - ago_ms, body }, partition);
            }
            Operation::Repeat { back } => self.outside.log.borrow_mut().repeat(back, self.now),
            Operation::Removal { user, product, partition } => {
                self.serve(Event { user, product, at: self.now, body: EventBody::Removal }, partition);
            }
            Operation::Erase { user, partition } => {
                self.serve(Event { user, product: 0, at: self.now, body: EventBody::Erasure }, partition);
            }
            // The service gives each version of a rule a later time.
            Operation::Rule { rule, product, partition, hides, lasts_ms }
                if self.outside.log.borrow().rule_written_at(rule) < Some(self.now) =>
            {
                let until = lasts_ms.map(|lasts_ms| self.now + lasts_ms);
                let body = EventBody::Rule { rule, hides, until };
                self.serve(Event { user: 0, product, at: self.now, body }, partition);
            }
            _ => {}
        }
    }

    /// A user does something: the page sends an event.
    fn act(&mut self, event: Event, partition: usize) {
        let mut log = self.outside.log.borrow_mut();
        let uid = log.happen(event);
        if log.append(uid, partition, self.now) {
            log.acknowledge(uid);
        }
    }

    /// The process receives a request, appends its event to the log, and answers.
    fn serve(&mut self, event: Event, partition: usize) {
        if self.process.is_none() {
            return;
        }
        let mut log = self.outside.log.borrow_mut();
        let uid = log.happen(event);
        if self.outside.plant == Some(Plant::DeleteBeforeDurable) {
            log.acknowledge(uid);
            self.unwritten.push((uid, partition));
        } else if log.append(uid, partition, self.now) {
            log.acknowledge(uid);
        }
    }
}
