//! Users that are read together have what each has alone, and a request that wants fewer rows reads fewer.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, Ids, ProductKey, RowKey, UserKey};
use dataflow::index_reader::{FeatureReader, FeatureRows, UserFeatures, WantedRows};
use dataflow::rules::{Features, KeyNames, PurchaseSource, Rules};
use dataflow::short_text::ShortText;
use dataflow::stepped::SteppedGraph;
use dataflow::tables::{
    Catalogue, CatalogueRow, EventPurchaseRow, Interaction, LineRow, Lines, OrderRow, Orders, SessionEvent,
};
use dataflow::time::Millis;

const USERS: usize = 40;
const PRODUCTS: usize = 12;
const EVERYTHING: FeatureRows = FeatureRows::SESSIONS
    .and(FeatureRows::PURCHASES)
    .and(FeatureRows::METADATA)
    .and(FeatureRows::CATEGORIES)
    .and(FeatureRows::ATTRIBUTES);

/// A user, a product, and what the user did.
type Did = (usize, usize, u8);

struct Shop {
    graph: SteppedGraph,
    users: Vec<UserKey>,
    products: Vec<ProductKey>,
}

impl Shop {
    fn new() -> Shop {
        let dictionary = Arc::new(Dictionary::new(Ids::new([5; 16])));
        let features = Features { enabled: true, metadata: KeyNames::of(&["device"]), ..Features::OFF };
        let mut graph = SteppedGraph::new(Rules { features, ..Rules::default() }, dictionary.clone(), 1000);
        let users = (0..USERS).map(|user| dictionary.user(&format!("u{user}"))).collect();
        let product = |product| dictionary.product(&format!("p{product}")).expect("few ids do not collide");
        let products: Vec<ProductKey> = (0..PRODUCTS).map(product).collect();
        for (nth, product) in products.iter().enumerate() {
            let category = dictionary.category(&format!("c{}", nth % 5)).expect("few ids do not collide");
            graph.inputs().update::<Catalogue>(CatalogueRow { product: *product, category }, 1);
        }
        Shop { graph, users, products }
    }

    fn give(&mut self, (user, product, what): Did, at: Millis) {
        let (user, product) = (self.users[user], self.products[product]);
        let order = self.graph.reader().dictionary().order(&format!("o{at}"));
        let session = self.graph.reader().dictionary().row([&b"session"[..]]);
        let inputs = self.graph.inputs();
        match what {
            0 => {
                inputs.update::<Orders>(OrderRow::counting(order, user, at), 1);
                inputs.update::<Lines>(LineRow { order, product, row: RowKey::NONE }, 1);
            }
            1 => inputs.metadata(user, (ShortText::of("device"), ShortText::of("app")), at),
            2 => inputs.interaction(user, product, Interaction::Click, at),
            _ => {
                inputs.session_event(user, SessionEvent { session, at, recorded: at, page: product });
                inputs.interaction(user, product, Interaction::View { time_on_page_ms: None }, at);
            }
        }
    }
}

