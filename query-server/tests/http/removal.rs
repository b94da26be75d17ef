//! Removals are durable and visible before they are answered, and change nothing else.

use crate::shop::{Mood, Record, Shop, Start, now_ms, patient, short, viewed};

const TEA: &str = "/v1/users/user-1/history/tea";

#[test]
fn a_removed_product_is_gone_at_once_and_every_time() {
    let shop = Shop::with_rules(patient(), dataflow::rules::Rules::default(), 2);
    let mut connection = shop.connect();
    for n in 0..50 {
        shop.happened([viewed("user-1", "mug", now_ms()), viewed("user-1", "tea", now_ms())]);
        assert_eq!(connection.ask("DELETE", TEA, &[], b"").status, 204);
        assert_eq!(connection.get("/v1/users/user-1/history").products(), ["mug"], "round {n}");
        // Another connection, so perhaps another thread, sees it too.
        assert_eq!(shop.get("/v1/users/user-1/history").products(), ["mug"]);
        let removed_at = shop.records().last().map(|record| match record {
            Record::Removal { at, .. } => *at,
            other => panic!("{other:?}"),
        });
        // A later view shows it again; the clock must have moved for it to be later.
        crate::shop::eventually(|| now_ms() > removed_at.unwrap());
    }
}

#[test]
fn what_is_not_in_the_history_is_not_found() {
    let shop = Shop::open();
    shop.happened([viewed("user-1", "tea", now_ms()), viewed("user-2", "mug", now_ms())]);
    let mut connection = shop.connect();
    for target in ["/v1/users/user-1/history/mug", "/v1/users/user-1/history/unheard", "/v1/users/nobody/history/tea"] {
        connection.ask("DELETE", target, &[], b"").assert_problem(404, "not-in-history");
    }
    assert_eq!(connection.ask("DELETE", TEA, &[], b"").status, 204);
    connection.ask("DELETE", TEA, &[], b"").assert_problem(404, "not-in-history");
    assert_eq!(shop.records().len(), 3, "only the one removal was written");
    connection.ask("DELETE", &format!("{TEA}?limit=1"), &[], b"").assert_problem(400, "unknown-parameter");
    connection.ask("DELETE", "/v1/users/user-1/history/", &[], b"").assert_problem(404, "unknown-path");
}

#[test]
fn a_view_from_the_future_is_removed_too() {
    let shop = Shop::open();
    let ahead = now_ms() + 60_000;
    shop.happened([viewed("user-1", "tea", ahead)]);
    assert_eq!(shop.connect().ask("DELETE", TEA, &[], b"").status, 204);
    assert!(shop.get("/v1/users/user-1/history").products().is_empty());
    assert!(matches!(shop.records().last(), Some(Record::Removal { at, .. }) if *at == ahead));
}

#[test]
fn what_a_user_does_after_a_removal_and_an_erasure_counts_though_the_service_clock_is_ahead() {
    // As after a restart: the clock begins at the latest time that may have been answered.
    let shop = Shop::guarded(patient(), Start { clock_ahead_ms: 60_000, ..Start::default() });
    for target in [TEA, "/v1/users/user-1"] {
        shop.happened([viewed("user-1", "tea", now_ms())]);
        assert!(matches!(shop.connect().ask("DELETE", target, &[], b"").status, 200 | 204), "{target}");
        let (Record::Removal { at, .. } | Record::Erasure { at, .. }) = shop.records().pop().unwrap() else {
            panic!("{target} is written")
        };
        crate::shop::eventually(|| now_ms() > at);
        shop.happened([viewed("user-1", "tea", now_ms())]);
        assert_eq!(shop.get("/v1/users/user-1/history").products(), ["tea"], "{target}");
    }
}

#[test]
fn a_body_on_a_removal_does_no_harm() {
    let shop = Shop::open();
    shop.happened([viewed("user-1", "tea", now_ms())]);
    assert_eq!(shop.connect().ask("DELETE", TEA, &[("content-type", "application/json")], b"{}").status, 204);
}

#[test]
fn a_removal_can_follow_a_write() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    let event = br#"{"userid":"user-1","productid":"tea"}"#;
    let token = connection.ask("POST", "/v1/events", &[], event).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(connection.ask("DELETE", &format!("{TEA}?after={token}"), &[], b"").status, 204);
}

#[test]
fn nothing_is_promised_that_is_not_so() {
    let settings = short(|settings| (settings.wait_ms_max, settings.intake_timeout_ms) = (5_000, 100));
    let shop = Shop::with(settings);
    shop.happened([viewed("user-1", "tea", now_ms())]);
    let mut connection = shop.connect();
    for (mood, slug) in
        [(Mood::Down, "intake-unavailable"), (Mood::Silent, "intake-timeout"), (Mood::Lost, "removal-not-visible-yet")]
    {
        shop.writer.set(mood);
        connection.ask("DELETE", TEA, &[], b"").assert_problem(503, slug);
        assert_eq!(connection.get("/v1/users/user-1/history").products(), ["tea"]);
    }
    shop.writer.set(Mood::Well);
    assert_eq!(connection.ask("DELETE", TEA, &[], b"").status, 204);
}
