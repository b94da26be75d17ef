//! Operations: probes, metrics, status, the stream and the page.

use dataflow::rules::Rules;
use dataflow::source_status::State;
use dataflow::time::Time;
use serde_json::Value;
use vitrine_query_server::Floor;

use crate::shop::{Shop, Start, bought, eventually, now_ms, product, short, viewed};

#[test]
fn readiness_tells_why_not() {
    let shop = Shop::with(short(|settings| settings.staleness_max_ms = 60_000));
    let mut connection = shop.connect();
    assert_eq!(connection.get("/livez").status, 200);
    eventually(|| connection.get("/readyz").status == 200);
    for (state, reason) in [
        (State::CatchingUp, "catching up"),
        (State::Retrying("broker gone".into()), "broker gone"),
        (State::Stopped("no such table".into()), "no such table"),
    ] {
        shop.source.state(0, state);
        let answer = connection.get("/readyz");
        answer.assert_problem(503, "not-ready");
        assert!(answer.text().contains(reason), "{}", answer.text());
        let status = connection.get("/v1/status").json();
        assert_eq!(status["ready"], false);
        assert!(status["reason"].as_str().unwrap().contains(reason));
        assert_eq!(connection.get("/livez").status, 200);
        assert_eq!(connection.get("/v1/bestsellers").status, 200, "answers go on from what there is");
    }
    shop.source.state(0, State::Live);
    eventually(|| connection.get("/readyz").json()["ready"] == true);
}

#[test]
fn readiness_waits_until_what_was_read_shows() {
    const READ: u64 = 50_000;
    let shop = Shop::open();
    let mut connection = shop.connect();
    shop.source.state(0, State::CatchingUp);
    let before = now_ms() - READ;
    shop.happens((1..=READ).map(|number| viewed("ada", &number.to_string(), before + number)));
    eventually(|| connection.get("/v1/status").json()["events_total"] == READ);
    shop.source.state(0, State::Live);
    eventually(|| connection.get("/readyz").status == 200);
    let history = connection.get("/v1/users/ada/history").json();
    assert_eq!(history["products"][0], READ.to_string(), "{history}");
}

/// What asks for states, each in its own way.
const SHELVES: [&str; 3] = ["/v1/users/ada/history", "/v1/users/ada/recommendations", "/v1/bestsellers"];

fn answers_nothing_until_it_catches_up(floor: Floor, reached: Time) {
    let shop = Shop::again(Start { floor, reached: Some(reached), ..Start::default() });
    shop.source.state(0, State::Live);
    let mut connection = shop.connect();
    for target in SHELVES {
        connection.get(target).assert_problem(503, "catching-up");
    }
    let ready = connection.get("/readyz");
    ready.assert_problem(503, "not-ready");
    assert!(ready.text().contains("before the restart"), "{}", ready.text());
    shop.catches_up();
    for target in SHELVES {
        eventually(|| connection.get(target).status == 200);
    }
    eventually(|| connection.get("/readyz").status == 200);
}

#[test]
fn nothing_older_is_answered_than_before_the_last_start() {
    let now = now_ms();
    answers_nothing_until_it_catches_up(Floor { as_of: now - 500, caught_up: false }, now - 1000);
}

#[test]
fn what_was_complete_before_the_last_start_is_answered_when_it_is_again() {
    let now = now_ms();
    answers_nothing_until_it_catches_up(Floor { as_of: now - 2000, caught_up: true }, now - 1000);
}

#[test]
fn a_start_that_catches_up_answers_from_where_it_was() {
    let now = now_ms();
    let floor = Floor { as_of: now - 2000, caught_up: false };
    let shop = Shop::again(Start { floor, reached: Some(now - 1000), ..Start::default() });
    let mut connection = shop.connect();
    for target in SHELVES {
        eventually(|| connection.get(target).status == 200);
    }
}

