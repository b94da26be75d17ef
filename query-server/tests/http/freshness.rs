//! A source is away: the lists made from it become old and report that, and the other lists stay fresh.

use dataflow::freshness::InputKind;
use dataflow::source_status::State;
use vitrine_query_server::Floor;

use crate::client::Connection;
use crate::shop::{Shop, Start, bought, eventually, now_ms, product, viewed};

const HISTORY: &str = "/v1/users/ada/history";
const SELLERS: &str = "/v1/bestsellers";
const CATEGORY: &str = "/v1/categories/drinks/bestsellers";
const RECOMMENDED: &str = "/v1/users/ada/recommendations";
const LEGACY: &str = "/api/v1/user_history_recommendations/";

/// The time of a list, as text: later ones sort behind.
fn as_of(connection: &mut Connection, target: &str) -> String {
    let answer = connection.get(target);
    assert_eq!(answer.status, 200, "{target}");
    answer.json()["as_of"].as_str().unwrap().to_owned()
}

fn missing(connection: &mut Connection, target: &str) -> Option<String> {
    let user = [("user-id", "ada")];
    connection
        .ask("GET", target, if target == LEGACY { &user } else { &[] }, b"")
        .header("vitrine-missing-sources")
        .map(str::to_owned)
}

#[test]
fn lists_of_a_source_that_is_away_age_and_name_it() {
    let shop = Shop::open();
    shop.source.gives(&[InputKind::Shop]);
    shop.happened([product("tea", "drinks"), viewed("ada", "tea", now_ms())]);
    shop.happened(bought("tea", 3));
    let mut connection = shop.connect();
    let of_the_shop = [SELLERS, CATEGORY, RECOMMENDED];
    for target in of_the_shop.into_iter().chain([HISTORY, LEGACY]) {
        assert_eq!(missing(&mut connection, target), None);
    }
    for turn in 0..2 {
        let before = as_of(&mut connection, SELLERS);
        if turn == 0 {
            // It may come back by itself: that is told, and forgiven for a while.
            shop.source.state(0, State::Retrying("the server is away".into()));
            assert_eq!(missing(&mut connection, SELLERS).as_deref(), Some("events"));
            eventually(|| as_of(&mut connection, SELLERS) > before);
        }
        let state = State::Stopped("another server".into());
        let before = as_of(&mut connection, SELLERS);
        shop.source.state(0, state);
        let fresh = as_of(&mut connection, HISTORY);
        eventually(|| as_of(&mut connection, HISTORY) > fresh);
        let stopped = as_of(&mut connection, SELLERS);
        assert!(stopped >= before, "no time goes back");
        eventually(|| connection.get(&format!("{SELLERS}?max_staleness_ms=100")).status == 503);
        for target in of_the_shop {
            assert_eq!(as_of(&mut connection, target), stopped, "{target}");
            assert_eq!(missing(&mut connection, target).as_deref(), Some("events"), "{target}");
            let old = connection.get(&format!("{target}?max_staleness_ms=100"));
            old.assert_problem(503, "too-old");
            assert!(old.text().contains("lacks what events has"), "{}", old.text());
        }
        assert_eq!(missing(&mut connection, LEGACY).as_deref(), Some("events"));
        assert_eq!(missing(&mut connection, HISTORY), None);
        assert_eq!(connection.get(&format!("{HISTORY}?max_staleness_ms=30000")).status, 200);
        let ready = connection.get("/readyz");
        let message = format!("lists made from events are as of {stopped}");
        assert!(ready.status == 503 && ready.text().contains(&message), "{}", ready.text());
        assert_eq!(connection.get("/v1/status").json()["sources"][0]["heard_until"], stopped);
        // It catches up first, and is as old meanwhile.
        shop.source.state(0, State::CatchingUp);
        assert_eq!(as_of(&mut connection, SELLERS), stopped);
        shop.source.state(0, State::Live);
        eventually(|| as_of(&mut connection, SELLERS) > stopped);
        assert_eq!(missing(&mut connection, SELLERS), None);
        eventually(|| connection.get("/v1/status").json()["sources"][0]["heard_until"].is_null());
    }
}

#[test]
fn before_any_time_is_known_nothing_is_answered() {
    let shop = Shop::again(Start { reached: Some(0), ..Start::default() });
    let mut connection = shop.connect();
    for target in [HISTORY, SELLERS, RECOMMENDED] {
        connection.get(target).assert_problem(503, "starting");
    }
    let response = connection.get("/readyz");
    assert!(response.status == 503 && response.text().contains("no state is ready yet"), "{}", response.text());
    let started = now_ms();
    shop.catches_up();
    eventually(|| connection.get(SELLERS).status == 200);
    let first = connection.get("/v1/status").json()["as_of_ms"].as_u64().unwrap();
    assert!(first + 60_000 >= started, "{first} is long before {started}");
}

#[test]
fn after_a_start_no_list_is_older_than_what_was_answered_before() {
    let floor = Floor { as_of: now_ms() - 100, caught_up: false };
    let shop = Shop::again(Start { floor, ..Start::default() });
    shop.source.gives(&[InputKind::Shop]);
    shop.source.pass_over();
    shop.source.state(0, State::Stopped("another server".into()));
    let mut connection = shop.connect();
    let answer = connection.get(SELLERS);
    assert_eq!(answer.header("vitrine-missing-sources"), Some("events"));
    let as_of = chrono::DateTime::parse_from_rfc3339(answer.json()["as_of"].as_str().unwrap()).unwrap();
    assert!(as_of.timestamp_millis() >= i64::try_from(floor.as_of).unwrap());
}
