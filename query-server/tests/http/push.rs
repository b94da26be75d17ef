//! Lists that are sent again whenever they change.

use std::sync::Arc;

use dataflow::rules::Rules;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use vitrine_query_server::{Access, Key, Scope, Settings};

use crate::access::key;
use crate::client::{Answer, Connection};
use crate::shop::{Shop, Start, bought, eventually, now_ms, patient, product, short, viewed};

/// An event of a stream.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

/// A client of a stream, with the list, or the rows of features, that its events make.
pub(crate) struct Follower {
    connection: Connection,
    pub(crate) list: Vec<Value>,
}

impl Follower {
    pub(crate) fn ask(shop: &Shop, target: &str, headers: &[(&str, &str)]) -> (Answer, Follower) {
        Follower::ask_on(shop.connect(), target, headers)
    }

    fn ask_on(mut connection: Connection, target: &str, headers: &[(&str, &str)]) -> (Answer, Follower) {
        let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        connection.send(format!("GET {target} HTTP/1.1\r\nhost: shop\r\n{fields}\r\n"));
        let answer = connection.head().unwrap();
        (answer, Follower { connection, list: Vec::new() })
    }

    /// A stream whose first event is waited for.
    pub(crate) fn open(shop: &Shop, target: &str, headers: &[(&str, &str)]) -> (Follower, Event) {
        let (answer, mut follower) = Follower::ask(shop, target, headers);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/event-stream")), "{}", answer.head);
        let retry = String::from_utf8(follower.connection.until(b"\n\n").unwrap()).unwrap();
        assert!(retry.contains("retry: 1000\n"), "{retry}");
        let event = follower.next().unwrap();
        (follower, event)
    }

    /// The next event; comments are skipped. None at the end.
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            let text = String::from_utf8(self.connection.until(b"\n\n")?).unwrap();
            let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let Some(name) = field("event: ") else { continue };
            let data: Value = serde_json::from_str(&field("data: ").unwrap()).unwrap();
            let event = Event { name, id: field("id: ").unwrap_or_default(), data };
            self.apply(&event);
            return Some(event);
        }
    }

    fn apply(&mut self, event: &Event) {
        let rows = |value: &Value| value.as_array().unwrap().clone();
        match &*event.name {
            "snapshot" => {
                let list = &event.data["list"];
                self.list = rows(list.get("products").unwrap_or(&list["rows"]));
            }
            "change" if event.data.get("rows").is_some() => {
                for row in rows(&event.data["rows"]) {
                    let held = self.list.iter_mut().find(|held| held["user-id"] == row["user-id"]);
                    *held.expect("the row of a user that is followed") = row;
                }
            }
            "change" => {
                let removed = rows(&event.data["removed"]);
                self.list.retain(|row| !removed.contains(row));
                for placed in rows(&event.data["placed"]) {
                    let at = usize::try_from(placed["at"].as_u64().unwrap()).unwrap();
                    self.list.insert(at, placed["product"].clone());
                }
            }
            _ => {}
        }
    }

    /// Takes events until they make this list.
    fn reaches(&mut self, shop: &Shop, target: &str) {
        let list = shop.get(target).json()["products"].as_array().unwrap().clone();
        while self.list != list {
            self.next().expect("the stream goes on");
        }
    }
}

fn quick() -> Shop {
    Shop::with(short(|settings| settings.push_interval_ms = 1))
}