fn histories() -> impl Strategy<Value = Vec<Vec<Did>>> {
    vec(vec((0..USERS - 2, 0..PRODUCTS, 0..6u8), 0..60), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn users_read_together_have_what_each_has_alone(ticks in histories()) {
        let mut shop = Shop::new();
        let mut at = 1000;
        for events in ticks {
            for did in events {
                shop.give(did, at);
                at += 1;
            }
            at += 1;
            shop.graph.advance_to(at);
            shop.graph.settle();
        }
        let (reader, mut together) = (shop.graph.reader(), FeatureReader::default());
        let (view, sums) = (reader.wide_view_any(), Some(reader.attributes()));
        let all = WantedRows::of(EVERYTHING, reader.attributes());
        let mut found = together.find_wide(&view, shop.users.iter().copied(), all);
        prop_assert!(found.rows() >= shop.users.iter().map(|user| view.features(*user, None).products.len()).sum());
        for (nth, user) in shop.users.iter().enumerate() {
            prop_assert_eq!(found.features(nth), &view.features(*user, sums), "user {}", nth);
        }
        drop(found);
        let wanted = WantedRows::of(FeatureRows::PURCHASES, reader.attributes());
        let mut found = together.find_wide(&view, shop.users.iter().copied(), wanted);
        for (nth, user) in shop.users.iter().enumerate() {
            let (some, all) = (found.features(nth).clone(), view.features(*user, sums));
            prop_assert!(some.categories.is_empty() && some.metadata.is_empty() && some.attribute_views.is_none());
            let counts = |of: &UserFeatures| -> Vec<_> {
                of.products.iter().map(|of| (of.product, of.activity.views(), of.purchases)).collect()
            };
            prop_assert_eq!((counts(&some), some.last_at), (counts(&all), all.last_at));
            let untimed = some.products.iter().all(|of| of.activity.time_on_page() == (0, 0));
            prop_assert!(untimed, "gaps are of sessions that were not read");
        }
    }
}

#[test]
fn sums_are_over_the_products_of_each_category() {
    let mut shop = Shop::new();
    for (nth, (product, what)) in [(0, 3), (5, 3), (5, 3), (1, 0), (10, 0), (2, 2)].into_iter().enumerate() {
        shop.give((0, product, what), 1000 + nth as Millis);
    }
    shop.graph.advance_to(2000);
    shop.graph.settle();
    let reader = shop.graph.reader();
    let of = reader.view(shop.users[0]).features(shop.users[0], Some(reader.attributes()));
    let [first, second] = ["c0", "c1"].map(|name| reader.dictionary().find_category(name).expect("it was named"));
    let right: BTreeSet<_> = [(first, 3, 1), (second, 0, 1)].into();
    let sums = |of: &UserFeatures| -> Vec<_> {
        of.categories.iter().map(|of| (of.category, of.views, of.purchases)).collect()
    };
    let right: Vec<_> = right.into_iter().collect();
    assert_eq!(sums(&of), right);

    let unavailable = CatalogueRow { product: shop.products[5], category: CategoryKey::UNAVAILABLE };
    shop.graph.inputs().update::<Catalogue>(unavailable, 1);
    shop.graph.advance_to(3000);
    shop.graph.settle();
    let reader = shop.graph.reader();
    let (of, view) = (reader.view(shop.users[0]).features(shop.users[0], Some(reader.attributes())), reader.view_any());
    assert_eq!(sums(&of), right, "a product that cannot be bought is in its category");
    assert!(!view.may_show(shop.products[5]) && view.may_show(shop.products[0]));
    assert_eq!(view.category_size(first).map(|size| size.products), Some(3));
}

#[test]
fn an_event_of_an_order_counts_only_if_no_key_of_the_order_is_in_the_table() {
    let dictionary = Arc::new(Dictionary::new(Ids::new([5; 16])));
    let features = Features { enabled: true, ..Features::OFF };
    let rules = Rules { features, purchases: PurchaseSource::Both, ..Rules::default() };
    let mut graph = SteppedGraph::new(rules, dictionary.clone(), 1000);
    let (ada, tea) = (dictionary.user("ada"), dictionary.product("tea").expect("one id"));
    let order = dictionary.order("o-1");
    let line = LineRow { order: order.of_lines(dictionary.row([&b"ada"[..]])), product: tea, row: RowKey::NONE };
    for (tick, is_in_table, purchases) in [(2000, false, 1), (3000, true, 1), (4000, false, 1)] {
        let inputs = graph.inputs();
        if tick == 2000 {
            inputs.event_purchase(EventPurchaseRow { order, user: ada, product: tea, at: 1000 });
        } else {
            let diff = if is_in_table { 1 } else { -1 };
            inputs.update::<Orders>(OrderRow::counting(line.order, ada, 1000), diff);
            inputs.update::<Lines>(line, diff);
        }
        graph.advance_to(tick);
        graph.settle();
        let of = graph.reader().view(ada).features(ada, None);
        assert_eq!(of.products.iter().map(|of| of.purchases).collect::<Vec<_>>(), [purchases], "as of {tick}");
    }
}
