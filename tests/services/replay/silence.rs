//! A broker that stops answering, or has lost records that it announced, ends a replay instead of blocking it for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflow::dictionary::Dictionary;
use dataflow::feed::WorkerContext;
use dataflow::ids::Ids;
use dataflow::index_reader::IndexReader;
use dataflow::replay::{self, Failure, Observer, Settings};
use dataflow::rules::Rules;
use dataflow::source_status::SourceRegistry;
use dataflow::time::Time;
use harness::kafka::Broker;
use sources::kafka;
use sources::kafka::range::{Patience, Range};
use sources::replay::ReplayBounds;

const STEP: Time = 1_793_491_200_000;

/// Looks at nothing.
struct Nobody;

impl Observer for Nobody {
    fn step(&mut self, _: &IndexReader, _: Time) -> Result<(), Failure> {
        Ok(())
    }

    fn waiting(&mut self) {}
}

/// Pins the ends of a topic. The patience is that of a busy machine; it is shorter than Kafka's with a transaction that
/// nobody ends.
pub(crate) fn pin(broker: &Broker, topic: &str) -> Range {
    pin_with(broker, topic, Duration::from_secs(30))
}

/// Pins the ends of a topic; a record is waited for so long.
fn pin_with(broker: &Broker, topic: &str, record: Duration) -> Range {
    let patience = Patience { answer: Duration::from_secs(60), record };
    Range::pin(kafka::Settings::new(broker.bootstrap(), [topic], Duration::from_secs(5)), &[], patience, None)
        .expect("the topic is there")
}

/// Replays one step; returns what keeps it from its end.
fn run(range: Range) -> Result<(), String> {
    run_steps(range, &[STEP], 100, &mut Nobody)
}

/// Replays steps, so many records at a time.
pub(crate) fn run_steps(range: Range, steps: &[Time], batch: usize, observer: &mut dyn Observer) -> Result<(), String> {
    let (from, until) = (steps[0], steps[steps.len() - 1]);
    let bounds = ReplayBounds { from, until, kept_ms: 1 };
    let registry = SourceRegistry::default();
    let open = move |seat: WorkerContext| {
        let past = range.open(&seat, bounds, &registry, &(Arc::new(|_| {}) as sources::replay::LetterHandler))?;
        Ok(vec![past])
    };
    let settings = Settings {
        workers: 2,
        rules: Rules::default(),
        idle_merge_effort: 1000,
        dictionary: Arc::new(Dictionary::new(Ids::new([7; 16]))),
        steps: steps.into(),
        batch,
        open: Arc::new(open),
    };
    replay::run(settings, observer).map_err(|error| error.to_string())
}

#[test]
fn a_replay_does_not_wait_for_ever() {
    let mut broker = Broker::start();
    broker.create_topic_with("views", 2, &[("retention.ms", "-1")]);
    let event = |nth| format!("{{\"user_id\":1,\"product_id\":{nth},\"event_type\":\"view\"}}");
    broker.produce_at("views", Some(1), STEP.cast_signed(), (0..20).map(event));
    assert_eq!(run(pin(&broker, "views")), Ok(()));

    let range = pin_with(&broker, "views", Duration::from_secs(1));
    broker.freeze();
    let start = Instant::now();
    let silent = run(range).expect_err("nothing can come");
    assert!(silent.contains("nothing has come from views/1 for 1 s, at offset 0 of 20"), "{silent}");
    assert!(start.elapsed() < Duration::from_secs(60));
    broker.thaw();

    let range = pin(&broker, "views");
    broker.truncate("views", 1, 5);
    let lost = run(range).expect_err("the first records are gone");
    assert!(lost.contains("views/1 cannot be read"), "{lost}");
    // What is there now is what a new replay reads.
    assert_eq!(run(pin(&broker, "views")), Ok(()));
}
