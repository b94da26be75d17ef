//! A client that hangs up in the middle: what the audit log has an entry on is done to its end, and is in the log.

use std::net::TcpStream;
use std::sync::Arc;

use serde_json::json;
use vitrine_query_server::Settings;

use crate::access::TestAudit;
use crate::rows::Rows;
use crate::shop::{Mood, Shop, Start, eventually, now_ms, patient, viewed};

/// More purchases than are deleted at once.
const PURCHASES: usize = 600;

/// A held write is not given up, however busy the machine is.
fn unhurried() -> Settings {
    Settings { intake_timeout_ms: 120_000, shutdown_ms: 120_000, ..patient() }
}

fn audited(audit: &Arc<TestAudit>) -> Start {
    Start { audit: Some(audit.clone()), ..Start::default() }
}

/// Sends a request, and hangs up when its write waits for the log.
fn begin_and_hang_up(shop: &Shop, request: &str) {
    shop.writer.set(Mood::Held);
    let held = shop.writer.held();
    let mut connection = shop.connect();
    connection.send(request);
    eventually(|| shop.writer.held() > held);
    drop(connection);
    // The connection that asks is the only one.
    eventually(|| shop.get("/metrics").text().contains("vitrine_http_connections 1.0"));
}

/// What the audit log has, and with which status.
fn entries(audit: &TestAudit) -> Vec<(&'static str, u16)> {
    audit.entries.lock().unwrap().iter().map(|entry| (entry.what, entry.status)).collect()
}

#[test]
fn a_removal_is_audited_at_both_of_its_addresses() {
    let audit = Arc::new(TestAudit::default());
    let shop = Shop::guarded(unhurried(), audited(&audit));
    shop.happened([viewed("ada", "tea", now_ms()), viewed("ada", "cup", now_ms())]);
    for (number, request) in [
        "DELETE /v1/users/ada/history/tea HTTP/1.1\r\nhost: shop\r\n\r\n",
        "DELETE /api/v1/user_nav_history_latest_products/ HTTP/1.1\r\nhost: shop\r\nuser-id: ada\r\nproduct-id: cup\r\n\r\n",
    ]
    .into_iter()
    .enumerate()
    {
        begin_and_hang_up(&shop, request);
        assert_eq!(entries(&audit).len(), number, "it is in progress");
        shop.writer.set(Mood::Well);
        eventually(|| entries(&audit) == vec![("history.remove", 204); number + 1]);
    }
    assert!(shop.get("/v1/users/ada/history").products().is_empty());
}

#[test]
fn an_erasure_does_not_stop_between_the_user_and_the_purchases() {
    let audit = Arc::new(TestAudit::default());
    let rows = Rows::with(unhurried(), audited(&audit));
    let purchase =
        |number| json!({"purchase_id": format!("o-{number}"), "user_id": "ada", "lines": [{"product_id": "tea"}]});
    let purchases: Vec<_> = (0..PURCHASES).map(purchase).collect();
    assert_eq!(rows.ask("POST", "/v1/users", &[], r#"{"user_id":"ada"}"#).status, 201);
    assert_eq!(rows.ask("POST", "/v1/purchases:batch", &[], json!(purchases).to_string()).status, 200);
    begin_and_hang_up(&rows.shop, "DELETE /v1/users/ada HTTP/1.1\r\nhost: shop\r\n\r\n");
    rows.ask("GET", "/v1/users/ada", &[], "").assert_problem(404, "unknown-row");
    rows.shop.writer.set(Mood::Well);
    eventually(|| entries(&audit) == [("user.erase", 200)]);
    assert_eq!(rows.shop.get("/v1/purchases").json()["items"], json!([]));
}

#[test]
fn an_upload_that_is_cut_off_is_audited_and_imports_nothing() {
    let audit = Arc::new(TestAudit::default());
    let rows = Rows::with(unhurried(), audited(&audit));
    for framing in [
        "content-length: 100\r\n\r\nproduct_id\nlamp\n",
        "transfer-encoding: chunked\r\n\r\n10\r\nproduct_id\nlamp\n\r\n",
    ] {
        let mut connection = rows.shop.connect();
        connection
            .send(format!("POST /v1/import/products HTTP/1.1\r\nhost: shop\r\ncontent-type: text/csv\r\n{framing}"));
    }
    eventually(|| entries(&audit) == [("products.import", 400); 2]);
    assert_eq!(rows.shop.get("/v1/products").json()["items"], json!([]));
}

#[test]
fn the_end_waits_for_what_goes_on_without_its_client() {
    let audit = Arc::new(TestAudit::default());
    let mut shop = Shop::guarded(unhurried(), audited(&audit));
    shop.happened([viewed("ada", "tea", now_ms())]);
    begin_and_hang_up(&shop, "DELETE /v1/users/ada/history/tea HTTP/1.1\r\nhost: shop\r\n\r\n");
    shop.shutdown.begin();
    eventually(|| TcpStream::connect(shop.address).is_err());
    shop.writer.set(Mood::Well);
    shop.end();
    assert_eq!(entries(&audit), [("history.remove", 204)]);
}
