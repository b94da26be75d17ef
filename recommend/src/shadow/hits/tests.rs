//! Hits of both sets, counted event by event in a shop with two products, and the events that are passed over.

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::rules::{Rules, Shadow};
use dataflow::stepped::SteppedGraph;
use dataflow::tables::{Catalogue, CatalogueRow, LineRow, Lines, OrderRow, Orders};
use dataflow::time::Time;

use super::*;
use crate::models::Models;
use crate::recommender::Recommender;
use crate::settings::{Settings, TestSettings};

const NOW: Time = 1_000_000_000;

/// Stands still, unless it is set.
struct Clock(AtomicU64);

impl ServiceClock for Clock {
    fn now(&self) -> Time {
        self.0.load(Ordering::Relaxed)
    }
}

/// A shop where tea has more buyers than the cup, both drinks, and a shadow with lists of one product.
struct Shop {
    graph: SteppedGraph,
    clock: Arc<Clock>,
    hits: ShadowHits,
    user: UserKey,
    tea: ProductKey,
    cup: ProductKey,
}

impl Shop {
    fn open() -> Shop {
        let rules = Rules { shadow: Shadow { enabled: true, list_size: 1, ..Shadow::OFF }, ..Rules::default() };
        let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
        let [tea, cup] = ["tea", "cup"].map(|id| dictionary.product(id).expect("no collision"));
        let drinks = dictionary.category("drinks").expect("no collision");
        let mut graph = SteppedGraph::new(rules, dictionary.clone(), 1000);
        graph.advance_to(NOW - 10);
        for product in [tea, cup] {
            graph.inputs().update::<Catalogue>(CatalogueRow { product, category: drinks }, 1);
        }
        for (number, product) in [(1, tea), (2, tea), (3, cup)] {
            let (order, buyer) = (dictionary.order(&format!("{number}")), dictionary.user(&format!("buyer-{number}")));
            graph.inputs().update::<Orders>(OrderRow::counting(order, buyer, NOW - 50), 1);
            graph.inputs().update::<Lines>(LineRow { order, product, row: dataflow::ids::RowKey::NONE }, 1);
        }
        graph.advance_to(NOW);
        graph.settle();
        let clock = Arc::new(Clock(AtomicU64::new(NOW)));
        let hits = ShadowHits::new(clock.clone());
        Shop { hits, clock, user: dictionary.user("ada"), tea, cup, graph }
    }

    fn compare(&self) {
        let maker = |reader: &dataflow::index_reader::IndexReader| {
            let (settings, test) = (Settings::default(), TestSettings::default());
            let recommender = Recommender::new(reader.rules(), settings, &test, Models::default());
            ListMaker { recommender: Arc::new(recommender), reader: reader.clone() }
        };
        let live = self.graph.reader();
        let shadow = live.in_shadow().expect("the shadow is on");
        self.hits.compare(Compared { live: maker(live), shadow: maker(&shadow) });
    }

    fn event(&self, signal: Signal, products: &[ProductKey], at: Millis) {
        let user = self.user;
        self.hits.read(&ReadEvent { user, products, signal, at, order: None, answer: None, device: None });
    }
}

fn counts(live: u64, shadow: u64, both: u64) -> HitCounts {
    HitCounts { live, shadow, both }
}

#[test]
fn a_product_hits_the_lists_that_had_it_before_the_event() {
    let mut shop = Shop::open();
    shop.event(Signal::Interest, &[shop.tea], NOW);
    assert_eq!(shop.hits.totals(), HitTotals::default(), "nothing is compared yet");
    shop.compare();
    shop.event(Signal::Interest, &[shop.tea], NOW);
    shop.event(Signal::Interest, &[shop.cup], NOW + 5);
    shop.event(Signal::Purchase, &[shop.tea, shop.cup], NOW + 5);
    let totals = shop.hits.totals();
    assert_eq!((totals.products(Signal::Interest), totals.products(Signal::Purchase), totals.passed_over), (2, 2, 0));
    for signal in [Signal::Interest, Signal::Purchase] {
        // The user is new: recommendations are the general best sellers.
        for list in HitList::ALL {
            assert_eq!(totals.hits(signal, list), counts(2, 1, 1), "{signal:?} {list:?}");
        }
    }
    assert_eq!(totals.overlap(), Some(0.5));
    // From now on the user gets the best sellers of drinks.
    let (user, cup) = (shop.user, shop.cup);
    shop.graph.inputs().view(user, cup, NOW + 5);
    shop.graph.advance_to(NOW + 100);
    shop.graph.settle();
    shop.event(Signal::Interest, &[ProductKey::default()], NOW + 100);
    let after = shop.hits.totals();
    assert_eq!(after.products(Signal::Interest), 3);
    assert_eq!(after.hits(Signal::Interest, HitList::Recommendations), counts(2, 1, 1));
}

#[test]
fn events_beyond_the_bounds_are_passed_over() {
    let shop = Shop::open();
    shop.compare();
    shop.event(Signal::Interest, &[shop.tea], NOW + AWAY_MS_MAX);
    shop.event(Signal::Interest, &[shop.tea], NOW - AWAY_MS_MAX - 1);
    assert_eq!((shop.hits.totals().passed_over, shop.hits.totals().products(Signal::Interest)), (1, 1));
    for _ in 0..EVENTS_PER_S_MAX {
        shop.event(Signal::Interest, &[shop.tea], NOW);
    }
    let totals = shop.hits.totals();
    assert_eq!(
        (totals.passed_over, totals.products(Signal::Interest)),
        (2, EVENTS_PER_S_MAX),
        "an old event uses up nothing"
    );
    shop.clock.0.store(NOW + 1000, Ordering::Relaxed);
    shop.event(Signal::Interest, &[shop.tea], NOW);
    assert_eq!(shop.hits.totals().products(Signal::Interest), EVENTS_PER_S_MAX + 1);
}

#[test]
fn products_of_an_event_are_few_and_count_once() {
    let shop = Shop::open();
    shop.compare();
    shop.event(Signal::Purchase, &[shop.cup, shop.tea, shop.cup], NOW);
    assert_eq!(shop.hits.totals().products(Signal::Purchase), 2);
    assert_eq!(shop.hits.totals().hits(Signal::Purchase, HitList::BestSellers), counts(2, 1, 1));
    let mut products = vec![shop.tea; PRODUCTS_MAX];
    products.push(shop.cup);
    shop.event(Signal::Purchase, &products, NOW);
    assert_eq!(shop.hits.totals().products(Signal::Purchase), 3, "the cup is beyond the bound");
}