#[test]
fn a_history_is_sent_once_and_then_its_changes() {
    let shop = quick();
    let start = now_ms() - 1_000_000;
    shop.happened((0..5).map(|number| viewed("ada", &format!("p{number}"), start + number)));
    let (mut follower, first) = Follower::open(&shop, "/v1/stream/users/ada/history", &[]);
    assert_eq!((&*first.name, &first.data["reason"]), ("snapshot", &"start".into()));
    assert_eq!(first.data["list"]["user-id"], "ada");
    assert_eq!(first.data["list"]["products"], shop.get("/v1/users/ada/history").json()["products"]);
    assert!(first.id.starts_with(first.data["list"]["as_of"].as_str().unwrap()));
    shop.happened([viewed("ada", "new", start + 100)]);
    let change = follower.next().unwrap();
    assert_eq!((&*change.name, &change.data["removed"]), ("change", &serde_json::json!([])));
    assert_eq!(change.data["placed"], serde_json::json!([{"at": 0, "product": "new"}]));
    // Products come, come again and go, also those of other users.
    for round in 0..60 {
        let product = format!("p{}", round * 7 % 17);
        shop.happened([viewed("ada", &product, start + 200 + round), viewed("bea", "other", start + round)]);
        if round % 10 == 0 {
            follower.reaches(&shop, "/v1/users/ada/history");
        }
    }
    shop.connect().ask("DELETE", "/v1/users/ada/history/new", &[], b"");
    follower.reaches(&shop, "/v1/users/ada/history");
    assert_eq!(follower.list.len(), 10);
}

#[test]
fn best_sellers_and_recommendations_are_followed() {
    let shop = quick();
    shop.happened([product("tea", "drinks"), product("cup", "pots"), viewed("ada", "tea", now_ms())]);
    let (mut all, _) = Follower::open(&shop, "/v1/stream/bestsellers?limit=3", &[]);
    let (mut drinks, _) = Follower::open(&shop, "/v1/stream/bestsellers?category=drinks", &[]);
    let (mut for_ada, _) = Follower::open(&shop, "/v1/stream/users/ada/recommendations", &[]);
    for buyers in 1..4 {
        shop.happened(bought("tea", buyers));
        shop.happened(bought("cup", buyers));
        all.reaches(&shop, "/v1/bestsellers?limit=3");
        drinks.reaches(&shop, "/v1/categories/drinks/bestsellers");
        for_ada.reaches(&shop, "/v1/users/ada/recommendations");
    }
    assert!(all.list.len() == 2 && drinks.list.len() == 1 && drinks.list[0]["buyers"].as_u64() > Some(0));
    let refused = |target: &str| Follower::ask(&shop, target, &[]).0.status;
    assert_eq!(refused("/v1/stream/bestsellers?category=none"), 404);
    assert_eq!(refused("/v1/stream/bestsellers?category="), 400);
    assert_eq!(refused("/v1/stream/users/ada/history?category=drinks"), 400);
    assert_eq!(refused("/v1/stream/users/ada/history?limit=11"), 400);
}

#[test]
fn a_client_that_comes_back_goes_on_or_is_told_that_the_list_has_changed() {
    let shop = quick();
    shop.happened([viewed("ada", "tea", now_ms())]);
    let target = "/v1/stream/users/ada/history";
    let (_, first) = Follower::open(&shop, target, &[]);
    // Time goes on, and the list stays.
    let as_of = |shop: &Shop| shop.get("/v1/users/ada/history").json()["as_of"].clone();
    let before = as_of(&shop);
    eventually(|| as_of(&shop) != before);
    let (mut follower, resumed) = Follower::open(&shop, target, &[("last-event-id", &first.id)]);
    assert_eq!(resumed.name, "resumed");
    follower.list = vec!["tea".into()];
    shop.happened([viewed("ada", "cup", now_ms())]);
    assert_eq!(follower.next().unwrap().name, "change");
    follower.reaches(&shop, "/v1/users/ada/history");
    for id in [&*first.id, "nonsense", ""] {
        let (_, again) = Follower::open(&shop, target, &[("last-event-id", id)]);
        assert_eq!((&*again.name, &again.data["reason"]), ("snapshot", &"changed".into()), "{id}");
    }
}

/// A connection whose client takes few bytes before it reads.
fn narrow(shop: &Shop) -> Connection {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(32 << 10).unwrap();
    socket.connect(&shop.address.into()).unwrap();
    Connection::over(socket.into())
}

