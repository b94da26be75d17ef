//! Counts of events of all kinds against a plain recomputation from their lines: repeats within the horizon count nowhere,
//! later ones are new, and a topic that is read twice changes nothing.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dataflow::dictionary::{Dictionary, KeyCache};
use dataflow::ids::Ids;
use dataflow::rules::{EventRules, Features, Rules};
use dataflow::source_status::{SourceRegistry, SourceStatus};
use dataflow::stepped::SteppedGraph;
use dataflow::tables::Identities;
use dataflow::time::Millis;
use events::{EventChanges, RawRecord, TimeBounds};
use proptest::prelude::*;

const START: Millis = 1_800_000_000_000;
const DEDUP_MS: Millis = 600_000;
const KINDS: [&str; 6] = ["view", "click", "add_to_cart", "remove_from_cart", "purchase", "search"];

/// One record of a topic. Small numbers, so that everything collides.
#[derive(Clone, Debug)]
struct Line {
    partition: i32,
    kind: usize,
    user: u8,
    product: u8,
    id: Option<u8>,
    /// Milliseconds before the record.
    stated: Option<Millis>,
    session: Option<u8>,
    /// Milliseconds since the record before.
    pause: Millis,
}

/// A line with the time of its record.
type Dated = (Line, Millis);

fn line() -> impl Strategy<Value = Line> {
    let pause =
        prop_oneof![5 => 0..1000u64, 2 => Just(300_000), 2 => DEDUP_MS - 1..DEDUP_MS + 2, 1 => Just(2 * DEDUP_MS)];
    let stated = prop::option::weighted(0.7, prop_oneof![Just(0), Just(500), Just(300_000)]);
    let ids = (0..2i32, 0..KINDS.len(), 0..2u8, 0..2u8);
    (ids, prop::option::of(0..4u8), stated, prop::option::of(0..2u8), pause).prop_map(
        |((partition, kind, user, product), id, stated, session, pause)| Line {
            partition,
            kind,
            user,
            product,
            id,
            stated,
            session,
            pause,
        },
    )
}

fn dated(lines: Vec<Line>) -> Vec<Dated> {
    let mut at = START;
    let date = |line: Line| {
        at += line.pause;
        (line, at)
    };
    lines.into_iter().map(date).collect()
}

