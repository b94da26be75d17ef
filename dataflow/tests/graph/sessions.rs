//! Times on pages from gaps, compared with a plain recomputation: with several workers, ticks of any length, and restarts.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use dataflow::dictionary::Dictionary;
use dataflow::feed::WorkerContext;
use dataflow::graph::OpenSessions;
use dataflow::ids::{Ids, ProductKey, UserKey};
use dataflow::index_reader::IndexReader;
use dataflow::inputs::Inputs;
use dataflow::replay::{self, Failure, Observer, ReplaySource, Settings, Went};
use dataflow::rules::{Features, Rules, SessionRules};
use dataflow::stepped::SteppedGraph;
use dataflow::tables::interactions::TIME_ON_PAGE_MS_MAX;
use dataflow::tables::{Interaction, Interactions, SessionEvent, SessionEvents};
use dataflow::time::Time;

const MINUTE: Time = 60_000;
const USERS: usize = 2;
const PRODUCTS: usize = 3;
/// More than the random sessions have.
const EVENTS_MAX: usize = 50;

/// An event, and when it is given.
#[derive(Clone, Copy, Debug)]
struct Given {
    user: usize,
    session: usize,
    /// The product viewed, or none for an event that opens no page.
    product: Option<usize>,
    at: Time,
    recorded: Time,
    given: Time,
}

fn given() -> impl Strategy<Value = Given> {
    let delay = || prop_oneof![4 => Just(0), 2 => 0..20u64, 2 => 50..70u64, 1 => 100..140u64];
    let product = prop_oneof![3 => (0..PRODUCTS).prop_map(Some), 1 => Just(None)];
    (0..USERS, 0..2usize, product, 1..300u64, delay(), delay()).prop_map(
        |(user, session, product, at, recorded_after, given_after)| {
            let (at, recorded) = (at * MINUTE, (at + recorded_after) * MINUTE);
            Given { user, session, product, at, recorded, given: recorded + given_after * MINUTE }
        },
    )
}

/// Time on pages and the views whose time is known, by user and product.
type Times = BTreeMap<(usize, usize), (u64, u64)>;

/// The time of an event, that of its record, and the product that was viewed.
type Visit = (Time, Time, Option<usize>);

/// The definition, for the events given by the end of one of the ticks, which end at these times.
fn plain(events: &[Given], ends: &[Time], until: Time) -> Times {
    let opened = |given: Time| {
        let tick = ends.iter().position(|end| *end >= given).expect("every event is in a tick");
        tick.checked_sub(1).map_or(1, |before| ends[before] + 1)
    };
    let counts = |event: &&Given| event.given <= until && event.at + 60 * MINUTE >= opened(event.given);
    let mut sessions: BTreeMap<(usize, usize), Vec<Visit>> = BTreeMap::new();
    for event in events.iter().filter(counts) {
        let session = sessions.entry((event.user, event.session)).or_default();
        session.push((event.at, event.recorded, event.product));
    }
    let mut times = Times::new();
    for ((user, _), mut session) in sessions {
        session.sort_by_key(|(at, recorded, _)| (*at, *recorded));
        for pair in session.windows(2) {
            let [(at, recorded, product), (next, next_recorded, _)] = [pair[0], pair[1]];
            if let Some(product) = product.filter(|_| next_recorded <= recorded + 60 * MINUTE) {
                let (sum, views) = times.entry((user, product)).or_default();
                *sum += (next - at).min(TIME_ON_PAGE_MS_MAX);
                *views += 1;
            }
        }
    }
    times
}

/// Events of one session and one time are in no order that a plain recomputation would know; only one of them is kept.
fn without_ties(mut events: Vec<Given>) -> Vec<Given> {
    events.sort_by_key(|event| (event.user, event.session, event.at, event.recorded));
    events.dedup_by_key(|event| (event.user, event.session, event.at, event.recorded));
    events.sort_by_key(|event| event.given);
    events
}

fn user(dictionary: &Dictionary, user: usize) -> UserKey {
    dictionary.user(&user.to_string())
}

fn product(dictionary: &Dictionary, product: usize) -> ProductKey {
    dictionary.product(&product.to_string()).expect("few ids do not collide")
}

fn give(event: &Given, inputs: &mut Inputs, dictionary: &Dictionary) {
    let Given { session, at, recorded, .. } = *event;
    let (user, session) = (user(dictionary, event.user), dictionary.row([&session.to_le_bytes()[..]]));
    let page = event.product.map_or(ProductKey::NONE, |of| product(dictionary, of));
    let interaction = match event.product {
        Some(_) => Interaction::View { time_on_page_ms: None },
        None => Interaction::Other,
    };
    inputs.session_event(user, SessionEvent { session, at, recorded, page });
    inputs.interaction(user, page, interaction, at);
}

