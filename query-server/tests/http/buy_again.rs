//! `GET /v1/users/{user}/buy-again`: contents, explanations, its place in a chain, and errors.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::time::Millis;
use harness::Dice;
use recommend::SourceName;
use serde_json::{Value, json};

use crate::plain::{PlainShop, random_records};
use crate::records::Record;
use crate::shop::{Shop, bought, now_ms, viewed};

fn path(user: &str) -> String {
    format!("/v1/users/{user}/buy-again")
}

fn ordered(order: &str, user: &str, product: &str, at: Millis) -> Record {
    Record::Order { order: order.into(), user: user.into(), product: product.into(), at }
}

/// An order with its lines.
type Order<'a> = (Millis, &'a str, BTreeSet<&'a str>);

/// The rows of a user's list, from the orders alone.
fn plain(records: &[Record], user: &str) -> Vec<Value> {
    let dictionary = Dictionary::new(Ids::new([7; 16]));
    let (mut orders, mut buyers) = (BTreeMap::<&str, (&str, Order)>::new(), BTreeMap::<&str, BTreeSet<&str>>::new());
    for record in records {
        if let Record::Order { order, user, product, at } = record {
            let entry = orders.entry(order).or_insert((user, (*at, order, BTreeSet::new())));
            entry.1.2.insert(product);
            buyers.entry(product).or_default().insert(user);
        }
    }
    let with = |product: &str| orders.values().filter(|(_, order)| order.2.contains(product)).count() as u64;
    let mut own: Vec<&Order> = orders.values().filter(|(buyer, _)| *buyer == user).map(|(_, order)| order).collect();
    own.sort_by_key(|(at, order, _)| (Reverse(*at), dictionary.order(order)));
    let products: BTreeSet<&str> = own.iter().flat_map(|(_, _, products)| products.iter().copied()).collect();
    let mut rows: Vec<_> = products
        .into_iter()
        .map(|product| {
            let ago: Vec<usize> = (0..own.len()).filter(|ago| own[*ago].2.contains(product)).collect();
            let weight = |ago: &usize| ((20.0 - (ago % 60) as f64 / 60.0).exp2().floor() as u64) >> (ago / 60);
            let sum: u64 = ago.iter().map(weight).sum();
            let score = sum * ((with(product) << 20) / buyers[product].len() as u64).isqrt();
            (Reverse(score), dictionary.product(product).unwrap(), product, ago)
        })
        .collect();
    rows.sort();
    let row = |(Reverse(score), _, product, ago): (Reverse<u64>, _, &str, Vec<usize>)| json!({"product": product, "source": "buy_again", "score": score, "orders": ago.len(), "orders_ago": ago[0]});
    rows.into_iter().map(row).collect()
}

/// Many orders of few users, at distinct times.
fn orders() -> Vec<Record> {
    let (mut dice, now, mut records) = (Dice::new(5), now_ms(), Vec::new());
    for number in 0..150 {
        let (order, user) = (format!("order-{number}"), format!("user-{}", dice.below(3)));
        for _ in 0..=dice.below(3) {
            let product = format!("product-{}", dice.below(5) * dice.below(4));
            records.push(ordered(&order, &user, &product, now - 1_000_000 + number));
        }
    }
    records
}

#[test]
fn the_list_is_that_of_a_plain_recomputation() {
    for workers in [1, 2] {
        let shop = Shop::learning(workers, |_, _| {});
        shop.happened(orders());
        let records = shop.records();
        let mut connection = shop.connect();
        for user in ["user-0", "user-1", "user-2"] {
            let expected = plain(&records, user);
            let names: Vec<&str> = expected.iter().map(|row| row["product"].as_str().unwrap()).collect();
            let answer = connection.get(&format!("{}?limit=100&explain=true", path(user)));
            assert_eq!(answer.products(), names, "{user}, {workers} workers");
            assert_eq!(answer.json()["explain"], json!(expected));
            assert_eq!(answer.json()["type"], "personalized");
            assert_eq!(connection.get(&format!("{}?limit=2", path(user))).products(), names[..2]);
        }
    }
}

