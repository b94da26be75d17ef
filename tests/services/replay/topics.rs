//! Unusual topics under a replay: the output is the same for any number of records read at a time, a wrong clock does
//! not end a partition early, and lost records never give a short result.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use dataflow::graph::History;
use dataflow::index_reader::IndexReader;
use dataflow::replay::{Failure, Observer};
use dataflow::time::Time;
use harness::kafka::Broker;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use tempfile::TempDir;
use vitrine::commands::replay::Job;
use vitrine::config::{Config, Flag, Request};

use super::files;
use super::past::{DAY, START, write_topics};
use super::silence::{pin, run_steps};

const STEP: Time = 1_793_491_200_000;
const LAST: Time = STEP + 10_000;
const SOON: Duration = Duration::from_secs(120);

/// Topics that take records of any time, and keep them.
const ANY_TIME: [(&str, &str); 2] = [("retention.ms", "-1"), ("message.timestamp.after.max.ms", "9223372036854775807")];

/// What Ada has viewed at each step.
#[derive(Default)]
struct SeenLists(BTreeMap<Time, BTreeSet<String>>);

impl Observer for SeenLists {
    fn step(&mut self, reader: &IndexReader, step: Time) -> Result<(), Failure> {
        let (user, mut rows) = (reader.dictionary().user("ada"), Vec::new());
        reader.view(user).rows::<History>(&user, &mut rows);
        let name = |product| reader.dictionary().product_name(product).expect("a known product").to_string();
        self.0.insert(step, rows.into_iter().map(|(viewed, _)| name(viewed.product)).collect());
        Ok(())
    }

    fn waiting(&mut self) {}
}

fn view(product: &str) -> String {
    format!("{{\"user_id\":\"ada\",\"product_id\":\"{product}\",\"event_type\":\"view\"}}")
}

#[test]
fn topics_are_replayed_whole_or_not_at_all() {
    let broker = Broker::start();
    batches_change_nothing(&broker);
    one_wrong_clock_ends_no_partition(&broker);
    times_in_seconds_and_records_without_payloads_are_read_alike(&broker);
    what_the_broker_dated_after_the_last_step_is_not_read(&broker);
    an_open_transaction_is_not_waited_for(&broker);
    a_topic_that_got_shorter_is_an_error(&broker);
}

fn batches_change_nothing(broker: &Broker) {
    write_topics(broker);
    let dir = TempDir::new().expect("a temporary directory");
    let replay = |out: &Path, workers, batch| {
        let brokers = broker.bootstrap();
        let set = [("kafka.brokers", brokers), ("dataflow.id_key", "03030303030303030303030303030303")];
        let flags = set.map(|(key, value)| Flag { name: "--set".into(), key: key.into(), value: value.into() });
        let config = Config::load(&Request { flags: flags.into(), ..Request::default() }).expect("sound settings");
        let steps = (0..5).map(|day| START + day * DAY).collect();
        Job { steps, out: out.to_owned(), workers, batch }.run(&config).expect("the replay comes to its end");
        files(out)
    };
    let first = replay(&dir.path().join("first"), 1, 16_384);
    assert!(first.values().any(|bytes| !bytes.is_empty()) && first.len() == 11, "{:?}", first.keys());
    for (workers, batch) in [(1, 1), (2, 7), (4, 1000)] {
        let again = replay(&dir.path().join(format!("{workers}-{batch}")), workers, batch);
        assert!(again == first, "{workers} workers, batches of {batch}");
    }
}

fn one_wrong_clock_ends_no_partition(broker: &Broker) {
    broker.create_topic_with("clocks", 1, &ANY_TIME);
    let four_years = 4 * 365 * DAY;
    for (product, appended_at) in [
        ("first", STEP - 3000),
        ("second", STEP - 2000),
        // Its producer's clock is wrong, and nobody else's.
        ("ahead", STEP + four_years),
        ("third", STEP + 1000),
        ("fourth", LAST),
        ("beyond", LAST + 1),
    ] {
        broker.produce_at("clocks", Some(0), appended_at.cast_signed(), [view(product)]);
    }
    // Viewed before the last step, and told after it: on the last step nobody knew.
    let late = view("late").replace('}', &format!(",\"timestamp\":{STEP}}}"));
    broker.produce_at("clocks", Some(0), (LAST + 2000).cast_signed(), [late]);
    for batch in [1, 100] {
        let (range, mut seen) = (pin(broker, "clocks"), SeenLists::default());
        let progress = range.progress().clone();
        assert_eq!(run_steps(range, &[STEP, LAST], batch, &mut seen), Ok(()));
        let products = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(seen.0[&STEP], products(&["first", "second"]));
        assert_eq!(seen.0[&LAST], products(&["first", "second", "third", "fourth"]));
        assert_eq!(progress.skipped(), ["clocks/0: 3 records from offset 2 on are after the last step"]);
        assert_eq!((progress.done(), progress.total()), (7, 7));
    }
}