fn times(reader: &IndexReader) -> Times {
    let (mut times, view, dictionary) = (Times::new(), reader.wide_view_any(), reader.dictionary());
    for of in 0..USERS {
        let features = view.features_of(user(dictionary, of), None);
        for nth in 0..PRODUCTS {
            let (sum, views) = features.of_product(product(dictionary, nth)).activity.time_on_page();
            if views > 0 {
                times.insert((of, nth), (sum, views));
            }
        }
    }
    times
}

/// How many rows the sessions of all users have.
fn held(reader: &IndexReader) -> usize {
    let rows = |of| {
        let (key, mut rows) = (user(reader.dictionary(), of), Vec::new());
        reader.view(key).rows::<OpenSessions>(&key, &mut rows);
        rows.len()
    };
    (0..USERS).map(rows).sum()
}

/// Gives every second event, or third, and so on.
struct Share {
    events: Vec<Given>,
    next: usize,
    dictionary: Arc<Dictionary>,
}

impl ReplaySource for Share {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        let from = self.next;
        while self.next < self.events.len() && self.events[self.next].given <= step && self.next - from < budget {
            give(&self.events[self.next], inputs, &self.dictionary);
            self.next += 1;
        }
        let reached = self.events.get(self.next).is_none_or(|event| event.given > step);
        Ok(Went { records: self.next - from, reached })
    }
}

struct Compare<'a> {
    events: &'a [Given],
    ends: &'a [Time],
    held: Vec<usize>,
}

impl Observer for Compare<'_> {
    fn step(&mut self, reader: &IndexReader, step: Time) -> Result<(), Failure> {
        let (found, expected) = (times(reader), plain(self.events, self.ends, step));
        self.held.push(held(reader));
        if found == expected { Ok(()) } else { Err(format!("at {step}: {found:?} is not {expected:?}").into()) }
    }

    fn waiting(&mut self) {}
}

fn rules() -> Rules {
    Rules {
        features: Features { enabled: true, ..Features::OFF },
        sessions: SessionRules { events_max: EVENTS_MAX },
        ..Rules::default()
    }
}

/// Ticks that end at these times, and some after all events, in which everything is settled.
fn ends(mut ends: Vec<Time>, events: &[Given]) -> Vec<Time> {
    ends.iter_mut().for_each(|end| *end *= MINUTE);
    let last = events.iter().map(|event| event.given).max().unwrap_or(0);
    ends.extend([last, last + 130 * MINUTE, last + 131 * MINUTE, last + 260 * MINUTE, last + 261 * MINUTE]);
    ends.extend((262..270).map(|after| last + after * MINUTE));
    ends.sort_unstable();
    ends.dedup();
    ends.retain(|end| *end > 0);
    ends
}

fn replayed(events: &[Given], ends: &[Time], workers: usize) -> Result<Vec<usize>, String> {
    let all = events.to_vec();
    let open = move |context: WorkerContext| {
        let own = all.iter().skip(context.index).step_by(context.peers).copied().collect();
        let share = Share { events: own, next: 0, dictionary: context.dictionary };
        Ok(vec![Box::new(share) as Box<dyn ReplaySource>])
    };
    let settings = Settings {
        workers,
        rules: rules(),
        idle_merge_effort: 1000,
        dictionary: Arc::new(Dictionary::new(Ids::new([1; 16]))),
        steps: ends.into(),
        batch: 7,
        open: Arc::new(open),
    };
    let mut compare = Compare { events, ends, held: Vec::new() };
    replay::run(settings, &mut compare).map(|()| compare.held).map_err(|error| error.to_string())
}

