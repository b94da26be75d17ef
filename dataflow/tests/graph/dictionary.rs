//! Ids that leave: the ids that are held are compared with a plain recomputation of the definition.

mod histories;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};

use proptest::collection::vec;
use proptest::prelude::*;

use dataflow::cut::{Cut, Cuts};
use dataflow::dictionary::{Dictionary, Hold};
use dataflow::graph::{Changed, Plan, TouchOutlet, TouchedList};
use dataflow::ids::{CategoryKey, Ids, OrderKey, ProductKey, RowKey, UserKey};
use dataflow::rules::{DAY_MS, Rules};
use dataflow::stepped::SteppedGraph;
use dataflow::tables::{OrderRow, Orders};
use dataflow::time::{Millis, Time};

const USERS: usize = 4;
const ORDERS: usize = 3;
const START: Time = 100 * DAY_MS;

/// What happens to users by number.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// A source sees the id and gives no row.
    Id(usize),
    /// An order is in the table, of this user.
    Order(usize, usize),
    /// An order leaves the table.
    Gone(usize),
    /// Someone holds the rounds.
    Hold,
    /// The longest hold is given back.
    Release,
    Round,
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        1 => (0..USERS).prop_map(Seen::Id),
        1 => (0..ORDERS, 0..USERS).prop_map(|(order, user)| Seen::Order(order, user)),
        2 => (0..ORDERS).prop_map(Seen::Gone),
        1 => Just(Seen::Hold),
        2 => Just(Seen::Release),
        6 => Just(Seen::Round),
    ]
}

fn id(user: usize) -> String {
    format!("user {user}")
}

/// The graph of one worker with its dictionary, and what its outlets were given.
struct World {
    graph: SteppedGraph,
    dictionary: Arc<Dictionary>,
    cuts: Arc<Cuts>,
    orders: BTreeMap<usize, OrderRow>,
    outlet: Arc<Outlet>,
}

/// Changes that no sink has read yet.
struct Outlet {
    dictionary: Arc<Dictionary>,
    changes: Mutex<VecDeque<(Changed, Hold)>>,
    touched: Mutex<VecDeque<(TouchedList, Hold)>>,
}

impl TouchOutlet for Outlet {
    fn touched(&self, _: Time, lists: &mut dyn Iterator<Item = TouchedList>) {
        self.touched.lock().unwrap().extend(lists.map(|list| (list, self.dictionary.hold())));
    }
}

impl World {
    fn new(rules: Rules, listens: bool) -> World {
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])).remembering_users());
        let cuts = Arc::new(Cuts::new(1, 0));
        let (changes, touched) = Default::default();
        let outlet = Arc::new(Outlet { dictionary: dictionary.clone(), changes, touched });
        let of_changes = outlet.clone();
        let take = move |changed| {
            let hold = of_changes.dictionary.hold();
            of_changes.changes.lock().unwrap().push_back((changed, hold));
        };
        let plan = Plan {
            changes: listens.then(|| Arc::new(Mutex::new(take)) as _),
            touched: listens.then(|| outlet.clone() as _),
            cuts: Some(cuts.clone()),
            ..Plan::new(rules, dictionary.clone())
        };
        let mut graph = SteppedGraph::of(plan, 1000);
        graph.advance_to(START);
        World { graph, dictionary, cuts, orders: BTreeMap::new(), outlet }
    }

    fn order(&mut self, order: usize, user: UserKey) {
        self.gone(order);
        let row = OrderRow::counting(self.dictionary.order(&order.to_string()), user, self.graph.tick());
        self.graph.inputs().update::<Orders>(row, 1);
        self.orders.insert(order, row);
    }

    fn gone(&mut self, order: usize) {
        if let Some(row) = self.orders.remove(&order) {
            self.graph.inputs().update::<Orders>(row, -1);
        }
    }

    /// Closes the open tick `ms` later, for a cut, and shows it.
    fn cut(&mut self, ms: Millis) -> Cut {
        let next = self.graph.tick() + ms;
        self.graph.cut(&self.cuts, next)
    }

    /// Ends a round by a cut; whether nothing put it off.
    fn round(&mut self, ms: Millis) -> bool {
        let cut = self.cut(ms);
        let Some(mut round) = self.dictionary.end_round() else { return false };
        cut.parts.iter().for_each(|part| round.mark(&part.base));
        round.end();
        true
    }

    fn is_named(&self, user: UserKey) -> bool {
        self.dictionary.user_name(user).is_some()
    }
}

/// The definition, plainly: the round of the last use of each id, and the rounds of the holds.
#[derive(Default)]
struct Plain {
    round: u32,
    used: BTreeMap<usize, u32>,
    holds: VecDeque<u32>,
    orders: BTreeMap<usize, usize>,
}

impl Plain {
    fn see(&mut self, user: usize) {
        self.used.insert(user, self.round);
    }

    fn round(&mut self) -> bool {
        if self.holds.iter().any(|hold| *hold < self.round) {
            return false;
        }
        let users: BTreeSet<usize> = self.orders.values().copied().collect();
        users.into_iter().for_each(|user| self.see(user));
        self.used.retain(|_, used| *used + 3 >= self.round);
        self.round += 1;
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn the_ids_that_are_held_are_those_of_the_definition(happenings in vec(seen(), 1..60)) {
        let (mut world, mut plain, mut holds) = (World::new(Rules::default(), false), Plain::default(), VecDeque::new());
        let keys: Vec<UserKey> = (0..USERS).map(|user| Ids::new([1; 16]).user(&id(user))).collect();
        for happening in happenings {
            match happening {
                Seen::Id(user) => {
                    let _ = world.dictionary.user(&id(user));
                    plain.see(user);
                }
                Seen::Order(order, user) => {
                    let key = world.dictionary.user(&id(user));
                    world.order(order, key);
                    plain.see(user);
                    plain.orders.insert(order, user);
                }
                Seen::Gone(order) => {
                    world.gone(order);
                    plain.orders.remove(&order);
                }
                Seen::Hold => {
                    holds.push_back(world.dictionary.hold());
                    plain.holds.push_back(plain.round);
                }
                Seen::Release => {
                    holds.pop_front();
                    plain.holds.pop_front();
                }
                Seen::Round => prop_assert_eq!(world.round(10), plain.round()),
            }
            let held: BTreeSet<usize> = (0..USERS).filter(|user| world.is_named(keys[*user])).collect();
            prop_assert_eq!(&held, &plain.used.keys().copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(world.dictionary.users_len(), held.len());
        }
    }
}
