//! Ids that leave: the ids that are held are compared with a plain recomputation of the definition.

mod histories;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::AtomicU64;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::cut::{Cut, Cuts};
use crate::graph::{Changed, Plan, TouchOutlet, TouchedList};
use crate::rules::{DAY_MS, Rules};
use crate::stepped::SteppedGraph;
use crate::tables::{OrderRow, Orders};
use crate::time::{Millis, Time};

const USERS: usize = 4;
const ORDERS: usize = 3;
const START: Time = 100 * DAY_MS;

#[test]
fn names_come_back_and_new_ones_are_announced_once() {
    let dictionary = Dictionary::new(Ids::new([1; 16])).announcing();
    let key = dictionary.product("lamp").unwrap();
    assert_eq!(dictionary.product("lamp").unwrap(), key);
    assert_eq!(dictionary.product_name(key).as_deref(), Some("lamp"));
    assert_eq!(dictionary.find_product("chair"), None);
    assert_eq!(dictionary.take_fresh(), [Name::Product(key, "lamp".into())]);
    assert_eq!(dictionary.take_fresh(), []);
}

#[test]
fn a_second_id_under_one_key_is_refused() {
    let dictionary = Dictionary::new(Ids::new([1; 16]));
    let key = dictionary.product("lamp").unwrap();
    assert_eq!(dictionary.learn(&Name::Product(key, "chair".into())), Err(Collision("product")));
    assert_eq!(dictionary.product_name(key).as_deref(), Some("lamp"));
}

/// Ends a round without rows; whether nothing put it off.
fn end_round(dictionary: &Dictionary) -> bool {
    dictionary.end_round().map(Round::end).is_some()
}

#[test]
fn an_id_leaves_in_the_fourth_round_after_its_last_use_and_a_new_use_names_it_anew() {
    let dictionary = Dictionary::new(Ids::new([1; 16])).remembering_users().saving();
    let (ada, ben) = (dictionary.user("ada"), dictionary.user("ben"));
    let named = || [ada, ben].map(|user| dictionary.user_name(user).is_some());
    for _ in 0..4 {
        let mut round = dictionary.end_round().unwrap();
        round.mark_user(ben);
        assert_eq!((round.end(), named()), (0, [true; 2]));
    }
    let mut round = dictionary.end_round().unwrap();
    round.mark_user(ben);
    assert_eq!((round.end(), named(), dictionary.users_len()), (1, [false, true], 1));
    assert_eq!(dictionary.take_unsaved().len(), 2);
    assert_eq!(dictionary.find_user("ada"), ada, "a key does not change");
    assert_eq!((dictionary.user("ada"), named()), (ada, [true; 2]));
    assert_eq!(dictionary.take_unsaved(), [Name::User(ada, "ada".into())], "the next checkpoint has it");
    assert_eq!(dictionary.users_forgotten(), 1);
}

#[test]
fn a_cluster_forgets_nothing() {
    let dictionary = Dictionary::new(Ids::new([1; 16])).remembering_users();
    assert!(end_round(&dictionary) && !end_round(&dictionary.announcing()));
}

#[test]
fn the_products_of_a_model_stay_while_it_is_in_use_and_the_key_of_another_product_is_free_when_that_has_left() {
    let dictionary = Dictionary::new(Ids::new([1; 16]));
    let key = dictionary.product("lamp").unwrap();
    let other = Name::Product(key, "chair".into());
    let kept = dictionary.keep_products(vec![key]);
    (0..6).for_each(|_| assert!(end_round(&dictionary)));
    assert_eq!((dictionary.find_product("lamp"), dictionary.learn(&other)), (Some(key), Err(Collision("product"))));
    drop(kept);
    (0..6).for_each(|_| assert!(end_round(&dictionary)));
    assert_eq!(
        (dictionary.find_product("lamp"), dictionary.product_name(key), dictionary.products_len()),
        (None, None, 0)
    );
    assert_eq!(dictionary.learn(&other), Ok(()));
    assert_eq!(
        (dictionary.product("lamp"), dictionary.product_name(key).as_deref()),
        (Err(Collision("product")), Some("chair"))
    );
}

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
            rules,
            dictionary: dictionary.clone(),
            late_lines: Arc::new(AtomicU64::new(0)),
            changes: listens.then(|| Arc::new(Mutex::new(take)) as _),
            touched: listens.then(|| outlet.clone() as _),
            cuts: Some(cuts.clone()),
            observer: None,
            restored_at: None,
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
