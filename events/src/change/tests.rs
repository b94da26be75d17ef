//! The changes that records make, of all kinds of events, with and without features.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::Ids;
use dataflow::rules::KeyNames;
use dataflow::source_status::{SourceRegistry, SourceView};

use super::*;
use crate::TimeBounds;

const NOW: Millis = 1_800_000_000_000;

/// A reader of events, with and without features.
struct Reader {
    dictionary: Arc<Dictionary>,
    keys: KeyCache,
    registry: SourceRegistry,
    used: EventUse,
    /// Of the event that was read last.
    identity: Option<(IdentityKey, Millis)>,
    session: Option<SessionEvent>,
    metadata: Vec<KeyValue>,
}

impl Reader {
    fn new(features: bool, purchases: bool) -> Self {
        let dictionary = Arc::new(Dictionary::new(Ids::new([0; 16])));
        Reader {
            keys: KeyCache::new(dictionary.clone()),
            dictionary,
            registry: SourceRegistry::default(),
            used: EventUse {
                features,
                purchases,
                identities: features,
                metadata: if features { KeyNames::of(&["device", "n"]) } else { KeyNames::NONE },
            },
            identity: None,
            session: None,
            metadata: Vec::new(),
        }
    }

    fn read(&mut self, payload: &str) -> Result<Vec<EventChange>, Box<DeadLetter>> {
        let time = Some(NOW.into());
        let record = RawRecord { stream: "views", partition: 3, offset: 7, time, payload: payload.as_bytes() };
        let (event, status) = (record.decode(&TimeBounds::around(NOW)), self.registry.source("events"));
        let changes = EventChanges::of(&record, event, &self.used, &mut self.keys, &status)?;
        (self.identity, self.session, self.metadata) = (changes.identity, changes.session, changes.metadata);
        Ok(changes.first.into_iter().chain(changes.more).collect())
    }

    fn change(&self, kind: EventKind, product: &str) -> EventChange {
        let (user, product) = (self.dictionary.user("ada"), self.dictionary.product(product).unwrap());
        EventChange { user, product, at: NOW, kind, time_on_page_ms: None, order: None }
    }

    fn status(&self) -> SourceView {
        self.registry.snapshot().pop().expect("there is one source")
    }
}

const OTHERS: [EventKind; 5] =
    [EventKind::AddToCart, EventKind::Click, EventKind::Purchase, EventKind::RemoveFromCart, EventKind::Search];
const REMOVAL: &str = r#"{"event":"ProductRemoved","userid":"ada","properties":{"productid":"lamp"}}"#;

