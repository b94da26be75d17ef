//! The page at `/` in a real headless Chromium, on the whole system in this process.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use events::view_json;
use harness::chromium::Browser;
use harness::{http, wait_until};
use vitrine::clock::wall_ms;
use vitrine::generate::{Order, Shop as Invented, ShopPlan, Style};

use crate::shop::{SOON, Shop};

/// Nobody among the invented users.
const USER: &str = "ada";

/// A small shop whose products have names.
fn invented() -> Invented {
    Invented::new(ShopPlan {
        users: 60,
        products: 80,
        categories: 6,
        views: 500,
        orders: 600,
        days: 20,
        user_skew: 0.8,
        product_skew: 0.9,
        seed: 7,
        until: wall_ms(),
        style: Style::Readable,
    })
}

fn fill(dir: &Path, invented: &Invented) {
    let views: String = invented.views().map(|view| view.json(invented) + "\n").collect();
    let own = (0..5).map(|number| {
        let at = wall_ms() - 600_000 + u64::from(number);
        view_json(USER, &invented.product_id(number), at, "m", "web") + "\n"
    });
    let catalogue = invented.products().map(|product| format!("{},{}\n", product.id, product.category));
    let orders: String = invented.orders().map(|order| order_lines(invented, &order)).collect();
    for (name, text) in [
        ("views.jsonl", views + &own.collect::<String>()),
        ("product_catalog.csv", "product_id,category\n".to_owned() + &catalogue.collect::<String>()),
        ("orders.csv", "order_id,user_id,product_id,quantity,created_at\n".to_owned() + &orders),
    ] {
        std::fs::write(dir.join(name), text).expect("the test's own file can be written");
    }
}

fn order_lines(invented: &Invented, order: &Order) -> String {
    let line = |product| {
        let (user, product) = (invented.user_id(order.user), invented.product_id(product));
        format!("{},{user},{product},1,{}\n", order.id(), order.at)
    };
    order.lines.iter().map(|bought| line(bought.product)).collect()
}

fn is_hidden(browser: &Browser, testid: &str) -> bool {
    let script = format!("return document.querySelector('[data-testid=\"{testid}\"]').hidden");
    browser.run(&script, serde_json::json!([])) == true
}

fn screenshot(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"))
}

