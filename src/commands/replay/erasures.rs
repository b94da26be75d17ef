//! The erasures in the stream of removals, which a replay reads before all else.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Waker, WorkerContext};
use dataflow::ids::Ids;
use dataflow::replay::ReplaySource;
use dataflow::rules::{AHEAD_MS, Rules};
use dataflow::source_status::SourceRegistry;
use dataflow::tables::Erasures;
use dataflow::time::Time;
use sources::kafka::past::Past;
use sources::kafka::range::Patience;
use sources::replay::{LetterHandler, ReplayBounds, ReplayErasures};
use sources::{files, kafka};

use super::recorder::{BATCH, Recorded, Recorder};
use crate::clock::wall_ms;
use crate::config::Config;
use crate::system::sources::of_kafka;

/// Reads all erasures there are, also those after the last step.
pub(super) fn read(
    config: &Config,
    past: Option<Arc<dyn Past>>,
    files: Option<&files::range::Range>,
) -> anyhow::Result<ReplayErasures> {
    // An erasure is dated after the latest event of its user, which may be ahead of this clock.
    let until = wall_ms().saturating_add(AHEAD_MS);
    let bounds = ReplayBounds { from: until, until, kept_ms: config.rules.orders_kept_ms() };
    // The records are read once more by the replay, which counts them and writes their dead letters.
    let (registry, refused): (_, LetterHandler) = (SourceRegistry::default(), Arc::new(|_| {}));
    let dictionary = Arc::new(Dictionary::new(Ids::new(config.dataflow.id_key)));
    let context = WorkerContext { index: 0, peers: 1, waker: Waker::of_this_thread(), dictionary: dictionary.clone() };
    let mut removals: Vec<Box<dyn ReplaySource>> = Vec::new();
    if let Some(settings) = &config.kafka {
        let optional = [settings.removals.as_str()];
        let settings = kafka::Settings { topics: vec![settings.removals.clone()], ..of_kafka(settings) };
        let range = kafka::range::Range::pin(settings, &optional, Patience::default(), past)?;
        removals.push(range.open(&context, bounds, &registry, &refused)?);
    }
    if let Some(range) = files {
        removals.extend(range.removals(bounds, &registry, &refused)?);
    }
    erased_by(removals, until, dictionary)
}

/// The erasures that these streams have. Everything else that they have is forgotten batch by batch.
fn erased_by(
    streams: Vec<Box<dyn ReplaySource>>,
    until: Time,
    dictionary: Arc<Dictionary>,
) -> anyhow::Result<ReplayErasures> {
    let mut erased = ReplayErasures::default();
    let mut recorder = Recorder::new(&Rules::default(), dictionary, until);
    for mut stream in streams {
        loop {
            let Recorded { log, reached } = recorder.feed(stream.as_mut(), until, BATCH)?;
            log.of::<Erasures>().iter().for_each(|((user, ()), _, until)| erased.add(*user, until.0));
            if reached {
                break;
            }
        }
    }
    Ok(erased)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use dataflow::ids::UserKey;
    use dataflow::inputs::Inputs;
    use dataflow::replay::{Failure, Went};

    use super::*;

    const RECORDS: usize = 3 * BATCH + 7;

    /// Removals, each of another user, and every thousandth an erasure.
    struct Removals {
        given: usize,
        dictionary: Arc<Dictionary>,
        ticks: Rc<Cell<usize>>,
        tick: Time,
    }

    fn user(dictionary: &Dictionary, number: usize) -> UserKey {
        dictionary.user(&number.to_string())
    }

    impl ReplaySource for Removals {
        fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
            self.ticks.set(self.ticks.get() + usize::from(inputs.tick() != self.tick));
            self.tick = inputs.tick();
            let end = RECORDS.min(self.given + budget);
            for number in self.given..end {
                let user = user(&self.dictionary, number);
                match number % 1000 {
                    0 => inputs.erasure(user, step - number as u64),
                    _ => inputs.removal(user, self.dictionary.product("lamp")?, step - 1),
                }
            }
            let records = end - std::mem::replace(&mut self.given, end);
            Ok(Went { records, reached: end == RECORDS })
        }
    }

    #[test]
    fn all_erasures_are_found_and_each_batch_has_a_tick() {
        let (dictionary, ticks) = (Arc::new(Dictionary::new(Ids::new([1; 16]))), Rc::<Cell<usize>>::default());
        let source = Removals { given: 0, dictionary: dictionary.clone(), ticks: ticks.clone(), tick: 0 };
        let erased =
            erased_by(vec![Box::new(source)], 1_000_000_000, dictionary.clone()).expect("the source does not fail");
        assert_eq!(ticks.get(), 4);
        for number in 0..RECORDS {
            let until = 1_000_000_000 - number as u64;
            let is_erased = number % 1000 == 0;
            assert_eq!(erased.cover(user(&dictionary, number), until), is_erased, "user {number}");
            assert!(!erased.cover(user(&dictionary, number), until + 1));
        }
    }
}
