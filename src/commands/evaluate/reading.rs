//! [`Reading`]: the records of all sources in the order of their service times, a millisecond at a time.
//!
//! A source says whether it has given everything up to a time without giving more. So the next time that any source has
//! something for is found with a few questions, however far away it is. Sources give exactly what counts at that time.

use dataflow::cut::DeltaLog;
use dataflow::replay::ReplaySource;
use dataflow::time::Time;

use crate::commands::replay::recorder::{Recorded, Recorder};

/// See the module.
pub(super) struct Reading {
    pub(super) sources: Vec<Box<dyn ReplaySource>>,
    pub(super) recorder: Recorder,
}

impl Reading {
    /// Reads all records up to a time; `take` gets their rows in parts of about `batch` records. In parts of 1, the rows are in
    /// the order of the records, whatever their tables.
    ///
    /// # Errors
    /// A source cannot continue, or `take` fails.
    pub(super) fn read(
        &mut self,
        until: Time,
        batch: usize,
        mut take: impl FnMut(&DeltaLog) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for source in &mut self.sources {
            loop {
                let Recorded { log, reached } = self.recorder.feed(source.as_mut(), until, batch)?;
                take(&log)?;
                if reached {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The first time after `read`, and not after `until`, for which a source has something. All up to `read` has been read.
    ///
    /// # Errors
    /// A source cannot continue.
    pub(super) fn next_time(&mut self, read: Time, until: Time) -> anyhow::Result<Option<Time>> {
        // Nothing is in between `read` and `empty`.
        let (mut empty, mut width) = (read, 1);
        let mut next = loop {
            if empty >= until {
                return Ok(None);
            }
            let end = until.min(read.saturating_add(width));
            if !self.have_reached(end)? {
                break end;
            }
            empty = end;
            width = width.saturating_mul(2);
        };
        while next - empty > 1 {
            let middle = empty + (next - empty) / 2;
            if self.have_reached(middle)? {
                empty = middle;
            } else {
                next = middle;
            }
        }
        Ok(Some(next))
    }

    fn have_reached(&mut self, time: Time) -> anyhow::Result<bool> {
        for source in &mut self.sources {
            if !self.recorder.has_reached(source.as_mut(), time)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;
    use std::rc::Rc;
    use std::sync::Arc;

    use dataflow::dictionary::Dictionary;
    use dataflow::ids::Ids;
    use dataflow::inputs::Inputs;
    use dataflow::replay::{Failure, Went};
    use dataflow::rules::{PurchaseSource, Rules};
    use dataflow::tables::{EventPurchaseRow, OrderRow, Orders, Stamps};

    use super::*;
    use crate::commands::replay::recorder::BATCH;

    /// A record of a source in a test.
    #[derive(Clone, Copy)]
    pub(in crate::commands::evaluate) enum Record {
        View { user: &'static str, product: &'static str, at: Time },
        Order { user: &'static str, at: Time },
        Purchase { user: &'static str, product: &'static str, at: Time },
    }

    /// Records with their service times, and how often they were asked for.
    pub(in crate::commands::evaluate) struct Fixed {
        records: Vec<(Time, Record)>,
        next: usize,
        questions: Rc<Cell<usize>>,
    }

    impl ReplaySource for Fixed {
        fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
            self.questions.set(self.questions.get() + 1);
            let due = self.records[self.next..].iter().take_while(|(time, _)| *time <= step).count();
            for (_, record) in &self.records[self.next..self.next + due.min(budget)] {
                match *record {
                    Record::View { user, product, at } => {
                        let user = inputs.keys().user(user);
                        let product = inputs.keys().product(product)?;
                        inputs.view(user, product, at);
                    }
                    Record::Order { user, at } => {
                        let dictionary = inputs.dictionary().clone();
                        let order = dictionary.order(&format!("{user} at {at}"));
                        inputs.update::<Orders>(OrderRow::counting(order, dictionary.user(user), at), 1);
                    }
                    Record::Purchase { user, product, at } => {
                        let dictionary = inputs.dictionary().clone();
                        let order = dictionary.order(&format!("{user} and {product} at {at}"));
                        let (user, product) = (dictionary.user(user), dictionary.product(product)?);
                        inputs.event_purchase(EventPurchaseRow { order, user, product, at });
                    }
                }
            }
            self.next += due.min(budget);
            Ok(Went { records: due.min(budget), reached: due <= budget })
        }
    }

    /// The sources of these records, and how often they are asked.
    pub(in crate::commands::evaluate) fn reading(
        sources: Vec<Vec<(Time, Record)>>,
        dictionary: &Arc<Dictionary>,
    ) -> (Reading, Rc<Cell<usize>>) {
        let questions = Rc::<Cell<usize>>::default();
        let source = |records| Box::new(Fixed { records, next: 0, questions: questions.clone() }) as _;
        let sources = sources.into_iter().map(source).collect();
        let rules = Rules { purchases: PurchaseSource::Both, ..Rules::default() };
        (Reading { sources, recorder: Recorder::new(&rules, dictionary.clone(), 1) }, questions)
    }

    fn dictionary() -> Arc<Dictionary> {
        Arc::new(Dictionary::new(Ids::new([1; 16])))
    }

    /// A view that counts when it happens.
    fn view(user: &'static str, at: Time) -> (Time, Record) {
        (at, Record::View { user, product: "lamp", at })
    }

    #[test]
    fn records_of_all_sources_come_in_the_order_of_their_service_times() {
        let dictionary = dictionary();
        // The third view came late, and counts when it came.
        let late = (901, Record::View { user: "late", product: "lamp", at: 3 });
        let views = vec![view("early", 300), view("last", 900), late];
        let orders =
            vec![(299, Record::Order { user: "buyer", at: 299 }), (900, Record::Order { user: "other", at: 900 })];
        let (mut reading, _) = reading(vec![views, orders, vec![view("first", 100)]], &dictionary);
        let (mut time, mut seen) = (0, Vec::new());
        while let Some(next) = reading.next_time(time, 1000).unwrap() {
            time = next;
            let take = |log: &DeltaLog| {
                seen.extend(log.of::<Orders>().iter().map(|(row, ..)| (next, row.1.0)));
                seen.extend(log.of::<Stamps>().iter().map(|((user, _), ..)| (next, *user)));
                Ok(())
            };
            reading.read(next, BATCH, take).unwrap();
        }
        let expected = [(100, "first"), (299, "buyer"), (300, "early"), (900, "last"), (900, "other"), (901, "late")];
        assert_eq!(seen, expected.map(|(time, user)| (time, dictionary.user(user))));
    }

    #[test]
    fn a_long_time_without_records_takes_a_few_questions() {
        const YEAR_MS: Time = 365 * 86_400_000;
        let (mut reading, questions) = reading(vec![vec![view("ada", YEAR_MS)]], &dictionary());
        assert_eq!(reading.next_time(1, YEAR_MS - 1).unwrap(), None);
        assert!(questions.get() <= 40, "{}", questions.get());
        assert_eq!(reading.next_time(1, 2 * YEAR_MS).unwrap(), Some(YEAR_MS));
        assert_eq!(reading.next_time(YEAR_MS - 1, YEAR_MS).unwrap(), Some(YEAR_MS));
        assert!(questions.get() <= 120, "{}", questions.get());
        assert_eq!(reading.recorder.tick(), 1, "time alone closes no tick");
    }

    #[test]
    fn more_records_of_one_time_than_a_batch_come_in_parts() {
        let (mut reading, _) = reading(vec![vec![view("ada", 5); 2 * BATCH + 1]], &dictionary());
        let mut parts = Vec::new();
        let take = |log: &DeltaLog| {
            parts.push(log.of::<Stamps>().len());
            Ok(())
        };
        reading.read(5, BATCH, take).unwrap();
        assert_eq!(parts, [BATCH, BATCH, 1]);
        assert_eq!(reading.next_time(5, 1000).unwrap(), None);
    }
}