#[test]
fn the_page_shows_the_shelves_and_keeps_them_current() {
    let invented = invented();
    let shop = Shop::open(&[], |dir| fill(dir, &invented));
    let browser = Browser::start();
    browser.goto(&shop.url("/"));
    browser.wait_text(SOON, "ready", |text| text == "Ready");

    assert!(is_hidden(&browser, "add"), "without a store no product can be added");
    both_shelves_of_a_typed_user_are_shown(&browser, &shop, &invented);
    best_sellers_of_a_category_are_shown(&browser, &shop);
    browser.wait_text(SOON, "freshness", |text| text.ends_with("ms"));
    browser.wait_text(SOON, "events-per-second", |text| text != "–");
    browser.wait_text(SOON, "source-state", |state| state == "live");
    browser.wait_text(SOON, "lag", |text| text == "0");
    a_posted_event_appears_by_itself(&browser, &shop);
    a_beacon_of_a_page_appears_as_well(&browser);
    an_appended_order_moves_the_bars(&browser, &shop, &invented);
    browser.screenshot(screenshot("page"));
    a_removed_product_goes(&browser, &shop);

    browser.resize(390, 844);
    browser.screenshot(screenshot("page-narrow"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_product_that_is_added_on_the_page_is_in_its_list_when_it_is_bought() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("store.db");
    let shop = Shop::open(&[("store.path", path.to_str().expect("a plain name")), ("rules.items_min", "1")], |_| {});
    let browser = Browser::start();
    browser.goto(&shop.url("/"));
    wait_until(SOON, "the form is shown", || !is_hidden(&browser, "add"));
    for (field, text) in [("product", "desk lamp"), ("category", "light & more"), ("price", "12.5")] {
        browser.type_into(&format!("add-{field}"), text);
    }
    browser.click("add-submit");
    browser.wait_text(SOON, "add-notice", |text| text.contains("is in the catalogue"));
    let row = http::get(&shop.url("/v1/products/desk%20lamp")).json();
    assert_eq!((&row["price"], &row["category_id"]), (&"12.50".into(), &"light & more".into()));
    browser.click("add-buy");
    wait_until(SOON, "the product is in its list", || browser.texts("category-product") == ["desk lamp"]);
    assert_eq!(browser.text("category-name").as_deref(), Some("light & more"));
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.screenshot(screenshot("page-add"));

    browser.click("add-submit");
    browser.wait_text(SOON, "add-notice", |text| text == "the product is there already");
    assert!(is_hidden(&browser, "add-buy"), "a product that was not added is not bought");
}

fn both_shelves_of_a_typed_user_are_shown(browser: &Browser, shop: &Shop, invented: &Invented) {
    browser.type_into("user-input", USER);
    let newest_first: Vec<String> = (0..5).rev().map(|number| invented.product_id(number)).collect();
    wait_until(SOON, "the history is shown", || browser.texts("history-product") == newest_first);
    browser.wait_text(SOON, "recommendations-type", |text| text == "personalized");
    let answer = http::get(&shop.url(&format!("/v1/users/{USER}/recommendations"))).json();
    let recommended = texts(&answer["products"]);
    wait_until(SOON, "the recommendations are shown", || browser.texts("recommendations-product") == recommended);
    assert_eq!(recommended.len(), 10);
}

fn best_sellers_of_a_category_are_shown(browser: &Browser, shop: &Shop) {
    let general = http::get(&shop.url("/v1/bestsellers")).json();
    let products = general["products"].as_array().expect("a list");
    let names: Vec<String> = products.iter().map(|seller| text(&seller["product"])).collect();
    let buyers: Vec<String> = products.iter().map(|seller| text(&seller["buyers"])).collect();
    wait_until(SOON, "the best sellers are shown", || browser.texts("bestsellers-product") == names);
    wait_until(SOON, "their buyers are shown", || browser.texts("bestsellers-buyers") == buyers);

    let category = browser.wait_text(SOON, "category-name", |text| !text.is_empty());
    let answer = http::get(&shop.url(&format!("/v1/categories/{category}/bestsellers"))).json();
    let products = answer["products"].as_array().expect("a list");
    let names: Vec<String> = products.iter().map(|seller| text(&seller["product"])).collect();
    wait_until(SOON, "the category's best sellers are shown", || browser.texts("category-product") == names);
    wait_until(SOON, "every category can be chosen", || browser.texts("category-option-name").len() == 6);
}

/// The page is not loaded anew meanwhile: what a script left in it is still there.
fn a_posted_event_appears_by_itself(browser: &Browser, shop: &Shop) {
    browser.run("window.untouched = true", serde_json::json!([]));
    let event =
        format!(r#"{{"event":"ProductView","userid":"{USER}","properties":{{"productid":"brand-new-teapot"}}}}"#);
    assert_eq!(http::post(&shop.url("/v1/events"), "application/json", event).status, 202);
    browser.wait_text(SOON, "history-product", |text| text == "brand-new-teapot");
    assert_eq!(browser.texts("history-product").len(), 6);
    assert_eq!(browser.run("return window.untouched", serde_json::json!([])), true);
}

/// What a page of the shop sends as it is left: text, of which a browser says that it is UTF-8.
fn a_beacon_of_a_page_appears_as_well(browser: &Browser) {
    let event =
        format!(r#"{{"event":"ProductView","userid":"{USER}","properties":{{"productid":"seen-in-leaving"}}}}"#);
    let sent = browser.run("return navigator.sendBeacon('/v1/events', arguments[0])", serde_json::json!([event]));
    assert_eq!(sent, true);
    browser.wait_text(SOON, "history-product", |text| text == "seen-in-leaving");
}

fn an_appended_order_moves_the_bars(browser: &Browser, shop: &Shop, invented: &Invented) {
    let first = || browser.text("bestsellers-buyers").and_then(|text| text.parse::<u32>().ok());
    let before = first().expect("a number");
    let product = browser.text("bestsellers-product").expect("a product");
    assert!(invented.products().any(|known| known.id == product));
    let mut file = File::options().append(true).open(shop.dir().join("orders.csv")).expect("a file");
    let line = format!("new,somebody-new,{product},1,{}\n", wall_ms());
    file.write_all(line.as_bytes()).expect("the test's own file can be written");
    wait_until(SOON, "the new buyer is counted", || first() == Some(before + 1));
}

fn a_removed_product_goes(browser: &Browser, shop: &Shop) {
    let before = browser.texts("history-product");
    browser.click("history-remove");
    wait_until(SOON, "the first product is gone", || browser.texts("history-product") == before[1..]);
    browser.wait_text(SOON, "notice", |text| text.contains("removed from the history"));
    let answer = http::get(&shop.url(&format!("/v1/users/{USER}/history"))).json();
    assert_eq!(texts(&answer["products"]), before[1..]);
}

fn texts(list: &serde_json::Value) -> Vec<String> {
    list.as_array().expect("a list").iter().map(text).collect()
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().map_or(value.to_string(), str::to_owned)
}
