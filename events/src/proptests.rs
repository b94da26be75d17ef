//! Properties of decoding on made-up input: it never panics, refuses with a reason, and reads back what is written.

use std::borrow::Cow;

use dataflow::time::Millis;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

const NOW: Millis = 1_800_000_000_000;

/// Valid lines of every shape, the seeds of the mutations.
const SEEDS: [&str; 7] = [
    r#"{"event":"ProductView","messageid":"5b8e6f0e","userid":"user-120","properties":{"productid":"product-393"},"context":{"source":"mobile-app"},"timestamp":1731000000.123}"#,
    r#"{"event":"ProductRemoved","messageid":"…","userid":"user-120","properties":{"productid":"product-393"},"timestamp":"1731000000123"}"#,
    r#"{"user_id":120,"product_id":393,"event_type":"view","timestamp":"2026-11-20T10:15:00Z","metadata":{"page_url":"/p/393","time_on_page_ms":5400,"n":[5400,-1,1e5,null,true]}}"#,
    r#"{ "user_id": 120, "product_id": "p", "event_type": "view", "timestamp": 1731000000123, "metadata": {"n": [1, 2.5, true]} }"#,
    r#"{"user_id":"a\"\u00e9\ud83d\ude00","product_id":-393,"event_type":"purchase","timestamp":1731000000}"#,
    r#"{"user_id":7,"event_type":"purchase","items":[{"product_id":393,"quantity":2},{"product_id":"p"}],"metadata":{"order_id":"o-7"},"event_id":"e","timestamp":1731000000}"#,
    r#"{"user_id":7,"event_type":"search","message_id":8,"timestamp":1731000000}"#,
];

/// Texts that are likely to matter when they land inside an event.
const SPLICES: [&str; 33] = [
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "1e300",
    "NaN",
    "0.1",
    "18446744073709551616",
    "\"timestamp\":",
    "\"event\":",
    "\"event_type\":\"view\",",
    "\"properties\":",
    "\"metadata\":",
    "\"metadata\":{\"order_id\":1},",
    "\"time_on_page_ms\":",
    "\"answer_id\":",
    "\"context\":",
    "\"context\":{\"source\":7},",
    "\"\"",
    "\\ud800",
    "\\ude00",
    "\"\\ud800\":1,",
    "\u{feff}",
    "\u{0}",
    "é",
];

fn decoded(payload: &[u8]) -> Result<Event<'_>, Malformed> {
    decode(payload, Some(NOW.into()), &TimeBounds::around(NOW))
}

/// Checks any outcome: an event keeps the rules, a refusal has a reason and repeats nothing of the payload.
fn check_outcome(payload: &[u8]) {
    match decoded(payload) {
        Ok(event) => {
            let products = event.product.iter().chain(event.items.iter().map(|item| &item.product));
            assert_eq!(products.clone().next().is_none(), event.kind == EventKind::Search);
            assert!(products.chain([&event.user]).all(|id| (1..=256).contains(&id.len())));
            assert!(event.at + TimeBounds::PAST_MAX_DEFAULT >= NOW);
            let latest = if event.kind == EventKind::Removal { NOW + TimeBounds::FUTURE_MAX_DEFAULT } else { NOW };
            assert!(event.at <= latest);
        }
        Err(malformed) => {
            assert!(!malformed.reason().is_empty() && !malformed.to_string().is_empty());
            let whole = matches!(malformed.reason(), "too_large" | "not_utf8" | "not_json" | "not_an_object");
            assert_eq!(malformed.field().is_none(), whole);
            let letter = DeadLetter::new("views", 0, 0, malformed.into(), payload);
            serde_json::from_str::<Value>(&letter.to_json()).expect("a dead letter is JSON");
        }
    }
    check_core(payload);
    let Ok(text) = std::str::from_utf8(payload) else { return };
    check_quick(text);
    if let Ok(restamped) = restamp(text, NOW - 1) {
        let fields = RawFields::parse(restamped.as_bytes()).expect("a restamped line is JSON");
        assert_eq!(time::read(&Scalar::of(fields.get(Field::Timestamp))), Ok(Some(NOW - 1)));
    }
}

