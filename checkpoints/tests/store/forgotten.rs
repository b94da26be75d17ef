//! Ids that leave with the rows that refer to them, over random orders, checkpoints and restarts: every user of a row has a name,
//! in the running process and after a start from any checkpoint, and in the end no name is left.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use checkpoints::{Bounds, Place, RealDisk, Restored, Series, Store};
use dataflow::cut::Cuts;
use dataflow::dictionary::Dictionary;
use dataflow::graph::Plan;
use dataflow::ids::{Ids, UserKey};
use dataflow::rules::Rules;
use dataflow::stepped::SteppedGraph;
use dataflow::tables::{OrderRow, Orders};
use proptest::collection::vec;
use proptest::prelude::*;

use super::shop::key;

const USERS: usize = 4;
const ORDERS: usize = 4;

/// A few deltas between two full checkpoints, and a round with every checkpoint.
const BOUNDS: Bounds = Bounds { changes_max: 3, changed_rows_min: 100, round_ms: 0 };

#[derive(Clone, Copy, Debug)]
enum Act {
    Order(usize, usize),
    Gone(usize),
    Checkpoint,
    /// The process is killed and goes on from its last checkpoint.
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..ORDERS, 0..USERS).prop_map(|(order, user)| Act::Order(order, user)),
        3 => (0..ORDERS).prop_map(Act::Gone),
        6 => Just(Act::Checkpoint),
        1 => Just(Act::Restart),
    ]
}

fn open(dir: &Path) -> Store {
    Store::open(Place { dir: dir.to_owned(), part: 0, parts: 1, keep: 1 }, Arc::new(RealDisk))
        .expect("no other process has it")
}

/// The process of a shop.
struct Shop {
    series: Series,
    dictionary: Arc<Dictionary>,
    graph: SteppedGraph,
    cuts: Arc<Cuts>,
    orders: BTreeMap<usize, OrderRow>,
}

impl Shop {
    fn start(dir: &Path) -> Shop {
        let dictionary = Dictionary::new(Ids::new([3; 16])).remembering_users().saving();
        let mut store = open(dir);
        let checkpoint = store.restore(key()).expect("it can be read").checkpoint;
        let restored = checkpoint.map(|found| Restored::read(found, &dictionary).expect("it is whole"));
        let (dictionary, cuts) = (Arc::new(dictionary), Arc::new(Cuts::new(1, 100)));
        let plan = Plan {
            cuts: Some(cuts.clone()),
            restored_at: restored.as_ref().map(Restored::tick),
            ..Plan::new(Rules::default(), dictionary.clone())
        };
        let mut graph = SteppedGraph::of(plan, 1000);
        let rows = restored.as_ref().map(|rows| rows.copies_of::<Orders>().expect("it is whole")).unwrap_or_default();
        rows.iter().for_each(|row| graph.inputs().update::<Orders>(*row, 1));
        graph.advance_to(restored.as_ref().map_or(1000, Restored::tick) + 1);
        graph.keep_log(100);
        let number = |row: &OrderRow| (0..ORDERS).find(|order| dictionary.order(&order.to_string()) == row.order);
        let orders = rows.into_iter().map(|row| (number(&row).expect("there are no other orders"), row)).collect();
        let series = Series::new(store, key(), dictionary.clone(), restored.as_ref(), BOUNDS);
        Shop { series, dictionary, graph, cuts, orders }
    }

    fn order(&mut self, order: usize, user: usize) {
        self.gone(order);
        let user = self.dictionary.user(&format!("user {user}"));
        let row = OrderRow::counting(self.dictionary.order(&order.to_string()), user, self.graph.tick());
        self.graph.inputs().update::<Orders>(row, 1);
        self.orders.insert(order, row);
    }

    fn gone(&mut self, order: usize) {
        if let Some(row) = self.orders.remove(&order) {
            self.graph.inputs().update::<Orders>(row, -1);
        }
    }

    /// Takes a checkpoint; whether it is full.
    fn checkpoint(&mut self) -> bool {
        let cut = self.graph.cut(&self.cuts, self.graph.tick() + 10);
        self.series.take(cut, || true).expect("the disk works").expect("the tick is new").full
    }

    /// Whether all users of orders have names.
    fn has_names(&self) -> bool {
        let named = |user: UserKey| self.dictionary.user_name(user).is_some();
        self.orders.values().all(|row| named(row.user))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn names_leave_with_their_rows_and_are_there_after_any_start(acts in vec(act(), 1..60)) {
        let dir = tempfile::tempdir().expect("a directory can be made");
        let mut shop = Shop::start(dir.path());
        for act in acts {
            match act {
                Act::Order(order, user) => shop.order(order, user),
                Act::Gone(order) => shop.gone(order),
                Act::Checkpoint => drop(shop.checkpoint()),
                Act::Restart => {
                    drop(shop);
                    shop = Shop::start(dir.path());
                }
            }
            prop_assert!(shop.has_names());
        }
        (0..ORDERS).for_each(|order| shop.gone(order));
        let full = (0..10).map(|_| shop.checkpoint()).filter(|full| *full).count();
        prop_assert!(full > 1, "deltas name what the checkpoints before them named");
        prop_assert_eq!(shop.dictionary.users_len(), 0);
        drop(shop);
        prop_assert_eq!(Shop::start(dir.path()).dictionary.users_len(), 0, "no checkpoint has them any more");
    }
}