/// As the source that follows reads them (`sources/tests/kafka/unusual.rs`).
fn times_in_seconds_and_records_without_payloads_are_read_alike(broker: &Broker) {
    broker.create_topic_with("seconds", 1, &ANY_TIME);
    let second = (STEP / 1000).cast_signed();
    let producer: BaseProducer = broker.producer(&[]);
    for (product, at) in
        [(Some("before"), second - 2), (None, second - 1), (Some("after"), second + 3), (None, second + 3)]
    {
        let payload = product.map(view);
        let mut record = BaseRecord::<str, str>::to("seconds").partition(0).key("ada").timestamp(at);
        record.payload = payload.as_deref();
        producer.send(record).map_err(|(error, _)| error).expect("the queue has room");
    }
    producer.flush(SOON).expect("the records are written");
    broker.produce_at("seconds", Some(0), second + 60, [view("beyond")]);
    let (range, mut seen) = (pin(broker, "seconds"), SeenLists::default());
    let progress = range.progress().clone();
    assert_eq!(run_steps(range, &[STEP, LAST], 1, &mut seen), Ok(()));
    assert_eq!(seen.0[&STEP], BTreeSet::from(["before".to_owned()]));
    assert_eq!(seen.0[&LAST], BTreeSet::from(["before".to_owned(), "after".to_owned()]));
    assert_eq!(progress.skipped(), ["seconds/0: 1 records from offset 4 on are after the last step"]);
}

fn what_the_broker_dated_after_the_last_step_is_not_read(broker: &Broker) {
    broker.create_topic_with("stamped", 1, &[("message.timestamp.type", "LogAppendTime")]);
    broker.produce("stamped", Some(0), (0..5).map(|_| view("now")));
    let (range, mut seen, long_ago) = (pin(broker, "stamped"), SeenLists::default(), 1_700_000_000_000);
    let progress = range.progress().clone();
    assert_eq!(run_steps(range, &[long_ago], 1, &mut seen), Ok(()));
    assert!(seen.0[&long_ago].is_empty());
    assert_eq!(progress.skipped(), ["stamped/0: 5 records from offset 0 on are after the last step"]);
}

fn an_open_transaction_is_not_waited_for(broker: &Broker) {
    broker.create_topic_with("open", 1, &ANY_TIME);
    broker.produce_at("open", Some(0), (STEP - 1000).cast_signed(), [view("committed")]);
    let producer: BaseProducer = broker.producer(&[("transactional.id", "open")]);
    producer.init_transactions(SOON).expect("transactions can be used");
    producer.begin_transaction().expect("a transaction begins");
    producer.send(BaseRecord::<(), _>::to("open").partition(0).payload(&view("open"))).expect("the queue has room");
    producer.flush(SOON).expect("the record is written");
    let mut seen = SeenLists::default();
    assert_eq!(run_steps(pin(broker, "open"), &[STEP], 100, &mut seen), Ok(()));
    assert_eq!(seen.0[&STEP], BTreeSet::from(["committed".to_owned()]));
    producer.abort_transaction(SOON).expect("the transaction is open");
}

fn a_topic_that_got_shorter_is_an_error(broker: &Broker) {
    let make = |records: usize| {
        broker.create_topic_with("shorter", 1, &ANY_TIME);
        broker.produce_at("shorter", Some(0), (STEP - 1000).cast_signed(), (0..records).map(|_| view("any")));
    };
    make(20);
    let range = pin(broker, "shorter");
    broker.delete_topic("shorter");
    make(3);
    let short = run_steps(range, &[STEP], 100, &mut SeenLists::default()).expect_err("seventeen records are gone");
    assert!(short.contains("shorter/0 ends at offset 3, and ended at 20 when the replay began"), "{short}");
}