/// The quick pass is a shortcut, and so are templates: with and without them a payload has the same fields.
fn check_quick(text: &str) {
    let plain = RawFields::parse_any(text);
    assert_eq!(RawFields::parse(text.as_bytes()), plain, "{text}");
    let mut decoder = Decoder::default();
    // Templates of other lines first, and then of this one.
    SEEDS.iter().for_each(|seed| assert_eq!(fields(&mut decoder, seed), RawFields::parse_any(seed)));
    (0..2).for_each(|_| assert_eq!(fields(&mut decoder, text), plain, "{text}"));
    // Lines that look alike: all values of the learned line are others.
    let alike = text.replace("user", "\u{e9}").replace('7', "0").replace("view", "").replace('1', "-1");
    assert_eq!(fields(&mut decoder, &alike), RawFields::parse_any(&alike), "{alike}");
    assert_eq!(fields(&mut decoder, text), plain, "{text}");
}

fn fields<'a>(decoder: &mut Decoder, text: &'a str) -> Result<RawFields<'a>, Malformed> {
    let mut fields = RawFields::default();
    decoder.read(text, &mut fields).map(|()| fields)
}

/// The core of an event is its part of the same names, and what is refused is refused for the same reason.
fn check_core(payload: &[u8]) {
    let record = RawRecord { stream: "views", partition: 0, offset: 0, time: Some(NOW.into()), payload };
    let core = decoded(payload).map(|event| {
        let Event { kind, user, product, items, rule, at, stated, session, metadata, .. } = event;
        EventCore { kind, user, product, items, rule, at, stated, session, metadata }
    });
    assert_eq!(Decoder::default().decode_core(&record, &TimeBounds::around(NOW)), core);
}

#[derive(Clone, Debug)]
enum Mutation {
    Byte(usize, u8),
    Insert(usize, usize),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(place, byte)| Mutation::Byte(place, byte)),
        (any::<usize>(), 0..SPLICES.len()).prop_map(|(place, splice)| Mutation::Insert(place, splice)),
        (any::<usize>(), 1..20_usize).prop_map(|(place, length)| Mutation::Remove(place, length)),
        (any::<usize>(), 1..60_usize).prop_map(|(place, length)| Mutation::Repeat(place, length)),
    ]
}

fn mutate(payload: &mut Vec<u8>, mutation: &Mutation) {
    let place = |any: usize, payload: &Vec<u8>| any % (payload.len() + 1);
    match *mutation {
        Mutation::Byte(any, byte) => {
            let place = place(any, payload);
            if let Some(old) = payload.get_mut(place) {
                *old = byte;
            }
        }
        Mutation::Insert(any, splice) => {
            let place = place(any, payload);
            payload.splice(place..place, SPLICES[splice].bytes());
        }
        Mutation::Remove(any, length) => {
            let place = place(any, payload);
            payload.drain(place..(place + length).min(payload.len()));
        }
        Mutation::Repeat(any, length) => {
            let place = place(any, payload);
            let again = payload[place..(place + length).min(payload.len())].to_vec();
            payload.splice(place..place, again);
        }
    }
}

/// Values of every type, whole or wrong, for the fields of an event.
fn value() -> impl Strategy<Value = Value> {
    let texts = ["", "view", "ProductView", "ProductRemoved", "purchase", "u", "1731000000.5", "2026-11-20T10:15:00Z"];
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..texts.len()).prop_map(move |index| Value::from(texts[index])),
        ".{0,300}".prop_map(Value::from),
        Just(serde_json::json!({"productid": 7, "timestamp": 1})),
        Just(serde_json::json!([{"productid": [[]]}])),
        Just(serde_json::json!({"time_on_page_ms": 5, "order_id": "o", "deep": [[[[[[[1]]]]]]]})),
        Just(serde_json::json!({"order_id": 7, "deep": [[[[[[[[[1]]]]]]]]]})),
        Just(serde_json::json!([{"product_id": 7, "quantity": 2}, {"product_id": "p"}])),
    ]
}

