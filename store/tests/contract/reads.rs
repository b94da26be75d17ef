//! Pages: every row once, in the order of ids, with filters.

use vitrine_store::{Filter, Kind, ListRequest, Row};

use crate::{Home, on_every_home, put, wait};

fn ids(home: &Home, kind: Kind, after: Option<&str>, limit: usize, filter: Filter) -> Vec<String> {
    let request = ListRequest { kind, after: after.map(str::to_owned), limit, filter };
    wait(home.store.list(request)).unwrap().iter().map(|row| row.id().to_owned()).collect()
}

#[test]
fn pages_hold_every_row_once_in_the_order_of_ids() {
    on_every_home(|home| {
        let mut expected: Vec<String> =
            (0..25).map(|number| format!("p{number}")).chain(["é".into(), "Z".into()]).collect();
        for id in &expected {
            home.done(put(Kind::Products, &serde_json::json!({ "product_id": id }).to_string()));
        }
        expected.sort();
        for limit in [1, 4, 27, 100] {
            let mut found: Vec<String> = Vec::new();
            loop {
                let page = ids(home, Kind::Products, found.last().map(String::as_str), limit, Filter::default());
                if page.is_empty() {
                    break;
                }
                found.extend(page);
            }
            assert_eq!(found, expected, "{limit} a page");
        }
    });
}

#[test]
fn filters_choose_rows() {
    on_every_home(|home| {
        for json in [
            r#"{"product_id":"1","name":"Desk lamp","category_id":"light"}"#,
            r#"{"product_id":"2","name":"desk","available":false}"#,
            r#"{"product_id":"3","name":"De%k","category_id":"light","available":false}"#,
        ] {
            home.done(put(Kind::Products, json));
        }
        for json in [r#"{"category_id":"light","parent_id":"house"}"#, r#"{"category_id":"house","name":"House"}"#] {
            home.done(put(Kind::Categories, json));
        }
        for (id, user) in [("1", "ada"), ("2", "bea")] {
            let json = format!(r#"{{"purchase_id":"{id}","user_id":"{user}","lines":[{{"product_id":"1"}}]}}"#);
            home.done(put(Kind::Purchases, &json));
        }
        let products = |filter: Filter| ids(home, Kind::Products, None, 10, filter);
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(products(Filter { category: text("light"), ..Filter::default() }), ["1", "3"]);
        assert_eq!(products(Filter { prefix: text("DESK"), ..Filter::default() }), ["1", "2"]);
        assert_eq!(products(Filter { prefix: text("de%"), ..Filter::default() }), ["3"]);
        assert_eq!(products(Filter { available: Some(false), ..Filter::default() }), ["2", "3"]);
        let both = Filter { category: text("light"), available: Some(true), ..Filter::default() };
        assert_eq!(products(both), ["1"]);
        let parent = Filter { category: text("house"), ..Filter::default() };
        assert_eq!(ids(home, Kind::Categories, None, 10, parent), ["light"]);
        let user = Filter { user: text("bea"), ..Filter::default() };
        let request = ListRequest { kind: Kind::Purchases, after: None, limit: 10, filter: user };
        let rows = wait(home.store.list(request)).unwrap();
        let [Row::Purchase(purchase)] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((purchase.purchase_id.as_str(), purchase.lines.len()), ("2", 1));
    });
}

#[test]
fn an_id_that_no_row_can_have_names_no_row() {
    on_every_home(|home| {
        home.done(put(Kind::Products, r#"{"product_id":"a","name":"A","category_id":"b"}"#));
        assert_eq!(home.get(Kind::Products, "a\0"), None);
        for filter in [
            Filter { category: Some("b\0".into()), ..Filter::default() },
            Filter { prefix: Some("A\0".into()), ..Filter::default() },
        ] {
            assert_eq!(ids(home, Kind::Products, None, 10, filter), [""; 0]);
        }
        assert_eq!(ids(home, Kind::Products, Some("a\0"), 10, Filter::default()), [""; 0]);
        assert_eq!(ids(home, Kind::Products, Some("\0a"), 10, Filter::default()), ["a"]);
    });
}
