//! Writes: each action, its conditions and refusals, all or nothing, and requests that are repeated.

use vitrine_store::{
    Action, Condition, FAULTS_MAX, Kind, Refusal, Repeatable, StoreError, UnknownIds, Write, WriteRequest,
};

use crate::{NOW, act, create, on_every_home, on_every_home_with, put, wait};

const LAMP: &str =
    r#"{"product_id":"lamp","name":"Lamp","price":"12.5","attributes":{"watts":5,"deep":{"a":1,"b":2}}}"#;

#[test]
fn a_row_is_created_once_replaced_patched_and_deleted() {
    on_every_home(|home| {
        let written = home.done(create(Kind::Products, LAMP));
        assert!(written.rows[0].created && written.change > 0);
        let json = home.json(Kind::Products, "lamp");
        assert_eq!((json["price"].as_str(), json["available"].as_bool()), (Some("12.50"), Some(true)));
        assert_eq!(home.refused(create(Kind::Products, LAMP)), Refusal::Present);

        let patch = |text: &str| act(Kind::Products, "lamp", Action::Patch(text.as_bytes().to_vec()));
        let next = home.done(patch(r#"{"price":9,"name":null,"attributes":{"deep":{"a":null}}}"#));
        assert!(next.change > written.change && !next.rows[0].created);
        let json = home.json(Kind::Products, "lamp");
        assert_eq!(json["price"], "9.00");
        assert!(json.get("name").is_none());
        assert_eq!(json["attributes"], serde_json::json!({"watts":5,"deep":{"b":2}}));
        for (wrong, field) in [
            (r#"{"price":1e3}"#, "price"),
            (r#"{"price":"1.234"}"#, "price"),
            (r#"{"prise":1}"#, "prise"),
            (r#"{"product_id":"other"}"#, "product_id"),
            (r#"{"product_id":null}"#, "product_id"),
            ("[]", ""),
        ] {
            let Refusal::Invalid(faults) = home.refused(patch(wrong)) else { panic!("{wrong}") };
            assert_eq!(faults[0].field, field, "{wrong}: {faults:?}");
        }
        assert_eq!(home.json(Kind::Products, "lamp"), json, "a refused patch changes nothing");

        assert!(!home.done(put(Kind::Products, r#"{"product_id":"lamp"}"#)).rows[0].created);
        assert!(home.json(Kind::Products, "lamp").get("price").is_none());
        assert_eq!(home.done(act(Kind::Products, "lamp", Action::Delete)).rows[0].stored, None);
        assert_eq!(home.get(Kind::Products, "lamp"), None);
        assert_eq!(home.refused(act(Kind::Products, "lamp", Action::Delete)), Refusal::Absent);
        assert_eq!(home.refused(patch("{}")), Refusal::Absent);
    });
}

#[test]
fn a_condition_holds_or_the_row_stays() {
    on_every_home(|home| {
        let with = |condition: Condition| Write { condition, ..put(Kind::Users, r#"{"user_id":"ada","name":"A"}"#) };
        assert_eq!(home.refused(with(Condition::Present)), Refusal::Changed);
        let tag = home.done(put(Kind::Users, r#"{"user_id":"ada"}"#)).rows[0].stored.clone().unwrap().tag;
        assert_eq!(home.refused(with(Condition::Tags(vec!["other".into()]))), Refusal::Changed);
        let after = home.done(with(Condition::Tags(vec!["other".into(), tag.clone()]))).rows[0].stored.clone().unwrap();
        assert_ne!(after.tag, tag);
        assert_eq!(home.refused(with(Condition::Tags(vec![tag]))), Refusal::Changed);
        assert_eq!(home.done(with(Condition::Tags(vec![after.tag.clone()]))).rows[0].stored, Some(after.clone()));
        assert_eq!(home.get(Kind::Users, "ada"), Some(after), "an equal row has an equal tag");
    });
}

#[test]
fn what_is_answered_is_what_is_stored() {
    on_every_home(|home| {
        home.done(put(Kind::Products, r#"{"product_id":"lamp","attributes":{"a":0.0},"embedding":[0.0]}"#));
        for patch in [r#"{"attributes":{"a":-0.0}}"#, r#"{"embedding":[-0.0]}"#] {
            let patch = || Action::Patch(patch.as_bytes().to_vec());
            let answered = home.done(act(Kind::Products, "lamp", patch())).rows[0].stored.clone().unwrap();
            assert_eq!(home.get(Kind::Products, "lamp").as_ref(), Some(&answered));
            let condition = Condition::Tags(vec![answered.tag]);
            home.done(Write { condition, ..act(Kind::Products, "lamp", patch()) });
        }
    });
}

#[test]
fn all_writes_of_a_request_are_done_or_none() {
    on_every_home(|home| {
        home.done(put(Kind::Products, LAMP));
        let writes = vec![
            put(Kind::Products, r#"{"product_id":"bulb"}"#),
            act(Kind::Products, "lamp", Action::Delete),
            create(Kind::Products, r#"{"product_id":"bulb"}"#),
        ];
        let refused = home.write(writes).unwrap_err();
        assert_eq!(refused, StoreError::Refused { index: 2, refusal: Refusal::Present });
        assert!(home.get(Kind::Products, "bulb").is_none() && home.get(Kind::Products, "lamp").is_some());
    });
}

#[test]
fn purchases_have_lines_that_can_be_returned_and_can_be_cancelled() {
    on_every_home(|home| {
        let two = r#"{"purchase_id":"1","user_id":"ada","created_at":"2026-11-01T00:00:00Z",
                     "lines":[{"product_id":"lamp","quantity":2,"price":"1"},{"product_id":"bulb"}]}"#;
        home.done(create(Kind::Purchases, two));
        home.done(act(Kind::Purchases, "1", Action::Return(2)));
        let json = home.json(Kind::Purchases, "1");
        assert_eq!(json["created_at"], "2026-11-01T00:00:00.000Z");
        assert_eq!((&json["lines"][0]["returned"], &json["lines"][1]["returned"]), (&false.into(), &true.into()));
        for line in [0, 3] {
            assert_eq!(home.refused(act(Kind::Purchases, "1", Action::Return(line))), Refusal::NoLine);
        }
        home.done(act(Kind::Purchases, "1", Action::Cancel));
        assert_eq!(home.json(Kind::Purchases, "1")["status"], "cancelled");
        let one = r#"{"purchase_id":"1","user_id":"ada","lines":[{"product_id":"lamp"}]}"#;
        home.done(put(Kind::Purchases, one));
        assert_eq!(home.json(Kind::Purchases, "1")["lines"].as_array().unwrap().len(), 1);
        assert_eq!(home.refused(act(Kind::Purchases, "2", Action::Cancel)), Refusal::Absent);
    });
}

#[test]
fn unknown_ids_are_taken_or_refused_by_setting() {
    on_every_home_with(UnknownIds::Refuse, |home| {
        let purchase = r#"{"purchase_id":"1","user_id":"ada","lines":[{"product_id":"lamp"},{"product_id":"bulb"}]}"#;
        let Refusal::Invalid(faults) = home.refused(put(Kind::Purchases, purchase)) else { panic!("it is taken") };
        let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
        assert_eq!(fields, ["user_id", "lines[0].product_id", "lines[1].product_id"]);
        let lamp = r#"{"product_id":"lamp","category_id":"light"}"#;
        assert!(matches!(home.refused(put(Kind::Products, lamp)), Refusal::Invalid(_)));
        home.done(put(Kind::Categories, r#"{"category_id":"light"}"#));
        home.done(put(Kind::Products, lamp));
        home.done(put(Kind::Products, r#"{"product_id":"bulb"}"#));
        home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
        home.done(put(Kind::Purchases, purchase));
    });
}

#[test]
fn all_rows_of_a_request_that_are_wrong_are_named() {
    on_every_home_with(UnknownIds::Refuse, |home| {
        let refused = home.write(vec![
            put(Kind::Categories, r#"{"category_id":"light","parent_id":"none"}"#),
            put(Kind::Categories, r#"{"category_id":"lamps","parent_id":"light"}"#),
            put(Kind::Users, r#"{"user_id":"ada"}"#),
            put(Kind::Products, r#"{"product_id":"lamp","category_id":"none"}"#),
        ]);
        let Err(StoreError::Invalid(rows)) = refused else { panic!("{refused:?}") };
        let found: Vec<(usize, &str)> = rows.iter().map(|(index, faults)| (*index, &*faults[0].field)).collect();
        assert_eq!(found, [(0, "parent_id"), (3, "category_id")]);
        assert!(home.get(Kind::Users, "ada").is_none(), "nothing is written");
        let product = |number| put(Kind::Products, &format!(r#"{{"product_id":"{number}","category_id":"none"}}"#));
        let refused = home.write((0..150).map(product).collect());
        assert!(matches!(&refused, Err(StoreError::Invalid(rows)) if rows.len() == FAULTS_MAX), "{refused:?}");
    });
}

#[test]
fn a_repeated_request_has_one_effect_and_one_answer_for_a_day() {
    const DAY_MS: i64 = 86_400_000;
    on_every_home(|home| {
        let request = |fingerprint: &str, now: i64| {
            let repeatable = Some(Repeatable { key: "k".into(), fingerprint: fingerprint.into() });
            let writes = vec![create(Kind::Products, LAMP)];
            wait(home.store.write(WriteRequest { writes, repeatable, now }))
        };
        let first = request("a", NOW).unwrap();
        home.done(act(Kind::Products, "lamp", Action::Delete));
        let again = request("a", NOW + DAY_MS - 1).unwrap();
        assert!(again.replayed && again.rows == first.rows && again.change >= first.change);
        // A home with a log of its own remembers the number too.
        assert!(home.followed.is_none() || again.change == first.change);
        assert!(home.get(Kind::Products, "lamp").is_none(), "it is not created again");
        assert_eq!(request("b", NOW), Err(StoreError::KeyReused));
        let later = request("b", NOW + DAY_MS).unwrap();
        assert!(!later.replayed && home.get(Kind::Products, "lamp").is_some());
    });
}

#[test]
fn a_refused_request_is_not_remembered() {
    on_every_home(|home| {
        home.done(put(Kind::Products, LAMP));
        let request = || {
            let repeatable = Some(Repeatable { key: "k".into(), fingerprint: "a".into() });
            wait(home.store.write(WriteRequest { writes: vec![create(Kind::Products, LAMP)], repeatable, now: NOW }))
        };
        assert!(matches!(request(), Err(StoreError::Refused { refusal: Refusal::Present, .. })));
        home.done(act(Kind::Products, "lamp", Action::Delete));
        assert!(!request().unwrap().replayed);
    });
}

#[test]
fn ids_are_bytes() {
    on_every_home(|home| {
        // The second and third differ only in their normal form.
        let ids = ["a/b", "caf\u{e9}", "cafe\u{301}", "100%", "🪔", " x", "A", "a", "'; DROP TABLE users; --"];
        for id in ids {
            let json = serde_json::json!({"user_id": id, "name": id}).to_string();
            assert!(home.done(put(Kind::Users, &json)).rows[0].created, "{id}");
        }
        for id in ids {
            assert_eq!(home.json(Kind::Users, id)["name"], id);
        }
    });
}
