//! Random histories against a plain map: the same rows, and the same state for one who follows the changes as for one who
//! reads all.

use std::collections::BTreeMap;

use proptest::prelude::*;
use vitrine_store::{Action, Filter, Followed, Kind, ListRequest, TableRow};

use crate::{act, on_every_home, put, wait};

#[derive(Clone, Debug)]
enum Step {
    Product(u8, Option<u8>, bool),
    Purchase(u8, u8, Vec<(u8, bool)>, bool),
    Delete(bool, u8),
    Follow,
}

fn step() -> impl Strategy<Value = Step> {
    let lines = prop::collection::vec((0..4_u8, any::<bool>()), 1..4);
    prop_oneof![
        (0..5_u8, prop::option::of(0..3_u8), any::<bool>())
            .prop_map(|(id, category, for_sale)| Step::Product(id, category, for_sale)),
        (0..5_u8, 0..3_u8, lines, any::<bool>())
            .prop_map(|(id, user, lines, off)| Step::Purchase(id, user, lines, off)),
        (any::<bool>(), 0..5_u8).prop_map(|(is_product, id)| Step::Delete(is_product, id)),
        Just(Step::Follow),
    ]
}

/// The row as JSON, as it must come back.
fn json(step: &Step) -> Option<(Kind, String, serde_json::Value)> {
    match step {
        Step::Product(id, category, for_sale) => {
            let mut json = serde_json::json!({"product_id": format!("p{id}"), "available": for_sale});
            if let Some(category) = category {
                json["category_id"] = format!("c{category}").into();
            }
            Some((Kind::Products, format!("p{id}"), json))
        }
        Step::Purchase(id, user, lines, off) => {
            let line = |(product, returned): &(u8, bool)| serde_json::json!({"product_id": format!("p{product}"), "quantity": 1, "returned": returned});
            let json = serde_json::json!({
                "purchase_id": format!("o{id}"), "user_id": format!("u{user}"), "created_at": "2026-11-01T00:00:00.000Z",
                "status": if *off { "cancelled" } else { "placed" }, "lines": lines.iter().map(line).collect::<Vec<_>>(),
            });
            Some((Kind::Purchases, format!("o{id}"), json))
        }
        _ => None,
    }
}

/// The table rows by what they are rows of.
fn apply(state: &mut BTreeMap<String, TableRow>, row: TableRow) {
    let (key, gone) = match &row {
        TableRow::Category { category, now } => (format!("c {category}"), now.is_none()),
        TableRow::Product { product, now } => (format!("p {product}"), now.is_none()),
        TableRow::Order { order, now } => (format!("o {order}"), now.is_none()),
        TableRow::Line { order, line, now } => (format!("l {order} {line}"), now.is_none()),
    };
    if gone {
        state.remove(&key)
    } else {
        state.insert(key, row)
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_store_is_a_map_and_its_changes_lead_to_its_state(steps in prop::collection::vec(step(), 1..40)) {
        on_every_home(|home| {
            let mut rows = BTreeMap::new();
            let mut follower = home.followed.as_ref().map(|home| home.follow().unwrap());
            let mut followed = BTreeMap::new();
            let mut last = follower.as_mut().map_or(0, |follower| follower.read_all(0, &mut |_| {}).unwrap());
            for step in steps.iter().chain([&Step::Follow]) {
                match (step, json(step)) {
                    (_, Some((kind, id, json))) => {
                        home.done(put(kind, &json.to_string()));
                        rows.insert((kind.name(), id), json);
                    }
                    (Step::Delete(is_product, id), _) => {
                        let (kind, id) = if *is_product { (Kind::Products, format!("p{id}")) } else { (Kind::Purchases, format!("o{id}")) };
                        let done = home.write(vec![act(kind, &id, Action::Delete)]);
                        assert_eq!(done.is_ok(), rows.remove(&(kind.name(), id)).is_some());
                    }
                    _ => {
                        let Some(follower) = &mut follower else { continue };
                        match follower.read_changes(last, &mut |row| apply(&mut followed, row)).unwrap() {
                            Followed::UpTo(number) => last = number,
                            other => assert_eq!(other, Followed::Unchanged),
                        }
                    }
                }
            }
            for kind in [Kind::Products, Kind::Purchases] {
                let request = ListRequest { kind, after: None, limit: 100, filter: Filter::default() };
                let found: Vec<serde_json::Value> = wait(home.store.list(request)).unwrap().iter()
                    .map(|row| serde_json::from_str(&row.json()).unwrap()).collect();
                let expected: Vec<_> = rows.iter().filter(|((of, _), _)| *of == kind.name()).map(|(_, json)| json.clone()).collect();
                assert_eq!(found, expected);
            }
            if let Some(home) = &home.followed {
                let mut read = BTreeMap::new();
                home.follow().unwrap().read_all(0, &mut |row| apply(&mut read, row)).unwrap();
                assert_eq!(followed, read);
            }
        });
    }
}
