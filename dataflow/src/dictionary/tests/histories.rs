//! Over random histories whoever needs an id finds it: lists, sources that hold ids back, and sinks that read changes late.

use super::*;
use crate::rules::{Features, PurchaseSource};
use crate::tables::{EventPurchaseRow, Interaction, SessionEvent};

/// What a source reads of a user.
#[derive(Clone, Copy, Debug)]
enum Read {
    View,
    Removal,
    Click,
    Session,
    Purchase,
    Order(usize),
}

#[derive(Clone, Copy, Debug)]
enum Act {
    /// A source reads something and gives it at once, dated so many milliseconds ago.
    Give(usize, Read, Millis),
    /// A source reads something, and gives it later.
    Take(usize, Read, Millis),
    /// What was taken first is given.
    GiveTaken,
    Gone(usize),
    Erase(usize),
    /// A sink reads some of the changes.
    Sink(usize),
    /// Time passes.
    Pass(Millis),
    /// Time passes, and a round ends.
    Round(Millis),
}

fn act() -> impl Strategy<Value = Act> {
    let read = prop_oneof![
        3 => Just(Read::View),
        1 => Just(Read::Removal),
        2 => Just(Read::Click),
        1 => Just(Read::Session),
        1 => Just(Read::Purchase),
        1 => (0..ORDERS).prop_map(Read::Order),
    ];
    let what = || (0..USERS, read.clone(), prop_oneof![3 => 0..1000u64, 1 => 0..3 * DAY_MS]);
    let ms = || prop_oneof![3 => 1..1000u64, 2 => 1..DAY_MS, 1 => Just(DAY_MS), 1 => Just(3 * DAY_MS)];
    prop_oneof![
        3 => what().prop_map(|(user, read, ago)| Act::Give(user, read, ago)),
        1 => what().prop_map(|(user, read, ago)| Act::Take(user, read, ago)),
        2 => Just(Act::GiveTaken),
        1 => (0..ORDERS).prop_map(Act::Gone),
        1 => (0..USERS).prop_map(Act::Erase),
        4 => (1..20usize).prop_map(Act::Sink),
        1 => ms().prop_map(Act::Pass),
        8 => ms().prop_map(Act::Round),
    ]
}

impl World {
    fn give(&mut self, user: UserKey, read: Read, ago: Millis) {
        let (at, lamp) = (self.graph.tick() - ago, self.dictionary.product("lamp").unwrap());
        let order = self.dictionary.order(&format!("of an event at {at}"));
        let inputs = self.graph.inputs();
        match read {
            Read::View => inputs.view(user, lamp, at),
            Read::Removal => inputs.removal(user, lamp, at),
            Read::Click => inputs.interaction(user, lamp, Interaction::Click, at),
            Read::Session => {
                let event = SessionEvent { session: RowKey::NONE, at, recorded: at, page: lamp };
                let _ = inputs.session_event(user, event);
            }
            Read::Purchase => inputs.event_purchase(EventPurchaseRow { order, user, product: lamp, at }),
            Read::Order(order) => self.order(order, user),
        }
    }

    /// Nothing refers to any user any more.
    fn forget_all(&mut self) {
        assert!(self.read(usize::MAX), "every change has its user");
        (0..ORDERS).for_each(|order| self.gone(order));
        let now = self.graph.tick();
        for user in 0..USERS {
            let user = self.dictionary.find_user(&id(user));
            self.graph.inputs().erasure(user, now);
        }
        for _ in 0..6 {
            assert!(self.round(DAY_MS), "nothing is held");
            assert!(self.read(usize::MAX), "every change has its user");
        }
        assert_eq!(self.dictionary.users_len(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn every_list_and_every_change_finds_its_users(acts in vec(act(), 1..80)) {
        let rules = Rules {
            history_ms: DAY_MS,
            window_ms: 2 * DAY_MS,
            purchases: PurchaseSource::Both,
            features: Features { enabled: true, days: 1, ..Features::OFF },
            ..Rules::default()
        };
        let (mut world, mut taken) = (World::new(rules, true), VecDeque::new());
        for act in acts {
            match act {
                Act::Give(user, read, ago) => {
                    let user = world.dictionary.user(&id(user));
                    world.give(user, read, ago);
                }
                Act::Take(user, read, ago) => {
                    let held = world.dictionary.hold();
                    taken.push_back((world.dictionary.user(&id(user)), read, ago, held));
                }
                Act::GiveTaken => {
                    if let Some((user, read, ago, _held)) = taken.pop_front() {
                        prop_assert!(world.is_named(user), "an id on its way was forgotten");
                        world.give(user, read, ago);
                    }
                }
                Act::Gone(order) => world.gone(order),
                Act::Erase(user) => {
                    let (user, now) = (world.dictionary.find_user(&id(user)), world.graph.tick());
                    world.graph.inputs().erasure(user, now);
                }
                Act::Sink(most) => prop_assert!(world.read(most), "a change has lost its user"),
                Act::Pass(ms) => drop(world.cut(ms)),
                Act::Round(ms) => {
                    world.round(ms);
                }
            }
            prop_assert!(world.has_names(), "a list has lost its user");
        }
        taken.clear();
        world.forget_all();
    }
}
