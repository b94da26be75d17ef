//! A shop that keeps its catalogue and its purchases in Vitrine: rows written over HTTP are on the shelves, and outlive
//! the process.

use std::path::Path;

use serde_json::json;

use crate::rows_program::{
    COUNTING_OLDER, Program, WrittenPurchases, older_purchases_count_for_features_and_buy_again_alone, purchase,
    rows_are_on_the_shelves,
};

/// A program on the files of one directory.
fn start(dir: &Path, settings: &[&str]) -> Program {
    let [files, store] = [("files.dir", "data"), ("store.path", "store.db")]
        .map(|(key, file)| format!("{key}={}", dir.join(file).display()));
    Program::serve(&[&[&files, &store], settings])
}

#[test]
fn a_row_written_over_http_is_on_the_shelf_as_soon_as_its_token_is_shown() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    rows_are_on_the_shelves(&start(dir.path(), &["rules.items_min=1"]));
}

#[test]
fn a_purchase_outside_of_the_window_counts_for_features_and_buy_again_alone_also_after_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    older_purchases_count_for_features_and_buy_again_alone(&start(dir.path(), COUNTING_OLDER));
    let features = start(dir.path(), COUNTING_OLDER).get("/v1/users/ada/features").json();
    assert_eq!(features["user_product_purchases"], json!({"lamp": 2, "bulb": 1}));
}

#[test]
fn a_deleted_product_is_on_no_shelf_also_after_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let sold = |program: &Program, token: &str| {
        let sellers = program.get(&format!("/v1/bestsellers?after={token}")).json();
        let products = sellers["products"].as_array().expect("a list").clone();
        products.iter().map(|row| row["product"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    let token = {
        let program = start(dir.path(), &[]);
        program.write("POST", "/v1/products", &json!({"product_id": "lamp"}));
        program.write("POST", "/v1/purchases", &purchase("1", "ada", "lamp"));
        // This product was never in the catalogue, so its purchase counts.
        let token = program.write("POST", "/v1/purchases", &purchase("2", "ada", "bulb"));
        assert_eq!(sold(&program, &token).len(), 2);
        let token = program.write("DELETE", "/v1/products/lamp", &json!(null));
        assert_eq!(sold(&program, &token), ["bulb"]);
        token
    };
    let program = start(dir.path(), &[]);
    assert_eq!(sold(&program, &token), ["bulb"]);
    let token = program.write("POST", "/v1/products", &json!({"product_id": "lamp"}));
    assert_eq!(sold(&program, &token).len(), 2, "it is back");
}

#[test]
fn a_product_that_is_added_to_the_demo_is_on_its_shelf() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let demo = Program::run(&["demo", "--rate", "0", "--dir", dir.path().to_str().expect("a plain name")]);
    let generated = demo.get("/v1/products?limit=1").json();
    assert_eq!(generated["items"].as_array().map(Vec::len), Some(1), "the demo's own products are in the store");
    demo.write("POST", "/v1/products", &json!({"product_id": "my-lamp", "category_id": "my-lamps", "price": "12.50"}));
    let token = demo.write("POST", "/v1/purchases", &purchase("my-1", "ada", "my-lamp"));
    assert_eq!(demo.sellers("my-lamps", &token), ["my-lamp"]);
    let sellers = demo.get("/v1/bestsellers").json();
    assert_eq!(sellers["products"].as_array().map(Vec::len), Some(10), "its own orders count: {sellers}");
}

#[test]
fn a_demo_goes_on_in_its_own_directory_and_leaves_the_files_of_a_shop_alone() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (own, shop) = (dir.path().join("own"), dir.path().join("shop"));
    let text = |path: &Path| path.to_str().expect("a plain name").to_owned();
    for _ in 0..2 {
        let demo = Program::run(&["demo", "--rate", "0", "--dir", &text(&own)]);
        assert_eq!(demo.get("/v1/products?limit=1").status, 200);
    }
    std::fs::create_dir(&shop).expect("a directory");
    std::fs::write(shop.join("views.jsonl"), "{}\n").expect("a file");
    let refused = crate::vitrine(&["demo", "--dir", &text(&shop), "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = harness::stderr(&refused);
    assert!(said.contains("views.jsonl exists, and no demo has made it"), "{said}");
    assert_eq!(std::fs::read_to_string(shop.join("views.jsonl")).expect("it is there"), "{}\n");
    assert_eq!(std::fs::read_dir(&shop).expect("it is there").count(), 1, "nothing is made");
}

#[test]
fn purchases_that_were_acknowledged_outlive_a_killed_process_and_nothing_else_is_there() {
    const ACKNOWLEDGED_MIN: usize = 200;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let written = WrittenPurchases::new(false);
    written.write_and_kill(&mut start(dir.path(), &[]), "a", ACKNOWLEDGED_MIN, harness::Process::kill9);
    let program = start(dir.path(), &[]);
    let (mut rows, mut cursor) = (0, String::new());
    loop {
        let page = program.get(&format!("/v1/purchases?limit=1000{cursor}")).json();
        rows += page["items"].as_array().expect("a page has items").len();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    written.are_in(&program, rows);
}