fn event(kind: EventKind) -> String {
    format!(r#"{{"event_type":"{}","user_id":"ada","product_id":"lamp"}}"#, kind.name())
}

#[test]
fn without_features_views_and_removals_change_histories_and_all_else_is_counted() {
    let mut reader = Reader::new(false, false);
    assert_eq!(reader.read(&event(EventKind::View)), Ok(vec![reader.change(EventKind::View, "lamp")]));
    assert_eq!(reader.read(REMOVAL), Ok(vec![reader.change(EventKind::Removal, "lamp")]));
    for kind in OTHERS {
        assert_eq!(reader.read(&event(kind).replace("lamp", "never named")), Ok(vec![]));
    }
    assert_eq!(reader.dictionary.products_len(), 1);
    let letter = reader.read("{}").expect_err("it is no event");
    assert_eq!((&*letter.stream, letter.partition, letter.offset, letter.reason), ("views", 3, 7, "missing_field"));
    let SourceView { ignored, rejected, .. } = reader.status();
    assert_eq!(ignored.into_iter().collect::<Vec<_>>(), OTHERS.map(|kind| (kind.name(), 1)));
    assert_eq!(rejected.into_iter().collect::<Vec<_>>(), [("missing_field", 1)]);
}

#[test]
fn an_erasure_changes_what_is_known_of_its_user_and_has_no_repeats() {
    for features in [false, true] {
        let mut reader = Reader::new(features, false);
        let erasure = EventChange { product: ProductKey::NONE, ..reader.change(EventKind::Erasure, "lamp") };
        assert_eq!(reader.read(&crate::erasure_json("ada", NOW, "m")), Ok(vec![erasure]));
        assert_eq!(reader.identity, None);
    }
}

#[test]
fn with_features_every_event_changes_something() {
    let mut reader = Reader::new(true, false);
    for kind in [EventKind::View, EventKind::AddToCart, EventKind::Click, EventKind::Purchase] {
        assert_eq!(reader.read(&event(kind)), Ok(vec![reader.change(kind, "lamp")]));
    }
    assert_eq!(reader.read(REMOVAL), Ok(vec![reader.change(EventKind::Removal, "lamp")]));
    let search = EventChange { product: ProductKey::NONE, ..reader.change(EventKind::Search, "lamp") };
    assert_eq!(reader.read(&event(EventKind::Search)), Ok(vec![search]));
    let view = r#"{"event_type":"view","user_id":"ada","product_id":"lamp","metadata":{"time_on_page_ms":5400.7}}"#;
    let timed = EventChange { time_on_page_ms: Some(5400), ..reader.change(EventKind::View, "lamp") };
    assert_eq!(reader.read(view), Ok(vec![timed]));
    let items = r#"{"event_type":"purchase","user_id":"ada","items":[{"product_id":"cup"},{"product_id":"tea"}]}"#;
    assert_eq!(reader.read(items), Ok(["cup", "tea"].map(|id| reader.change(EventKind::Purchase, id)).to_vec()));
    assert!(reader.status().ignored.is_empty());
}

#[test]
fn purchases_that_count_have_the_order_they_name_or_one_of_their_own() {
    let mut reader = Reader::new(false, true);
    let ids = reader.dictionary.clone();
    let mut orders = |more: &str| -> Vec<Option<OrderKey>> {
        let line = format!(r#"{{"event_type":"purchase","user_id":"ada","product_id":"cup"{more}}}"#);
        reader.read(&line).unwrap().into_iter().map(|change| change.order).collect()
    };
    assert_eq!(orders(r#","metadata":{"order_id":"o-9"},"event_id":"e""#), [Some(ids.order("o-9"))]);
    let by_id = orders(r#","event_id":"e""#);
    assert_eq!(by_id, orders(r#","event_id":"e","timestamp":1799999999"#));
    assert_ne!(by_id, orders(r#","event_id":"f""#));
    let alike = orders(r#","timestamp":1799999999"#);
    assert_eq!(alike, orders(r#","timestamp":1799999999"#));
    assert_ne!(alike, orders(r#","timestamp":1799999998"#));
    let items = orders(r#","items":[{"product_id":"cup"},{"product_id":"tea"}],"timestamp":1799999999"#);
    assert!(items.len() == 2 && items[0] == items[1] && items[0] != alike[0]);
    assert_eq!(reader.read(&event(EventKind::Click)), Ok(vec![]));
    assert_eq!(reader.read(&event(EventKind::View)), Ok(vec![reader.change(EventKind::View, "lamp")]));
}

#[test]
fn a_view_opens_a_page_in_its_session_unless_it_says_for_how_long() {
    let mut reader = Reader::new(true, false);
    let (ids, lamp) = (reader.dictionary.clone(), reader.dictionary.product("lamp").unwrap());
    let mut session = |kind: &str, more: &str| {
        let line = format!(r#"{{"event_type":"{kind}","user_id":"ada","product_id":"lamp"{more}}}"#);
        reader.read(&line).unwrap();
        reader.session
    };
    let event = |at, page| Some(SessionEvent { session: ids.row([&b"s"[..]]), at, recorded: NOW, page });
    assert_eq!(session("view", r#","session_id":"s""#), event(NOW, lamp));
    let early = r#","session_id":"s","timestamp":1799999999"#;
    assert_eq!(session("view", early), event(NOW - 1000, lamp));
    let timed = r#","session_id":"s","metadata":{"time_on_page_ms":7}"#;
    assert_eq!(session("view", timed), event(NOW, ProductKey::NONE));
    assert_eq!(session("click", r#","session_id":"s""#), event(NOW, ProductKey::NONE));
    assert_eq!(session("view", ""), None);
    let mut off = Reader::new(false, true);
    off.read(r#"{"event_type":"view","user_id":"ada","product_id":"lamp","session_id":"s"}"#).unwrap();
    assert_eq!(off.session, None);
}

#[test]
fn events_of_every_type_have_the_values_of_their_metadata_once() {
    let mut reader = Reader::new(true, false);
    let mut metadata = |line: &str| {
        reader.read(line).unwrap();
        let text = |(key, value): &KeyValue| format!("{}={}", key.as_str(), value.as_str());
        reader.metadata.iter().map(text).collect::<Vec<_>>()
    };
    let object = r#""metadata":{"device":"app","page":"/p","n":3}"#;
    for kind in OTHERS.iter().chain([&EventKind::View]) {
        let line = format!(r#"{{"event_type":"{}","user_id":"ada","product_id":"lamp",{object}}}"#, kind.name());
        assert_eq!(metadata(&line), ["device=app", "n=3"]);
    }
    let items = format!(
        r#"{{"event_type":"purchase","user_id":"ada","items":[{{"product_id":"cup"}},{{"product_id":"tea"}}],{object}}}"#
    );
    assert_eq!(metadata(&items), ["device=app", "n=3"]);
    assert!(metadata(&event(EventKind::View)).is_empty());
    let mut off = Reader::new(false, true);
    off.read(&format!(r#"{{"event_type":"view","user_id":"ada","product_id":"lamp",{object}}}"#)).unwrap();
    assert!(off.metadata.is_empty());
}

#[test]
fn the_identity_is_the_id_or_else_what_the_event_states() {
    let mut reader = Reader::new(true, false);
    let mut identity = |kind: &str, more: &str| {
        let line = format!(r#"{{"event_type":"{kind}","user_id":"ada","product_id":"cup"{more}}}"#);
        reader.read(&line).unwrap();
        reader.identity.map(|(identity, at)| (at == NOW).then_some(identity).expect("it is the record's time"))
    };
    assert_eq!(identity("view", ""), None);
    let by_id = identity("view", r#","event_id":7"#);
    assert_eq!(by_id, identity("click", r#","messageid":"7","timestamp":1799999999"#));
    assert_ne!(by_id, identity("view", r#","event_id":8"#));
    let stated = r#","timestamp":1799999999"#;
    let all = [
        by_id,
        identity("view", stated),
        identity("click", stated),
        identity("view", r#","timestamp":1799999998"#),
        identity("view", &format!(r#"{stated},"session_id":"s""#)),
        identity("view", &stated.replace(",", r#","product_id":"tea","#)),
        identity("view", &stated.replace(",", r#","user_id":"ben","#)),
    ];
    assert!(all.iter().all(Option::is_some));
    for (at, one) in all.iter().enumerate() {
        assert!(!all[..at].contains(one), "{at}");
    }
    assert_eq!(all[1], identity("view", stated));
    reader.read(REMOVAL).unwrap();
    assert_eq!(reader.identity, None);
}

/// What an observer has seen: the user, the products, the order if they were bought, the answer, the device.
type Seen = (UserKey, Vec<ProductKey>, Option<OrderKey>, Option<String>, Option<String>);

#[derive(Default)]
struct Recorder(std::sync::Mutex<Vec<Seen>>, std::sync::Mutex<Vec<UserKey>>);

impl EventObserver for Recorder {
    fn read(&self, event: &ReadEvent<'_>) {
        let text = |text: Option<&str>| text.map(str::to_owned);
        assert_eq!(event.order.is_some(), event.signal == Signal::Purchase);
        let seen = (event.user, event.products.to_vec(), event.order, text(event.answer), text(event.device));
        self.0.lock().unwrap().push(seen);
    }

    fn erased(&self, user: UserKey) {
        self.1.lock().unwrap().push(user);
    }
}

#[test]
fn an_observer_sees_what_users_do_with_known_products_whichever_events_are_used() {
    let recorder = Arc::new(Recorder::default());
    let mut reader = Reader::new(false, false);
    reader.registry = SourceRegistry::observed_by(recorder.clone());
    let ids = reader.dictionary.clone();
    let [lamp, cup] = ["lamp", "cup"].map(|id| ids.product(id).unwrap());
    let ada = ids.user("ada");
    reader.read(&event(EventKind::View).replace('}', r#","context":{"source":"web"}}"#)).unwrap();
    reader.read(&event(EventKind::Click).replace('}', r#","answer_id":"kT3Z"}"#)).unwrap();
    let items = r#"{"event_type":"purchase","user_id":"ada","items":[{"product_id":"cup"},{"product_id":"new"}]}"#;
    reader.read(items).unwrap();
    let named = r#"{"event_type":"purchase","user_id":"ada","product_id":"cup","metadata":{"order_id":"o-1"}}"#;
    reader.read(named).unwrap();
    reader.read(&event(EventKind::Search)).unwrap();
    reader.read(REMOVAL).unwrap();
    reader.read("{}").unwrap_err();
    let text = |text: &str| Some(text.to_owned());
    let seen = recorder.0.lock().unwrap().clone();
    let own = seen[2].2.filter(|order| *order != ids.order("o-1"));
    assert!(own.is_some(), "a purchase that names no order has one of its own");
    let expected: [Seen; 4] = [
        (ada, vec![lamp], None, None, text("web")),
        (ada, vec![lamp], None, text("kT3Z"), None),
        (ada, vec![cup], own, None, None),
        (ada, vec![cup], Some(ids.order("o-1")), None, None),
    ];
    assert_eq!(seen, expected);
    assert!(recorder.1.lock().unwrap().is_empty());
}