#[test]
fn an_older_state_than_is_asked_for_is_not_answered_with() {
    let shop = Shop::again(Start { reached: Some(now_ms() - 60_000), ..Start::default() });
    let mut connection = shop.connect();
    for target in SHELVES {
        let with =
            |most: &str| format!("{target}{}max_staleness_ms={most}", if target.contains('?') { '&' } else { '?' });
        connection.get(&with("59000")).assert_problem(503, "too-old");
        assert_eq!(connection.get(&with("3600000")).status, 200);
    }
    shop.catches_up();
    eventually(|| connection.get("/v1/bestsellers?max_staleness_ms=59000").status == 200);
}

#[test]
fn a_state_too_old_is_not_ready() {
    // Silence closes a tick every 100 ms only, so the state is older than this nearly always.
    let shop = Shop::with(short(|settings| settings.staleness_max_ms = 0));
    let mut connection = shop.connect();
    eventually(|| {
        let answer = connection.get("/readyz");
        answer.status == 503 && answer.text().contains("the newest state shown is as of 2")
    });
}

#[test]
fn the_status_has_its_shape() {
    let shop = Shop::open();
    shop.happened([product("tea", "drinks"), viewed("user-secret", "tea", now_ms())]);
    shop.happened(bought("tea", 3));
    shop.source.ignored("click");
    shop.source.rejected("not JSON");
    let mut connection = shop.connect();
    assert_eq!(connection.get("/livez").status, 200);
    let mut status = Value::Null;
    eventually(|| {
        status = connection.get("/v1/status").json();
        status["categories"] == serde_json::json!(["drinks"]) && status["ready"] == true
    });
    assert_eq!((&status["version"], &status["ready"], &status["workers"]), (&"1.2.3".into(), &true.into(), &1.into()));
    assert_eq!(status["embedded"], serde_json::json!(["log"]));
    let source = &status["sources"][0];
    assert_eq!(
        (&source["name"], &source["state"], &source["reason"]),
        (&"events".into(), &"live".into(), &Value::Null)
    );
    assert_eq!((&source["accepted"], &source["ignored"]["click"]), (&5.into(), &1.into()));
    assert_eq!(
        source["partitions"],
        serde_json::json!([{"stream": "events", "partition": 0, "next": 5, "end": 5, "lag": 0}])
    );
    assert_eq!((&status["events_total"], &status["dead_letters"]["not JSON"]), (&7.into(), &1.into()));
    assert_eq!(status["indexes"]["history"]["rows"], 1);
    for field in ["as_of_ms", "memory_bytes", "ticks_total", "requests_total"] {
        assert!(status[field].as_u64().unwrap() > 0, "{field}");
    }
    assert!(status["uptime_s"].is_u64() && status["as_of"].is_string());
    assert!(!status.to_string().contains("secret"));
}

#[test]
fn rows_that_every_worker_holds_count_once() {
    let shop = Shop::with_rules(short(|_| {}), Rules::default(), 3);
    shop.happened([product("tea", "drinks"), product("mug", "things"), product("pot", "things")]);
    shop.happened([viewed("ada", "tea", now_ms()), viewed("bea", "tea", now_ms()), viewed("cleo", "mug", now_ms())]);
    let mut connection = shop.connect();
    let mut rows = Vec::new();
    // Updates of one row are merged in a while.
    eventually(|| {
        let indexes = connection.get("/v1/status").json()["indexes"].clone();
        rows = ["history", "catalogue", "categories"].map(|index| indexes[index]["rows"].clone()).to_vec();
        rows == [3, 3, 2]
    });
}

