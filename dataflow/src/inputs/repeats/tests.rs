//! What is known is compared with a list of all events; and the memory of an event.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::ids::Ids;

const DEDUP_MS: Millis = 100;

#[derive(Clone, Debug)]
enum Step {
    Read(u8, Millis),
    Learn(u8, Millis),
    /// Forgets, this many milliseconds later.
    Forget(Millis),
}

fn step() -> impl Strategy<Value = Step> {
    let at = prop_oneof![4 => 0..400u64, 1 => 60_000..60_400u64];
    prop_oneof![
        6 => (0..8u8, at.clone()).prop_map(|(id, at)| Step::Read(id, at)),
        1 => (0..8u8, at).prop_map(|(id, at)| Step::Learn(id, at)),
        3 => prop_oneof![0..90u64, Just(40_000)].prop_map(Step::Forget),
    ]
}

fn identity(id: u32) -> IdentityKey {
    Ids::new([0; 16]).identity([&id.to_le_bytes()[..]])
}

/// All events that are not forgotten: until when they are kept, and whether they were counted.
#[derive(Default)]
struct Plain(Vec<(IdentityKey, Millis, Millis, bool)>);

impl Plain {
    fn read(&mut self, identity: IdentityKey, at: Millis, tick: Time) -> Reading {
        let first = self.0.iter().filter(|event| event.0 == identity).map(|event| event.1).max();
        if first.is_some_and(|first| at <= first + DEDUP_MS) {
            return Reading::Repeat;
        }
        self.add(identity, (at, tick), true);
        Reading::New
    }

    /// Whether an event of `identity` is known whose record is of `at` or later. All events of before a restart are learned in
    /// the tick in which they are restored, so it is kept at least as long.
    fn knows_later(&self, identity: IdentityKey, at: Millis) -> bool {
        self.0.iter().any(|event| event.0 == identity && at <= event.1)
    }

    fn add(&mut self, identity: IdentityKey, (at, tick): (Millis, Time), is_counted: bool) {
        self.0.push((identity, at, kept_until((at, tick), DEDUP_MS), is_counted));
    }

    fn forget(&mut self, now: Time) -> BTreeSet<(IdentityKey, Millis)> {
        let forgotten = self.0.extract_if(.., |event| event.2 <= now);
        forgotten.filter(|event| event.3).map(|event| (event.0, event.1)).collect()
    }
}

fn bytes(repeats: &Repeats) -> usize {
    let Repeats { events, latest, counted, learned, .. } = repeats;
    events.bytes() + latest.allocation_size() + counted.bytes() + learned.bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn it_knows_what_a_list_of_all_events_knows(steps in vec(step(), 1..80), moves in any::<bool>()) {
        let (mut repeats, mut plain, mut now) = (Repeats::new(DEDUP_MS), Plain::default(), 0);
        for step in steps {
            match step {
                Step::Read(id, at) => {
                    let identity = identity(id.into());
                    prop_assert_eq!(repeats.read(identity, at, now), plain.read(identity, at, now));
                }
                Step::Learn(id, at) => {
                    repeats.learn(identity(id.into()), at, now);
                    if !plain.knows_later(identity(id.into()), at) {
                        plain.add(identity(id.into()), (at, now), false);
                    }
                }
                Step::Forget(after) => {
                    now += after;
                    let rows = repeats.forget(now);
                    let times = rows.len();
                    let rows: BTreeSet<_> = rows.into_iter().collect();
                    prop_assert_eq!((rows.len(), rows), (times, plain.forget(now)));
                }
            }
            if moves {
                repeats.move_together();
            }
        }
        repeats.forget(Time::MAX);
        prop_assert_eq!((repeats.events.len(), repeats.latest.len()), (0, 0));
    }
}

#[test]
fn a_repeat_is_recognised_up_to_the_last_millisecond_and_then_forgotten() {
    let (mut repeats, until) = (Repeats::new(600), |at| kept_until((at, 0), 600));
    let [one, other] = [1, 2].map(identity);
    assert_eq!(repeats.read(one, 1000, 0), Reading::New);
    [1000, 400, 1600].into_iter().for_each(|at| assert_eq!(repeats.read(one, at, 0), Reading::Repeat));
    repeats.learn(other, 1000, 0);
    // It is a new event, which has repeats of its own.
    assert_eq!([1701, 2301].map(|at| repeats.read(one, at, 0)), [Reading::New, Reading::Repeat]);
    assert_eq!(repeats.forget(until(1000) - 1), []);
    assert_eq!(repeats.forget(until(1000)), [(one, 1000)], "the later one is kept, and no learned one has a row");
    assert_eq!([one, other].map(|identity| repeats.read(identity, 1700, 0)), [Reading::Repeat, Reading::New]);
    assert_eq!(repeats.forget(until(1701)).len(), 2);
    assert!(repeats.latest.is_empty());
}

#[test]
fn without_a_place_an_event_counts_and_is_not_remembered() {
    let mut repeats = Repeats::with_places(600, Places::new(2));
    let readings = [1, 2, 3, 3, 1].map(|id| repeats.read(identity(id), 5, 0));
    assert_eq!(readings, [Reading::New, Reading::New, Reading::Unremembered, Reading::Unremembered, Reading::Repeat]);
    repeats.learn(identity(4), 5, 0);
    assert_eq!(repeats.forget(Time::MAX).len(), 2);
    assert_eq!(repeats.read(identity(3), 5, 0), Reading::New);
}

#[test]
fn an_event_takes_few_bytes_and_gives_them_back() {
    const EVENTS: u32 = 500_000;
    for events_per_ms in [1, 250] {
        let mut repeats = Repeats::new(EVENTS.into());
        let at = |event: u32| Millis::from(event / events_per_ms);
        (0..EVENTS).for_each(|event| _ = repeats.read(identity(event), at(event), 0));
        let each = bytes(&repeats) / EVENTS as usize;
        assert!(each <= 44, "{each} bytes an event");
        // About a tenth is left.
        let until = |event| kept_until((at(event), 0), EVENTS.into());
        let before = until(EVENTS / 10 * 9) - 1;
        let kept = (0..EVENTS).filter(|event| until(*event) > before).count();
        assert!(kept > 0 && kept < EVENTS as usize / 5, "{kept} are left");
        assert_eq!(repeats.forget(before).len(), EVENTS as usize - kept);
        let left = bytes(&repeats) / kept;
        assert!(left <= 60, "{left} bytes for each event that is left");
        assert_eq!(repeats.read(identity(EVENTS - 1), 0, 0), Reading::Repeat);
    }
}