/// The system would hold megabytes of events for a client that does not read.
#[test]
fn a_client_that_does_not_read_gets_few_old_events_before_the_present_list() {
    // What the client and the system hold, what is written at a time, and some events: less than the changes below.
    const OLD_BYTES_MAX: usize = 512 << 10;
    let settings = short(|settings| (settings.push_interval_ms, settings.write_timeout_ms) = (1, 600_000));
    let shop = Shop::with_rules(settings, Rules { list_size: 100, ..Rules::default() }, 1);
    let (target, start, name) = ("/v1/stream/users/ada/history", now_ms() - 1_000_000, "x".repeat(200));
    let (answer, mut stalled) = Follower::ask_on(narrow(&shop), target, &[]);
    assert_eq!(answer.status, 200, "{}", answer.head);
    let (mut reading, _) = Follower::open(&shop, target, &[]);
    let (mut changed_bytes, mut round) = (0, 0);
    while changed_bytes < 3 * OLD_BYTES_MAX {
        round += 1;
        let at = start + round;
        shop.happened((0..100).map(|number| viewed("ada", &format!("{round}-{number}-{name}"), at)));
        let present = shop.get("/v1/users/ada/history").json()["products"].as_array().unwrap().clone();
        while reading.list != present {
            changed_bytes += reading.next().expect("the stream goes on").data.to_string().len();
        }
    }
    let mut old_bytes = 0;
    loop {
        let event = stalled.next().expect("the stream goes on");
        if stalled.list == reading.list {
            break;
        }
        old_bytes += event.data.to_string().len();
    }
    assert!(old_bytes < OLD_BYTES_MAX, "{old_bytes} bytes of old events");
}

#[test]
fn silence_has_heartbeats_and_readers_are_bounded() {
    let mut shop = Shop::with(short(|settings| {
        (settings.push_interval_ms, settings.push_heartbeat_ms, settings.readers_max) = (1, 20, 1);
    }));
    let (mut follower, _) = Follower::open(&shop, "/v1/stream/bestsellers", &[]);
    for _ in 0..3 {
        let comment = String::from_utf8(follower.connection.until(b"\n\n").unwrap()).unwrap();
        assert!(comment.lines().any(|line| line.starts_with(':')), "{comment}");
    }
    assert_eq!(Follower::ask(&shop, "/v1/stream/users/ada/history", &[]).0.status, 503);
    assert!(shop.get("/metrics").text().contains("vitrine_http_readers 1.0\n"));
    drop(follower);
    eventually(|| shop.get("/metrics").text().contains("vitrine_http_readers 0.0\n"));
    let (mut follower, _) = Follower::open(&shop, "/v1/stream/bestsellers", &[]);
    shop.end();
    assert!(follower.next().is_none(), "the server's end ends the stream");
}

#[test]
fn a_stream_ends_with_its_key() {
    let (token, own) = key(1, &[Scope::Read]);
    let access = Arc::new(Access::with_keys(vec![own.clone()]));
    let settings = Settings { push_interval_ms: 1, ..patient() };
    let shop = Shop::guarded(settings, Start { access: Some(access.clone()), ..Start::default() });
    let target = "/v1/stream/bestsellers";
    assert_eq!(Follower::ask(&shop, target, &[]).0.status, 401);
    let (mut follower, _) = Follower::open(&shop, target, &[("x-api-key", token.expose())]);
    access.replace(vec![Key { origins: vec!["https://shop.example".into()], ..own }]);
    let end = follower.next().unwrap();
    assert_eq!((&*end.name, &end.data["type"]), ("end", &"urn:vitrine:problem:wrong-origin".into()));
    follower.connection.until(b"0\r\n\r\n").expect("the answer is complete");
}

#[test]
fn a_user_of_another_process_is_followed_there() {
    let [one, other] = Shop::pair();
    let user = one.user_elsewhere();
    other.happened([viewed(&user, "lamp", now_ms())]);
    let (mut follower, first) = Follower::open(&one, &format!("/v1/stream/users/{user}/history"), &[]);
    assert_eq!(first.data["list"]["products"], serde_json::json!(["lamp"]));
    other.happened([viewed(&user, "tea", now_ms())]);
    follower.reaches(&other, &format!("/v1/users/{user}/history"));
    assert_eq!(follower.list.len(), 2);
}
