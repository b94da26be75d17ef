//! Features before some times of the past, found in one pass over all events, and compared with a plain recomputation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use checkpoints::simulation::Dice;
use dataflow::ids::ProductKey;
use dataflow::index_reader::Wanted;
use dataflow::inputs::Inputs;
use dataflow::point_in_time::{Ask, Together, features_before};
use dataflow::replay::{Failure, ReplaySource, Went};
use dataflow::source_status::{SourceRegistry, SourceStatus};
use dataflow::stepped::SteppedGraph;
use dataflow::time::{Millis, Time};
use events::{EventChanges, RawRecord, RecordTime, TimeBounds};

use crate::log::{Event, Log, TOPICS};
use crate::oracle::PlainFeatures;
use crate::plant::Plant;
use crate::world::{self, RULES, World};

/// The number of questions.
const ASKS: usize = 8;

/// Few, so that there are several publications.
const TOGETHER: Together = Together { times: 3, records: 50 };

/// With the planted bug: how far the source looks ahead.
const AHEAD_MS: Millis = 300;

/// Gives the events of users in the order of their times, each once.
struct Past {
    events: Vec<(Millis, String)>,
    next: usize,
    ahead_ms: Millis,
    status: Arc<SourceStatus>,
}

impl Past {
    fn give(&mut self, inputs: &mut Inputs) -> Result<(), Failure> {
        let (at, payload) = &self.events[self.next];
        let record = RawRecord {
            stream: TOPICS[0],
            partition: 0,
            offset: self.next as i64,
            time: Some(RecordTime::from(*at)),
            payload: payload.as_bytes(),
        };
        let event = record.decode(&TimeBounds::around(*at));
        let (used, keys) = inputs.event_use_and_keys();
        let changes = EventChanges::of(&record, event, used, keys, &self.status);
        changes.map_err(|letter| letter.detail)?.apply(inputs, &self.status);
        self.next += 1;
        Ok(())
    }
}

impl ReplaySource for Past {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        let (from, until) = (self.next, step + self.ahead_ms);
        while self.next - from < budget && self.events.get(self.next).is_some_and(|(at, _)| *at <= until) {
            self.give(inputs)?;
        }
        let reached = self.events.get(self.next).is_none_or(|(at, _)| *at > until);
        Ok(Went { records: self.next - from, reached })
    }
}

/// Asks for the features of users at, before and after times of events; compares the answers.
pub(crate) fn compare(world: &World, log: &Log, seed: u64, plant: Option<Plant>) -> Result<(), String> {
    let of_users = log.events.iter().enumerate().filter(|(_, event)| !event.body.is_of_service());
    let mut events: Vec<(usize, Event)> = of_users.map(|(uid, event)| (uid, *event)).collect();
    events.sort_by_key(|(uid, event)| (event.at, *uid));
    if events.is_empty() {
        return Ok(());
    }
    let (dictionary, mut dice) = (world::dictionary(), Dice::new(seed));
    let mut asks: Vec<Ask<usize>> = (0..ASKS)
        .map(|_| {
            let (_, event) = events[dice.one_of(events.len())];
            let at = event.at + [0, 0, 1, dice.below(2000)][dice.one_of(4)];
            // Most events are of other users.
            let user = if dice.once_in(2) { event.user } else { dice.one_of(world::USERS) };
            Ask { at, user: world.users[user], product: ProductKey::NONE, tag: user }
        })
        .collect();
    let past = Past {
        events: events.iter().map(|(uid, event)| (event.at, event.payload(&uid.to_string()))).collect(),
        next: 0,
        ahead_ms: if plant == Some(Plant::ValueFromFuture) { AHEAD_MS } else { 0 },
        status: SourceRegistry::default().source("past"),
    };
    let asked: BTreeSet<(Millis, usize)> = asks.iter().map(|ask| (ask.at, ask.tag)).collect();
    let wanted = Wanted { sums: false, all_products: true };
    let mut graph = SteppedGraph::of_features(RULES, dictionary, 300);
    let mut found: BTreeMap<(Millis, usize), PlainFeatures> = BTreeMap::new();
    features_before(&mut graph, &mut [Box::new(past)], (&mut asks, wanted), TOGETHER, |ask, features| {
        found.insert((ask.at, ask.tag), PlainFeatures::of(features));
        Ok(())
    })
    .map_err(|failure| failure.to_string())?;
    if !found.keys().eq(&asked) {
        return Err(format!("questions {asked:?} were answered as {:?}", found.keys()));
    }
    for ((at, user), shown) in found {
        let mut right = PlainFeatures::default();
        let before = events.iter().map(|(_, event)| event).filter(|event| event.user == user && event.at < at);
        before.for_each(|event| right.count(world, event));
        if shown != right {
            return Err(format!("features of user {user} before {at}: found {shown:?}, right is {right:?}"));
        }
    }
    Ok(())
}
