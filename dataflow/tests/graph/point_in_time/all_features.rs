//! All features before each ask, compared with a plain recomputation from everything that was given before it: sessions with gaps,
//! values of metadata, purchases from tables and events, categories that change, attributes, erasures, events that come late, and
//! features that are dropped after days of silence. Many asks and events have equal times.

mod given;
mod plain;

use super::*;
use dataflow::ids::CategoryKey;
use dataflow::product_attributes::ProductAttributes;
use dataflow::rules::{KeyNames, PurchaseSource};
use dataflow::short_text::ShortText;
use dataflow::tables::{Catalogue, CatalogueRow, EventPurchaseRow, SessionEvent};

use given::{Given, Keys, Source, What, given, time};
use plain::{Before, Shown};

const USERS: usize = 3;
const PRODUCTS: usize = 4;
const START: Time = 100 * DAY_MS;
const MINUTE: Millis = 60_000;
const HELD: Millis = 60 * MINUTE;
const WINDOW: Millis = 2 * DAY_MS;
const VALUES_MAX: usize = 2;

fn shown(features: &UserFeatures, keys: &Keys) -> Shown {
    let product_of = |key| (0..PRODUCTS).find(|product| keys.product(Some(*product)) == key).expect("a known product");
    let category_of = |key| (0..6).find(|category| keys.category(*category) == key).expect("a known category");
    let products = features.products.iter().map(|of| {
        let (activity, (time, timed)) = (of.activity, of.activity.time_on_page());
        let numbers = [activity.views(), activity.clicks(), activity.carts(), time, timed, of.purchases];
        (product_of(of.product), numbers)
    });
    Shown {
        last: features.last_at,
        products: products.collect(),
        categories: features.categories.iter().map(|of| (category_of(of.category), [of.views, of.purchases])).collect(),
        metadata: features.metadata.iter().map(|of| (of.name(), of.events)).collect(),
        attributes: features.attribute_views.iter().flatten().map(|of| (of.name(), of.events)).collect(),
    }
}

/// A question for a user and a product at a time.
type Question = (usize, usize, Time);

/// What is found for each question.
fn found_all(given: &[Given], questions: &[Question], days: u64, all_products: bool, together: Together) -> Vec<Shown> {
    let dictionary = Arc::new(Dictionary::new(Ids::new([7; 16])));
    let keys = Keys(dictionary.clone());
    let metadata = KeyNames::of(&["device"]);
    let attributes = KeyNames::of(&["colour"]);
    let features = Features { enabled: true, days, metadata, attributes, values_max: VALUES_MAX, ..Features::OFF };
    let rules = Rules { features, purchases: PurchaseSource::Both, window_ms: WINDOW, ..Rules::default() };
    let mut graph = SteppedGraph::of_features(rules, dictionary.clone(), 1000);
    let colour = |product: usize| {
        let colour = (ShortText::of("colour"), ShortText::of(&(product % 2).to_string()));
        (keys.product(Some(product)), colour)
    };
    graph.reader().attributes().put(ProductAttributes::of((0..PRODUCTS).map(colour)));
    let mut halves = [Vec::new(), Vec::new()];
    given.iter().enumerate().for_each(|(nth, one)| halves[nth % 2].push(one.clone()));
    let catalogue = Source::of_catalogue(given, &dictionary);
    let mut sources: Vec<Box<dyn ReplaySource>> = vec![Box::new(catalogue)];
    sources.extend(halves.map(|half| Box::new(Source::new(half, &dictionary)) as Box<dyn ReplaySource>));
    let ask = |(tag, &(user, product, at)): (usize, &Question)| {
        let product = if all_products { ProductKey::NONE } else { keys.product(Some(product)) };
        Ask { at, user: keys.user(user), product, tag }
    };
    let mut asks: Vec<Ask<usize>> = questions.iter().enumerate().map(ask).collect();
    let mut found = vec![None; questions.len()];
    let wanted = Wanted { sums: true, all_products };
    features_before(&mut graph, &mut sources, (&mut asks, wanted), together, |ask, features| {
        let before = found[ask.tag].replace(shown(features, &keys));
        assert_eq!(before, None, "a question is answered once");
        Ok(())
    })
    .expect("nothing fails here");
    found.into_iter().map(|found| found.expect("every question is answered")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_feature_is_as_everything_before_the_ask_says(
        mut given in vec(given(), 0..120),
        mut questions in vec((0..=USERS, 0..PRODUCTS, time()), 1..80),
        ends in (0..3u64, 0..30u64),
        days in 0..4u64,
        times in 1..30usize,
        records in 1..60usize,
    ) {
        given.sort_by_key(|(at, _)| *at);
        // Before everything and after everything.
        questions.extend((0..USERS).flat_map(|user| [(user, 0, START - 9 * DAY_MS + ends.0), (user, 1, START + ends.1 * DAY_MS)]));
        // An erasure leaves nothing of its tick, so that it needs one of its own.
        let erasures = given.iter().filter(|(_, what)| matches!(what, What::Erased(_)));
        questions.extend(erasures.flat_map(|(at, _)| [(0, 0, *at), (1, 0, *at + 1)]));
        let keys = Keys(Arc::new(Dictionary::new(Ids::new([7; 16]))));
        let right: Vec<Shown> = questions
            .iter()
            .map(|(user, _, at)| Before { given: &given, at: *at, days, keys: &keys }.shown(*user))
            .collect();
        for together in [Together { times, records }, Together { times, records: 1 << 17 }, Together::default()] {
            let found = found_all(&given, &questions, days, true, together);
            for (nth, right) in right.iter().enumerate() {
                prop_assert_eq!(&found[nth], right, "{:?} with {:?}", questions[nth], together);
            }
        }
        let found = found_all(&given, &questions, days, false, Together { times, records: 1 << 17 });
        for (nth, mut right) in right.into_iter().enumerate() {
            right.products.retain(|product, _| *product == questions[nth].1);
            prop_assert_eq!(&found[nth], &right, "{:?} with one product each", questions[nth]);
        }
    }
}