const NAMES: [&str; 12] = [
    "event",
    "event_type",
    "event_id",
    "userid",
    "user_id",
    "properties",
    "metadata",
    "product_id",
    "productid",
    "items",
    "timestamp",
    "extra",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn arbitrary_bytes_are_decoded_or_refused(payload in prop::collection::vec(any::<u8>(), 0..300)) {
        check_outcome(&payload);
    }

    #[test]
    fn mutated_events_are_decoded_or_refused(
        seed in 0..SEEDS.len(),
        mutations in prop::collection::vec(mutation(), 0..5),
    ) {
        let mut payload = SEEDS[seed].as_bytes().to_vec();
        for mutation in &mutations {
            mutate(&mut payload, mutation);
        }
        check_outcome(&payload);
    }

    #[test]
    fn fields_of_any_type_in_any_order_are_decoded_or_refused(
        fields in prop::collection::vec((0..NAMES.len(), value()), 0..10),
    ) {
        let fields: Vec<String> =
            fields.iter().map(|(name, value)| format!("\"{}\":{value}", NAMES[*name])).collect();
        check_outcome(format!("{{{}}}", fields.join(",")).as_bytes());
    }

    #[test]
    fn numbers_are_the_same_with_and_without_the_quick_pass(number in "[0-9]{1,20}(\\.[0-9]{0,18})?") {
        check_quick(&format!(r#"{{"timestamp":{number},"user_id":{number},"extra":{number}}}"#));
    }

    #[test]
    fn written_lines_are_read_back(
        user in "\\PC{1,60}|[\\x00-\\x7f]{1,200}",
        product in "\\PC{1,60}|[\\x00-\\x7f]{1,200}",
        at in NOW - TimeBounds::PAST_MAX_DEFAULT..=NOW,
    ) {
        let [id, by, of] = ["m", &*user, &*product].map(Cow::Borrowed);
        let (id, of, items) = (Some(id), Some(of), Vec::new());
        let expected = Event { kind: EventKind::View, id, user: by, product: of, items, at, stated: Some(at), session: None, time_on_page_ms: None, metadata: "", order: None, answer: None, device: Some("web".into()), rule: None };
        let view = view_json(&user, &product, at, "m", "web");
        prop_assert_eq!(decoded(view.as_bytes()), Ok(expected.clone()));
        let removal = removal_json(&user, &product, at, "m");
        prop_assert_eq!(decoded(removal.as_bytes()), Ok(Event { kind: EventKind::Removal, device: None, ..expected }));
    }

    #[test]
    fn time_is_the_same_in_every_form(at in NOW - TimeBounds::PAST_MAX_DEFAULT..=NOW) {
        let rfc3339 = chrono::DateTime::from_timestamp_millis(at as i64).expect("within chrono's years").to_rfc3339();
        let seconds = format!("{}.{:03}", at / 1000, at % 1000);
        for form in [seconds.clone(), format!("\"{seconds}\""), at.to_string(), format!("\"{at}\""), format!("\"{rfc3339}\"")] {
            let line = format!(r#"{{"event_type":"view","user_id":1,"product_id":2,"timestamp":{form}}}"#);
            prop_assert_eq!(decoded(line.as_bytes()).map(|event| event.at), Ok(at), "{}", form);
        }
    }

    #[test]
    fn integer_ids_are_their_decimal_text(user in any::<i64>(), product in any::<u64>()) {
        let line = format!(r#"{{"event_type":"view","user_id":{user},"product_id":{product}}}"#);
        let event = decoded(line.as_bytes()).expect("integers are ids");
        prop_assert_eq!((event.user.as_ref(), event.product.as_deref()), (&*user.to_string(), Some(&*product.to_string())));
    }

    #[test]
    fn restamping_changes_nothing_but_the_time(seed in 0..SEEDS.len(), at in NOW - TimeBounds::PAST_MAX_DEFAULT..=NOW) {
        let line = SEEDS[seed];
        let restamped = restamp(line, at).expect("the seeds are well formed");
        let (before, after) = (decoded(line.as_bytes()), decoded(restamped.as_bytes()));
        prop_assert_eq!(before.map(|event| Event { at, stated: Some(at), ..event }), after);
        let [mut before, mut after] =
            [line, &restamped].map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
        before["timestamp"] = Value::Null;
        after["timestamp"] = Value::Null;
        prop_assert_eq!(before, after);
    }
}