/// The same in one worker. After one of the ticks, a new worker is started from the rows of the tables.
fn restarted(events: &[Given], ends: &[Time], restart: usize) -> Result<(), String> {
    let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
    let new = || SteppedGraph::new(rules(), dictionary.clone(), 1000);
    let mut graph = new();
    graph.keep_log(1 << 20);
    for (nth, end) in ends.iter().enumerate() {
        let begin = graph.tick();
        let given = events.iter().filter(|event| (begin..=*end).contains(&event.given));
        given.for_each(|event| give(event, graph.inputs(), &dictionary));
        graph.advance_to(end + 1);
        graph.settle();
        let (found, expected) = (times(graph.reader()), plain(events, ends, *end));
        if found != expected {
            return Err(format!("at {end}: {found:?} is not {expected:?}"));
        }
        if nth == restart {
            let log = graph.take_log().expect("the log has room");
            let mut again = new();
            // What is restored is there as of a tick before the first one that is shown.
            let tick = graph.tick();
            log.of::<Interactions>()
                .iter()
                .for_each(|(row, _, diff)| again.inputs().update::<Interactions>(*row, *diff));
            log.of::<SessionEvents>()
                .iter()
                .for_each(|(row, _, diff)| again.inputs().update::<SessionEvents>(*row, *diff));
            again.advance_to(tick);
            again.settle();
            graph = again;
        }
    }
    if held(graph.reader()) == 0 { Ok(()) } else { Err("rows are held for ever".into()) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn gaps_are_as_defined_for_any_workers_ticks_and_restarts(
        events in vec(given(), 0..40),
        times in vec(1..600u64, 0..12),
        restart in 0..12usize,
    ) {
        let events = without_ties(events);
        let ends = ends(times, &events);
        for workers in [1, 3] {
            let held = replayed(&events, &ends, workers);
            prop_assert_eq!(held.as_ref().map(|held| held.last().copied()), Ok(Some(0)), "{} workers", workers);
        }
        prop_assert_eq!(restarted(&events, &ends, restart), Ok(()));
    }
}

#[test]
fn a_gap_needs_a_next_record_within_the_hour_and_is_at_most_half_an_hour() {
    let view = |at: Time, recorded: Time, nth: usize| {
        let product = Some(nth);
        Given { user: 0, session: 0, product, at: at * MINUTE, recorded: recorded * MINUTE, given: recorded * MINUTE }
    };
    let times = |events: &[Given]| plain(events, &[1000 * MINUTE], 1000 * MINUTE).into_values().collect::<Vec<_>>();
    assert_eq!(times(&[view(10, 10, 0)]), [], "the last event has none");
    assert_eq!(times(&[view(10, 10, 0), view(15, 15, 1)]), [(5 * MINUTE, 1)]);
    assert_eq!(times(&[view(10, 10, 0), view(70, 70, 1)]), [(30 * MINUTE, 1)], "the longest");
    assert_eq!(times(&[view(10, 10, 0), view(71, 71, 1)]), [], "the session is held no longer");
    for (events, ends) in [
        (vec![view(10, 10, 0), view(15, 15, 1), view(12, 20, 2)], vec![10, 15, 20, 200]),
        (vec![view(10, 10, 0), view(15, 15, 1), view(12, 90, 2)], vec![10, 15, 89, 200]),
    ] {
        let ends: Vec<Time> = ends.into_iter().map(|end| end * MINUTE).collect();
        replayed(&events, &ends, 2).unwrap();
        restarted(&events, &[&ends[..], &[500 * MINUTE, 501 * MINUTE, 502 * MINUTE]].concat(), 1).unwrap();
    }
}

#[test]
fn a_bot_holds_few_events_and_has_the_same_times() {
    const EVENTS: u64 = 6000;
    let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])));
    let mut graph = SteppedGraph::new(rules(), dictionary.clone(), 1000);
    let (mut events, mut most) = (Vec::new(), 0);
    for number in 0..EVENTS {
        // All within half an hour.
        let (at, product) = (1_000_000 + number * 300, Some((number % 3) as usize));
        events.push(Given { user: 0, session: 0, product, at, recorded: at, given: at });
        give(&events[events.len() - 1], graph.inputs(), &dictionary);
        if number % 10 == 9 {
            graph.advance_to(at + 1);
            graph.settle();
            most = most.max(held(graph.reader()));
        }
    }
    // Settled rows leave in a tick of their own. A user is looked at again after each share of new events.
    assert!(most <= 4 * EVENTS_MAX, "{most} events were held at once");
    let end = graph.tick() - 1;
    assert_eq!(times(graph.reader()), plain(&events, &[end], end));
    // An event that comes late has a gap to the next one that is held.
    let late = Given { at: 1_000_001, product: Some(0), ..events[0] };
    give(&late, graph.inputs(), &dictionary);
    graph.advance_to(end + 10);
    graph.settle();
    let (sum, views) = times(graph.reader())[&(0, 0)];
    let (before, views_before) = plain(&events, &[end], end)[&(0, 0)];
    assert!(views == views_before + 1 && sum > before + 300 && sum <= before + TIME_ON_PAGE_MS_MAX);
}
