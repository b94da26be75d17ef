//! A replay shows the states at its steps, whatever the workers and batches, and ends when a part of it fails.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::feed::WorkerContext;
use dataflow::graph::{History, Viewed};
use dataflow::ids::Ids;
use dataflow::index_reader::IndexReader;
use dataflow::inputs::Inputs;
use dataflow::replay::{Error, Failure, Observer, ReplaySource, Settings, Went, run};
use dataflow::rules::Rules;
use dataflow::time::Time;

/// Views of one product after another, `gap` milliseconds apart, distributed over the workers.
struct Views {
    next: Time,
    gap: Time,
    until: Time,
    dictionary: Arc<Dictionary>,
}

impl ReplaySource for Views {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        let mut records = 0;
        while self.next <= step.min(self.until) && records < budget {
            let product = self.dictionary.product(&self.next.to_string())?;
            inputs.view(self.dictionary.user("ada"), product, self.next);
            self.next += self.gap;
            records += 1;
        }
        Ok(Went { records, reached: self.next > step.min(self.until) })
    }
}

#[derive(Default)]
struct Seen {
    steps: Vec<(Time, Vec<Time>)>,
    fails_at: Option<Time>,
}

impl Observer for Seen {
    fn step(&mut self, reader: &IndexReader, step: Time) -> Result<(), Failure> {
        if self.fails_at == Some(step) {
            return Err("no room".into());
        }
        let ada = reader.dictionary().user("ada");
        let (view, mut rows) = (reader.view(ada), Vec::new());
        view.rows::<History>(&ada, &mut rows);
        assert_eq!(view.as_of(), step);
        self.steps.push((step, rows.into_iter().map(|(viewed, _): (Viewed, _)| viewed.at()).collect()));
        Ok(())
    }

    fn waiting(&mut self) {}
}

fn go(workers: usize, batch: usize, seen: &mut Seen, fails: bool) -> Result<(), Error> {
    let open = move |context: WorkerContext| {
        if fails && context.index + 1 == workers {
            return Err("no broker".into());
        }
        let next = 1 + context.index as Time;
        let views = Views { next, gap: context.peers as Time, until: 200, dictionary: context.dictionary };
        Ok(vec![Box::new(views) as Box<dyn ReplaySource>])
    };
    let settings = Settings {
        workers,
        rules: Rules { list_size: 3, ..Rules::default() },
        idle_merge_effort: 1000,
        dictionary: Arc::new(Dictionary::new(Ids::new([1; 16]))),
        steps: [1, 2, 9, 100, 1000].into(),
        batch,
        open: Arc::new(open),
    };
    run(settings, seen)
}

#[test]
fn a_step_shows_what_happened_up_to_it_whatever_the_workers_and_batches() {
    let expected =
        [(1, vec![1]), (2, vec![2, 1]), (9, vec![9, 8, 7]), (100, vec![100, 99, 98]), (1000, vec![200, 199, 198])];
    for (workers, batch) in [(1, 1), (1, 1000), (2, 1), (3, 7)] {
        let mut seen = Seen::default();
        go(workers, batch, &mut seen, false).unwrap();
        assert_eq!(seen.steps, expected, "{workers} workers, {batch} a batch");
    }
}

#[test]
fn whoever_fails_ends_it_for_all() {
    for workers in [1, 3] {
        let failed = go(workers, 10, &mut Seen::default(), true).unwrap_err();
        assert_eq!(failed.to_string(), "no broker");
        let mut seen = Seen { fails_at: Some(9), ..Seen::default() };
        assert_eq!(go(workers, 10, &mut seen, false).unwrap_err().to_string(), "no room");
        assert_eq!(seen.steps.len(), 2);
    }
}