#[test]
fn metrics_count_without_ids() {
    let shop = Shop::open();
    shop.happened([viewed("user-secret", "product-secret", now_ms())]);
    shop.source.rejected("not \"JSON\"");
    let mut connection = shop.connect();
    for _ in 0..3 {
        connection.get("/v1/users/user-secret/history");
    }
    connection.get("/nothing");
    let answer = connection.get("/metrics");
    assert!(answer.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text();
    for line in [
        "vitrine_http_requests_total{route=\"history\",status=\"200\"} 3",
        "vitrine_http_requests_total{route=\"none\",status=\"404\"} 1",
        "vitrine_http_request_seconds_count{route=\"history\"} 3",
        "vitrine_http_request_seconds_bucket{le=\"+Inf\",route=\"history\"} 3",
        "vitrine_records_accepted_total{source=\"events\"} 1",
        "vitrine_dead_letters_total{source=\"events\",reason=\"not \\\"JSON\\\"\"} 1",
        "vitrine_lag_records{source=\"events\",stream=\"events\",partition=\"0\"} 0.0",
        "vitrine_source_live{source=\"events\"} 1.0",
        "vitrine_ready 1.0",
        "vitrine_http_connections 1.0",
    ] {
        assert!(text.lines().any(|one| one == line), "{line} is missing from\n{text}");
    }
    for name in
        ["vitrine_as_of_age_seconds", "vitrine_ticks_total", "vitrine_index_updates", "vitrine_resident_memory_bytes"]
    {
        assert!(text.contains(name), "{name}");
    }
    let lag = text.lines().find(|line| line.starts_with("# HELP vitrine_lag_records ")).unwrap();
    assert!(lag.contains("records of Kafka") && lag.contains("bytes of files"), "{lag}");
    assert!(text.ends_with("# EOF\n") && !text.contains("secret"));
}

#[test]
fn the_stream_sends_the_status_until_the_end() {
    let mut shop = Shop::with(short(|settings| (settings.stream_interval_ms, settings.streams_max) = (20, 1)));
    let mut stream = shop.connect();
    stream.send("GET /v1/stream HTTP/1.1\r\nhost: shop\r\n\r\n");
    let head = stream.head().unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert!(String::from_utf8(stream.until(b"\n\n").unwrap()).unwrap().contains("retry: 20\n"));
    for _ in 0..3 {
        stream.until(b"event: status\ndata: ").unwrap();
        let status: Value = serde_json::from_slice(&stream.until(b"\n\n").unwrap()).unwrap();
        assert_eq!(status["ready"], true);
    }
    shop.get("/v1/stream").assert_problem(503, "busy");
    shop.end();
    assert!(stream.until(b"0\r\n\r\n").is_some(), "the stream ends in order");
    assert!(stream.is_closed());
}

#[test]
fn a_stream_is_not_idle_and_its_place_comes_back() {
    let settings = short(|settings| {
        (settings.stream_interval_ms, settings.streams_max, settings.idle_timeout_ms) = (400, 1, 50);
    });
    let shop = Shop::with(settings);
    let mut stream = shop.connect();
    stream.send("GET /v1/stream HTTP/1.1\r\nhost: shop\r\n\r\n");
    for _ in 0..3 {
        stream.until(b"event: status\n").expect("a silent stream is left open");
    }
    drop(stream);
    eventually(|| {
        let head = shop.connect().ask("HEAD", "/v1/stream", &[], b"");
        head.status == 200
    });
}

#[test]
fn the_page_comes_from_here_and_is_not_sent_twice() {
    let shop = Shop::open();
    let mut connection = shop.connect();
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/assets/style.css", "text/css; charset=utf-8"),
        ("/assets/page.js", "text/javascript; charset=utf-8"),
        ("/assets/icon.svg", "image/svg+xml"),
    ] {
        let page = connection.get(path);
        assert_eq!((page.status, page.header("content-type")), (200, Some(media_type)));
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
        let tag = page.header("etag").unwrap().to_owned();
        for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".into()] {
            let again = connection.ask("GET", path, &[("if-none-match", &known)], b"");
            assert_eq!((again.status, again.header("etag")), (304, Some(&*tag)));
        }
        assert_eq!(connection.ask("GET", path, &[("if-none-match", "\"other\"")], b"").body, page.body);
    }
}
