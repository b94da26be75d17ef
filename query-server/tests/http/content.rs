//! Content vectors in answers: they fill lists of similar products, and are a source of recommendations. The oracle computes
//! every cosine plainly from the given numbers.

use std::collections::BTreeMap;

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use harness::Dice;
use recommend::content::{Content, Embeddings};
use recommend::{ContentModel, ContentSlot, Models, ServedContent, SourceName};
use serde_json::{Value, json};

use crate::plain::{PlainShop, random_records};
use crate::records::Record;
use crate::shop::{Shop, now_ms, product, viewed};

/// The cosine above which products are similar.
const COSINE_MIN: f64 = 0.1;

/// Embeddings by product.
type Given = BTreeMap<String, Vec<f32>>;

fn models() -> (ContentSlot, Models) {
    let slot = ContentSlot::default();
    (slot.clone(), Models { content: Some(ContentModel { slot, newest: 3 }), ..Models::default() })
}

fn put(slot: &ContentSlot, version: u64, given: &Given) {
    let dictionary = Dictionary::new(Ids::new([7; 16]));
    let mut embeddings = Embeddings::default();
    given.values().for_each(|embedding| embeddings.add(embedding.clone()));
    let keys = given.keys().map(|name| dictionary.product(name).unwrap()).collect();
    slot.put(ServedContent { version, vectors: Content::new(embeddings.vectors().0, keys, COSINE_MIN as f32) });
}

