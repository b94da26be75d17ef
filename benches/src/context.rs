//! The shared context of a run's benchmarks: sizes, the product's program, one broker and the topics filled so far.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::kafka::Broker;

use crate::event_mix::EventMix;
use crate::figures::Figures;
use crate::topic;

/// One run.
pub(crate) struct Context {
    /// Smaller sizes and fewer repeats, for a test of the benchmarks and rough figures.
    pub(crate) quick: bool,
    /// Whether two builds take turns: then each turn measures once, and only what the build decides.
    pub(crate) in_turns: bool,
    /// The turn of a build, from 0.
    pub(crate) turn: usize,
    /// The product.
    pub(crate) vitrine: PathBuf,
    /// How long the churn takes.
    pub(crate) churn: Duration,
    broker: OnceCell<Broker>,
    filled: RefCell<BTreeSet<String>>,
}

impl Context {
    pub(crate) fn new(quick: bool, in_turns: bool, vitrine: PathBuf, churn: Duration) -> Context {
        Context { quick, in_turns, turn: 0, vitrine, churn, broker: OnceCell::new(), filled: RefCell::default() }
    }

    /// How often something is measured: `quick` times in a quick run, `full` times in a full one, once in each turn of two
    /// builds.
    pub(crate) fn repeats(&self, quick: usize, full: usize) -> usize {
        match (self.in_turns, self.quick) {
            (true, _) => 1,
            (false, true) => quick,
            (false, false) => full,
        }
    }

    /// The benchmarks' program of the measured build: this one, or if two builds take turns the one beside the product, if
    /// there is one.
    pub(crate) fn bench(&self) -> std::io::Result<Option<PathBuf>> {
        match self.in_turns {
            false => std::env::current_exe().map(Some),
            true => Ok(Some(self.vitrine.with_file_name("vitrine-bench")).filter(|path| path.is_file())),
        }
    }

    /// The broker, started when it is first needed.
    pub(crate) fn broker(&self) -> &Broker {
        self.broker.get_or_init(|| {
            eprintln!("bench: starting Kafka");
            Broker::start()
        })
    }

    /// The name of a topic with that many views, filled when it is first needed.
    pub(crate) fn topic(&self, purpose: &str, views: u64, figures: &mut Figures) -> anyhow::Result<String> {
        self.topic_of(EventMix::Views, purpose, views, figures)
    }

    /// The same for a topic of other events.
    pub(crate) fn topic_of(
        &self,
        mix: EventMix,
        purpose: &str,
        events: u64,
        figures: &mut Figures,
    ) -> anyhow::Result<String> {
        let name = format!("{purpose}-{events}");
        if self.filled.borrow_mut().insert(name.clone()) {
            eprintln!("bench: filling topic {name}");
            let start = Instant::now();
            topic::fill(self.broker(), &name, events, mix)?;
            figures.put(&format!("{purpose}_produce_s"), start.elapsed().as_secs_f64());
        }
        Ok(name)
    }
}