#[test]
fn an_order_changes_the_list_and_deleted_products_leave_it() {
    let shop = Shop::learning(1, |_, _| {});
    shop.happened([ordered("one", "ada", "tea", now_ms() - 9), ordered("two", "ada", "mug", now_ms() - 8)]);
    let answer = shop.get(&path("ada"));
    assert_eq!(answer.products(), ["mug", "tea"]);
    let (as_of, id) = (answer.json()["as_of"].clone(), answer.json()["answer_id"].clone());
    let list = r#""products":["mug","tea"],"type":"personalized""#;
    assert_eq!(answer.text(), format!(r#"{{"user-id":"ada",{list},"as_of":{as_of},"answer_id":{id}}}"#));
    shop.happened([ordered("three", "ada", "tea", now_ms())]);
    assert_eq!(shop.get(&path("ada")).products(), ["tea", "mug"]);
    shop.happened([Record::Deleted { product: "tea".into() }]);
    assert_eq!(shop.get(&path("ada")).products(), ["mug"]);
    let nobody = shop.get(&path("nobody"));
    assert_eq!((nobody.products().len(), &nobody.json()["type"]), (0, &json!("personalized")));
}

#[test]
fn wrong_parameters_are_errors_and_short_lists_are_empty() {
    let shop = Shop::learning(1, |rules, _| rules.items_min = 2);
    let mut connection = shop.connect();
    for query in ["limit=0", "limit=101", "explain=1", "wait_ms=1", "after=zz"] {
        connection.get(&format!("{}?{query}", path("ada"))).assert_problem(400, "bad-parameter");
    }
    connection.get(&format!("{}?context=home", path("ada"))).assert_problem(400, "unknown-parameter");
    shop.happened([ordered("one", "ada", "tea", now_ms() - 9)]);
    assert_eq!(connection.get(&path("ada")).products(), [""; 0]);
    shop.happened([ordered("one", "ada", "mug", now_ms() - 9)]);
    assert_eq!(connection.get(&format!("{}?limit=1", path("ada"))).products().len(), 1);
}

#[test]
fn in_a_chain_it_recommends_what_was_viewed_too() {
    let chain = vec![SourceName::BuyAgain, SourceName::CoViews, SourceName::BestSellers];
    let shop = Shop::learning(1, |_, recommendations| recommendations.home = chain);
    shop.happened([ordered("one", "ada", "tea", now_ms() - 9), viewed("ada", "tea", now_ms() - 8)]);
    shop.happened([viewed("bea", "tea", now_ms() - 7), viewed("bea", "mug", now_ms() - 6)]);
    shop.happened(bought("pan", 2));
    let mut connection = shop.connect();
    let answer = connection.get("/v1/users/ada/for-you?explain=true").json();
    assert_eq!(answer["products"], json!(["tea", "mug", "pan"]));
    let sources: Vec<&Value> = answer["explain"].as_array().unwrap().iter().map(|row| &row["source"]).collect();
    assert_eq!(sources, ["buy_again", "co_views", "best_sellers"]);
    assert_eq!(answer["explain"][0]["orders"], 1);
    let visitor = connection.ask("POST", "/v1/recommendations", &[], br#"{"viewed":["tea"]}"#);
    assert_eq!(visitor.products(), ["mug", "pan"], "a visitor who is not known has no orders");
}

#[test]
fn every_product_is_once_in_a_chain() {
    let chain = vec![SourceName::BuyAgain, SourceName::CoViews, SourceName::BestSellersForYou, SourceName::BestSellers];
    let shop = Shop::learning(2, |_, recommendations| recommendations.home = chain);
    shop.happened(random_records(40));
    let records = shop.records();
    let plain_shop = PlainShop::of(&records);
    let mut connection = shop.connect();
    for user in plain_shop.users() {
        let mut expected: Vec<String> = Vec::new();
        let own = plain(&records, user).into_iter().map(|row| row["product"].as_str().unwrap().to_owned());
        let own = own.filter(|product| !plain_shop.is_deleted(product));
        let others = plain_shop.sources(plain_shop.history(user)).into_iter().flat_map(|(_, list)| list);
        for product in own.chain(others) {
            if !expected.contains(&product) {
                expected.push(product);
            }
        }
        assert_eq!(connection.get(&format!("/v1/users/{user}/for-you?limit=100")).products(), expected, "{user}");
    }
}

#[test]
fn the_process_that_holds_the_user_answers() {
    let [one, other] = Shop::pair();
    let user = one.user_elsewhere();
    other.happened([ordered("one", &user, "tea", now_ms())]);
    assert_eq!(one.get(&path(&user)).products(), ["tea"]);
    assert!(one.get("/metrics").text().contains("vitrine_http_requests_total{route=\"buy_again\",status=\"200\"} 1\n"));
}