fn json((line, at): &Dated) -> String {
    let Line { kind, user, product, id, stated, session, .. } = line;
    let mut json = format!(r#"{{"event_type":"{}","user_id":"u{user}","product_id":"p{product}""#, KINDS[*kind]);
    for (name, value) in [("event_id", id.map(u64::from)), ("session_id", session.map(u64::from))] {
        json += &value.map(|value| format!(r#","{name}":{value}"#)).unwrap_or_default();
    }
    json += &stated.map(|before| format!(r#","timestamp":{}"#, at - before)).unwrap_or_default();
    json + "}"
}

/// Views, clicks and additions to the cart of each user and product, and the latest event of each user.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    pairs: BTreeMap<(u8, u8), [u64; 3]>,
    last: BTreeMap<u8, Millis>,
}

/// The definition, line by line; the counts and the number of repeats.
fn plain(lines: &[Dated]) -> (Counts, u64) {
    let (mut counts, mut repeats) = (Counts::default(), 0);
    let mut counted: HashMap<String, Millis> = HashMap::new();
    for (line, at) in lines {
        let Line { partition, kind, user, product, id, stated, session, .. } = line;
        let identity = match (id, stated) {
            (Some(id), _) => Some(format!("{partition} id {id}")),
            (None, Some(before)) => {
                let product = if KINDS[*kind] == "search" { None } else { Some(product) };
                Some(format!("{partition} {user} {product:?} {kind} {} {session:?}", at - before))
            }
            (None, None) => None,
        };
        if let Some(identity) = identity {
            if counted.get(&identity).is_some_and(|first| *at <= first + DEDUP_MS) {
                repeats += 1;
                continue;
            }
            counted.insert(identity, *at);
        }
        if *kind < 3 {
            counts.pairs.entry((*user, *product)).or_default()[*kind] += 1;
        }
        let last = counts.last.entry(*user).or_default();
        *last = (*last).max(at - stated.unwrap_or(0));
    }
    (counts, repeats)
}

/// A graph that reads lines.
struct Reader {
    graph: SteppedGraph,
    dictionary: Arc<Dictionary>,
    keys: KeyCache,
    registry: SourceRegistry,
    status: Arc<SourceStatus>,
}

impl Reader {
    fn new(dedup_ms: Millis) -> Self {
        let (features, events) = (Features { enabled: true, ..Features::OFF }, EventRules { dedup_ms });
        let dictionary = Arc::new(Dictionary::new(Ids::new([2; 16])));
        let mut graph = SteppedGraph::new(Rules { features, events, ..Rules::default() }, dictionary.clone(), 1000);
        graph.keep_log(100_000);
        let registry = SourceRegistry::default();
        let status = registry.source("events");
        Reader { graph, keys: KeyCache::new(dictionary.clone()), dictionary, registry, status }
    }

    fn read(&mut self, lines: &[Dated]) {
        for (offset, line) in lines.iter().enumerate() {
            let (json, time) = (json(line), Some(line.1.into()));
            let (partition, offset) = (line.0.partition, offset as i64);
            let record = RawRecord { stream: "views", partition, offset, time, payload: json.as_bytes() };
            let event = record.decode(&TimeBounds::around(line.1));
            let (used, _) = self.graph.inputs().event_use_and_keys();
            let changes = EventChanges::of(&record, event, used, &mut self.keys, &self.status).unwrap();
            changes.apply(self.graph.inputs(), &self.status);
            if line.1 > self.graph.tick() {
                self.graph.advance_to(line.1);
            }
        }
        let next = self.graph.tick() + 1;
        self.graph.advance_to(next);
        self.graph.settle();
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for user in 0..2 {
            let key = self.dictionary.user(&format!("u{user}"));
            let of = self.graph.reader().view(key).features(key, None);
            for product in 0..2 {
                let activity = of.of_product(self.dictionary.product(&format!("p{product}")).unwrap()).activity;
                let numbers = [activity.views(), activity.clicks(), activity.carts()];
                if numbers != [0; 3] {
                    counts.pairs.insert((user, product), numbers);
                }
            }
            counts.last.extend(of.last_at.map(|at| (user, at)));
        }
        counts
    }

    fn repeats(&self) -> u64 {
        self.registry.snapshot()[0].ignored.get("repeat").copied().unwrap_or(0)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn each_event_counts_once(lines in prop::collection::vec(line(), 1..60)) {
        let (lines, mut reader) = (dated(lines), Reader::new(DEDUP_MS));
        reader.read(&lines);
        let (right, repeats) = plain(&lines);
        prop_assert_eq!((reader.counts(), reader.repeats()), (right, repeats));
    }

    #[test]
    fn a_topic_that_is_read_twice_within_the_horizon_changes_no_count(lines in prop::collection::vec(line(), 1..40)) {
        // Every event can be told from others, and the whole topic is from within the horizon.
        let lines: Vec<Line> = lines.into_iter().map(|line| Line { pause: line.pause % 1000, stated: Some(0), ..line }).collect();
        let (lines, mut reader) = (dated(lines), Reader::new(DEDUP_MS));
        reader.read(&lines);
        let (once, repeats) = (reader.counts(), reader.repeats());
        reader.read(&lines);
        prop_assert_eq!(reader.counts(), once);
        prop_assert_eq!(reader.repeats(), repeats + lines.len() as u64);
    }

    #[test]
    fn repeats_are_recognised_after_a_restart(lines in prop::collection::vec(line(), 1..40)) {
        let lines: Vec<Line> = lines.into_iter().map(|line| Line { pause: line.pause % 1000, stated: Some(0), ..line }).collect();
        let (lines, mut before) = (dated(lines), Reader::new(DEDUP_MS));
        before.read(&lines);
        let mut log = before.graph.take_log().expect("the log holds everything");
        let mut again = Reader::new(DEDUP_MS);
        for (row, _, copies) in log.take::<Identities>() {
            prop_assert_eq!(copies, 1);
            again.graph.inputs().learn_identity(row);
        }
        again.read(&lines);
        prop_assert_eq!((again.counts(), again.repeats()), (Counts::default(), lines.len() as u64));
    }
}

#[test]
fn a_repeat_of_an_old_record_is_recognised_in_a_later_tick() {
    let view = Line { partition: 0, kind: 0, user: 0, product: 0, id: Some(1), stated: None, session: None, pause: 0 };
    let other = Line { id: Some(2), user: 1, ..view.clone() };
    let (mut reader, old) = (Reader::new(DEDUP_MS), START - 3_600_000);
    // The present is far from the first tick, and from the records that come late.
    reader.read(&[(other.clone(), START)]);
    reader.read(&[(other, START + 2 * DEDUP_MS)]);
    for at in [old, old + 5000, old + DEDUP_MS] {
        reader.read(&[(view.clone(), at)]);
    }
    assert_eq!((reader.counts().pairs[&(0, 0)][0], reader.repeats()), (1, 2));
}

#[test]
fn events_after_the_horizon_and_events_that_are_not_told_apart_count_again() {
    let view = Line { partition: 0, kind: 0, user: 0, product: 0, id: Some(1), stated: None, session: None, pause: 0 };
    let later = |pause| Line { pause, ..view.clone() };
    let counts = |dedup_ms, lines: Vec<Line>| {
        let mut reader = Reader::new(dedup_ms);
        reader.read(&dated(lines));
        (reader.counts().pairs[&(0, 0)][0], reader.repeats())
    };
    assert_eq!(counts(DEDUP_MS, vec![view.clone(), later(DEDUP_MS)]), (1, 1));
    assert_eq!(counts(DEDUP_MS, vec![view.clone(), later(DEDUP_MS + 1)]), (2, 0));
    assert_eq!(counts(DEDUP_MS, vec![view.clone(), later(400_000), later(400_000)]), (2, 1), "a repeat has no repeats");
    assert_eq!(counts(0, vec![view.clone(), view.clone()]), (2, 0));
    let elsewhere = Line { partition: 1, ..view.clone() };
    assert_eq!(counts(DEDUP_MS, vec![view.clone(), elsewhere]), (2, 0));
    let nameless = Line { id: None, ..view };
    assert_eq!(counts(DEDUP_MS, vec![nameless.clone(), nameless]), (2, 0));
}