/// Random embeddings of eight whole numbers.
fn random_embeddings<'a>(products: impl IntoIterator<Item = &'a String>) -> Given {
    let mut dice = Dice::new(7);
    let mut number = || f32::from(dice.below(101_u8)) - 50.0;
    products.into_iter().map(|product| (product.clone(), (0..8).map(|_| number()).collect())).collect()
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The products like these (the first counts most), best first, with their cosines; not those of `left_out`.
fn alike(given: &Given, history: &[&String], left_out: impl Fn(&String) -> bool) -> Vec<(String, f64)> {
    let exact = |product: &String| -> Option<Vec<f64>> {
        Some(given.get(product)?.iter().map(|value| f64::from(*value)).collect())
    };
    let mut sum = vec![0.0; 8];
    for (place, product) in history.iter().enumerate() {
        let Some(vector) = exact(product) else { continue };
        let weight = 1.0 / (place as f64 + 1.0) / length(&vector);
        sum.iter_mut().zip(&vector).for_each(|(sum, value)| *sum += value * weight);
    }
    let cosine = |product: &String| {
        let vector = exact(product).unwrap();
        vector.iter().zip(&sum).map(|(a, b)| a * b).sum::<f64>() / length(&vector) / length(&sum)
    };
    let mut rows: Vec<(String, f64)> = given.keys().map(|product| (product.clone(), cosine(product))).collect();
    rows.retain(|(product, cosine)| *cosine > COSINE_MIN && !history.contains(&product) && !left_out(product));
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    rows
}

/// A random shop with products that nobody has viewed.
fn shop_with_new_products(workers: usize) -> (Shop, ContentSlot, Given, PlainShop) {
    let (slot, models) = models();
    let shop = Shop::modelled(workers, models, |_, recommendations| {
        recommendations.home = vec![SourceName::CoViews, SourceName::Content];
    });
    shop.happened(random_records(workers as u64));
    let new: Vec<String> = (0..9).map(|number| format!("new-{number}")).collect();
    shop.happened(new.iter().map(|name| product(name, "new")));
    let plain = PlainShop::of(&shop.records());
    let given = random_embeddings(plain.products().into_iter().chain(&new));
    put(&slot, 1, &given);
    (shop, slot, given, plain)
}

#[test]
fn lists_of_similar_products_are_filled_as_a_plain_recomputation_fills_them() {
    for workers in [1, 2] {
        let (shop, _, given, plain) = shop_with_new_products(workers);
        let mut connection = shop.connect();
        let (mut filled, mut whole) = (0, 0);
        for product in given.keys() {
            let views = plain.similar(product);
            let is_out = |other: &String| plain.is_deleted(other) || views.iter().any(|(viewed, _)| viewed == other);
            let content = alike(&given, &[product], is_out);
            let expected: Vec<&String> =
                views.iter().map(|row| &row.0).chain(content.iter().map(|row| &row.0)).collect();
            let path = format!("/v1/products/{product}/similar");
            let answer = connection.get(&format!("{path}?limit=100&explain=true"));
            let products = answer.products();
            assert_eq!(products.iter().collect::<Vec<_>>(), expected, "{product}, {workers} workers");
            assert_eq!(connection.get(&path).products(), products[..10.min(products.len())]);
            // The second answer comes from the memory of the first.
            assert_eq!(connection.get(&format!("{path}?limit=7")).products(), products[..7.min(products.len())]);
            let rows = answer.json()["explain"].clone();
            for (row, (_, cosine)) in rows.as_array().unwrap()[views.len()..].iter().zip(&content) {
                assert_eq!((&row["source"], &row["weight"]), (&json!("content"), &Value::Null));
                assert!((row["similarity"].as_f64().unwrap() - cosine).abs() < 1e-5, "{row} {cosine}");
            }
            filled += usize::from(!content.is_empty());
            whole += usize::from(!views.is_empty());
        }
        assert!(filled > 9 && whole > 9, "both kinds of rows are in the lists: {filled} {whole}");
    }
}

#[test]
fn recommendations_are_those_of_a_plain_recomputation() {
    let (shop, _, given, plain) = shop_with_new_products(1);
    let mut connection = shop.connect();
    let mut seen = 0;
    for user in plain.users() {
        let history = plain.history(user);
        let views = plain.scored(history);
        let is_out = |other: &String| {
            plain.is_deleted(other) || history.contains(other) || views.iter().any(|(viewed, _)| viewed == other)
        };
        let newest: Vec<&String> = history.iter().take(3).collect();
        let content = alike(&given, &newest, is_out);
        let expected: Vec<&String> = views.iter().map(|row| &row.0).chain(content.iter().map(|row| &row.0)).collect();
        let answer = connection.get(&format!("/v1/users/{user}/for-you?limit=100&explain=true"));
        assert_eq!(answer.products().iter().collect::<Vec<_>>(), expected, "{user}");
        for (row, (_, cosine)) in answer.json()["explain"].as_array().unwrap()[views.len()..].iter().zip(&content) {
            assert_eq!(row["source"], "content");
            assert!((row["similarity"].as_f64().unwrap() - cosine).abs() < 1e-5, "{row} {cosine}");
            seen += 1;
        }
    }
    assert!(seen > 0);
    let body = br#"{"viewed": ["new-0"], "limit": 100}"#;
    let answer = connection.ask("POST", "/v1/recommendations", &[], body);
    let expected = alike(&given, &[&"new-0".to_owned()], |other| plain.is_deleted(other));
    assert_eq!(answer.products(), expected.into_iter().map(|row| row.0).collect::<Vec<_>>());
    assert_eq!(answer.json()["type"], "personalized");
}

#[test]
fn new_vectors_and_deletions_show_at_once_and_co_views_are_not_needed() {
    let (slot, models) = models();
    let shop = Shop::modelled(1, models, |rules, _| rules.co_views.enabled = false);
    shop.happened(["tea", "mug", "pan"].map(|name| product(name, "kitchen")));
    shop.happened([viewed("ada", "tea", now_ms())]);
    let mut connection = shop.connect();
    let mut similar = || connection.get("/v1/products/tea/similar").products();
    assert_eq!(similar(), [""; 0], "there are no vectors yet");
    let given = |rows: [(&str, [f32; 2]); 3]| rows.map(|(name, row)| (name.to_owned(), row.to_vec())).into();
    put(&slot, 1, &given([("tea", [1.0, 0.0]), ("mug", [1.0, 0.1]), ("pan", [1.0, 1.0])]));
    assert_eq!(similar(), ["mug", "pan"]);
    put(&slot, 2, &given([("tea", [1.0, 0.0]), ("mug", [1.0, 2.0]), ("pan", [1.0, 1.0])]));
    assert_eq!(similar(), ["pan", "mug"]);
    shop.happened([Record::Deleted { product: "pan".into() }]);
    assert_eq!(similar(), ["mug"]);
    shop.get("/v1/products/unheard/similar").assert_problem(404, "unknown-product");
}
