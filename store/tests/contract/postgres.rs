//! The home in PostgreSQL: whose tables it writes, other tools and other processes beside it, and a server that is away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::postgres::{Server, connect, execute};
use harness::wait_until;
use vitrine_store::{
    Action, Kind, Refusal, Repeatable, Settings, Store, StoreError, UnknownIds, WriteRequest, Written,
};

use crate::import::{ids, import, request};
use crate::{Home, NOW, act, create, database, put, store_in, wait};

const SOON: Duration = Duration::from_secs(120);

fn managed() -> Settings {
    Settings { manage: true, ..Settings::default() }
}

fn write(store: &impl Store, json: &str) -> Result<Written, StoreError> {
    let writes = vec![put(Kind::Products, json)];
    wait(store.write(WriteRequest { writes, repeatable: None, now: NOW }))
}

fn elsewhere(error: StoreError) -> String {
    match error {
        StoreError::Elsewhere(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tables_are_made_and_written_only_with_leave() {
    let url = database();
    let reading = store_in(&url, Settings::default());
    assert!(elsewhere(write(&reading, r#"{"product_id":"lamp"}"#).unwrap_err()).contains("store.manage"));
    assert!(elsewhere(wait(reading.get(Kind::Products, "lamp".into())).unwrap_err()).contains("no tables"));
    let rows = connect(&url).query("SELECT FROM pg_tables WHERE schemaname = 'public'", &[]).unwrap();
    assert!(rows.is_empty(), "nothing was made");

    let managing = store_in(&url, managed());
    write(&managing, r#"{"product_id":"lamp","price":"3"}"#).unwrap();
    // The reading store looks at the tables again.
    wait_until(SOON, "the row is read", || {
        wait(reading.get(Kind::Products, "lamp".into())).is_ok_and(|row| row.is_some())
    });
    wait_until(SOON, "the writer looks again", || {
        elsewhere(write(&reading, r#"{"product_id":"lamp"}"#).unwrap_err()).contains("`store.manage` is false")
    });
    drop(managing);
    let again = store_in(&url, managed());
    assert!(wait(again.get(Kind::Products, "lamp".into())).unwrap().is_some(), "a second start keeps the rows");
}

#[test]
fn the_shops_own_tables_are_never_written() {
    let url = database();
    execute(&url, "CREATE TABLE products (product_id text PRIMARY KEY, category_id text)");
    let store = store_in(&url, managed());
    let reason = elsewhere(write(&store, r#"{"product_id":"lamp"}"#).unwrap_err());
    assert!(reason.contains("table products is the shop's own"), "{reason}");
    let rows = connect(&url).query("SELECT FROM pg_tables WHERE schemaname = 'public'", &[]).unwrap();
    assert_eq!(rows.len(), 1, "nothing was made");
    execute(&url, "DROP TABLE products");
    wait_until(SOON, "the tables are made", || write(&store, r#"{"product_id":"lamp"}"#).is_ok());
}

#[test]
fn what_other_tools_write_is_read_and_wrong_values_are_refused() {
    let home = Home::postgres(UnknownIds::Take);
    home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
    let mut tool = connect(home.url());
    tool.batch_execute(
        r#"INSERT INTO products (product_id, price, attributes, embedding) VALUES ('lamp', 1.50, '{"b": 1.0, "a": "\u0000"}', '{0.1,2}');
           INSERT INTO orders (order_id, user_id, created_at) VALUES ('1', 'ada', '2026-11-01 01:02:03.0045+00');
           INSERT INTO order_items (order_id, line, product_id) VALUES ('1', 7, 'lamp')"#,
    )
    .unwrap();
    let json = home.json(Kind::Products, "lamp");
    assert_eq!((json["price"].as_str(), json["attributes"]["a"].as_str()), (Some("1.50"), Some("\0")));
    assert_eq!(json["embedding"], serde_json::json!([0.1, 2.0]));
    assert_eq!(home.json(Kind::Purchases, "1")["created_at"], "2026-11-01T01:02:03.005Z");
    home.done(act(Kind::Purchases, "1", Action::Return(1)));
    assert_eq!(home.json(Kind::Purchases, "1")["lines"].as_array().unwrap().len(), 1);
    home.done(act(Kind::Purchases, "1", Action::Delete));
    let lines = tool.query("SELECT FROM order_items", &[]).unwrap();
    assert!(lines.is_empty(), "the lines go with their order");
    for wrong in [
        "INSERT INTO products (product_id, price) VALUES ('x', 'NaN')",
        "INSERT INTO products (product_id, price) VALUES ('x', -1)",
        "INSERT INTO products (product_id, attributes) VALUES ('x', '[]')",
        "INSERT INTO orders (order_id, user_id, status) VALUES ('x', 'ada', 'lost')",
        "INSERT INTO orders (order_id, user_id, created_at) VALUES ('x', 'ada', 'infinity')",
        "INSERT INTO order_items (order_id, line, product_id) VALUES ('x', 1, 'lamp')",
    ] {
        assert!(tool.execute(wrong, &[]).is_err(), "{wrong}");
    }
}

#[test]
fn a_row_that_a_tool_changes_at_the_same_time_is_written_after_it() {
    let home = Home::postgres(UnknownIds::Take);
    home.done(put(Kind::Products, r#"{"product_id":"lamp"}"#));
    let mut tool = connect(home.url());
    let mut changing = tool.transaction().unwrap();
    changing.execute("UPDATE products SET name = 'Lamp', category_id = 'light'", &[]).unwrap();
    changing.execute("INSERT INTO products (product_id) VALUES ('bulb')", &[]).unwrap();
    std::thread::scope(|scope| {
        let patched = scope
            .spawn(|| home.write_at_last(|| act(Kind::Products, "lamp", Action::Patch(br#"{"price":"1"}"#.to_vec()))));
        let mut watching = connect(home.url());
        let waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        wait_until(SOON, "the patch waits", || watching.query(waits, &[]).unwrap().len() == 1);
        let created = scope.spawn(|| home.write_at_last(|| create(Kind::Products, r#"{"product_id":"bulb"}"#)));
        changing.commit().unwrap();
        patched.join().unwrap().unwrap();
        let refused = created.join().unwrap().unwrap_err();
        assert_eq!(refused, StoreError::Refused { index: 0, refusal: Refusal::Present });
    });
    let json = home.json(Kind::Products, "lamp");
    assert_eq!((json["name"].as_str(), json["price"].as_str()), (Some("Lamp"), Some("1.00")));
}

#[test]
fn a_row_that_a_tool_adds_during_an_import_is_the_one_of_the_file() {
    let home = Home::postgres(UnknownIds::Take);
    home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
    let mut tool = connect(home.url());
    let mut adding = tool.transaction().unwrap();
    adding
        .batch_execute(
            "INSERT INTO orders (order_id, user_id) VALUES ('2', 'eve');
             INSERT INTO order_items (order_id, line, product_id) VALUES ('2', 1, 'bulb')",
        )
        .unwrap();
    std::thread::scope(|scope| {
        let file = "order_id,customer,product\n1,ada,lamp\n2,ada,lamp\n3,ada,lamp\n";
        let importing = scope.spawn(|| import(&home, &request(Kind::Purchases), file));
        let mut watching = connect(home.url());
        let waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        wait_until(SOON, "the import waits", || watching.query(waits, &[]).unwrap().len() == 1);
        adding.commit().unwrap();
        let report = importing.join().unwrap();
        assert!(report.written && report.bad == 0, "{report:?}");
    });
    assert_eq!(ids(&home, Kind::Purchases), ["1", "2", "3"]);
    let json = home.json(Kind::Purchases, "2");
    assert_eq!((json["user_id"].as_str(), json["lines"][0]["product_id"].as_str()), (Some("ada"), Some("lamp")));
}

#[test]
fn a_row_that_a_tool_deletes_at_the_same_time_is_waited_for() {
    let home = Home::postgres(UnknownIds::Refuse);
    home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
    home.done(put(Kind::Products, r#"{"product_id":"lamp"}"#));
    let mut tool = connect(home.url());
    for (changes, end, is_there) in [
        ("DELETE FROM products", "ROLLBACK", true),
        ("DELETE FROM products; INSERT INTO products (product_id) VALUES ('lamp')", "COMMIT", true),
        ("DELETE FROM products", "COMMIT", false),
    ] {
        tool.batch_execute(&format!("BEGIN; {changes}")).unwrap();
        std::thread::scope(|scope| {
            let purchase = r#"{"purchase_id":"1","user_id":"ada","lines":[{"product_id":"lamp"}]}"#;
            let writing = scope.spawn(|| home.write_at_last(|| create(Kind::Purchases, purchase)));
            let mut watching = connect(home.url());
            let waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
            wait_until(SOON, "the purchase waits", || watching.query(waits, &[]).unwrap().len() == 1);
            tool.batch_execute(end).unwrap();
            match writing.join().unwrap() {
                Ok(_) => assert!(is_there, "{changes}; {end}"),
                Err(StoreError::Refused { index: 0, refusal: Refusal::Invalid(faults) }) => {
                    assert_eq!((faults.len(), &*faults[0].field, is_there), (1, "lines[0].product_id", false));
                }
                Err(other) => panic!("{other:?}"),
            }
        });
        if is_there {
            home.done(act(Kind::Purchases, "1", Action::Delete));
        }
    }
}

#[test]
fn two_processes_keep_the_rules_between_rows() {
    let url = database();
    let stores = [store_in(&url, managed()), store_in(&url, managed())];
    std::thread::scope(|scope| {
        for (at, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..20 {
                    // One process makes b a part of a, the other one a a part of b.
                    let (child, parent) = if at == 0 { ("b", "a") } else { ("a", "b") };
                    let json = format!(r#"{{"category_id":"{child}{round}","parent_id":"{parent}{round}"}}"#);
                    let writes = vec![put(Kind::Categories, &json)];
                    let done = wait(store.write(WriteRequest { writes, repeatable: None, now: NOW }));
                    let is_cycle = done == Err(StoreError::Refused { index: 0, refusal: Refusal::Cycle });
                    assert!(done.is_ok() || is_cycle, "{done:?}");
                    let repeatable = Some(Repeatable { key: format!("k{round}"), fingerprint: "f".into() });
                    let writes = vec![create(Kind::Users, &format!(r#"{{"user_id":"{round}"}}"#))];
                    wait(store.write(WriteRequest { writes, repeatable, now: NOW })).unwrap();
                }
            });
        }
    });
    let circles =
        "SELECT FROM categories a JOIN categories b ON a.parent_id = b.category_id AND b.parent_id = a.category_id";
    assert!(connect(&url).query(circles, &[]).unwrap().is_empty());
}

#[test]
fn what_was_acknowledged_outlives_a_server_that_is_killed() {
    let mut server = Server::start();
    let store = store_in(&server.url(), managed());
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let killed = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut done = Vec::new();
                for number in 0.. {
                    let id = format!("{round} {number}");
                    match write(&store, &format!(r#"{{"product_id":"{id}"}}"#)) {
                        Ok(_) => done.push(id),
                        Err(StoreError::Unavailable(_) | StoreError::Unsure(_)) => {
                            // After a start the server is reached again within a moment.
                            if killed.load(Ordering::SeqCst) {
                                return done;
                            }
                        }
                        Err(other) => panic!("{other:?}"),
                    }
                }
                done
            });
            let mut client = server.client();
            let count = "SELECT count(*) FROM products WHERE product_id LIKE $1";
            let like = format!("{round} %");
            wait_until(SOON, "rows are written", || {
                client.query_one(count, &[&like]).is_ok_and(|row| row.get::<_, i64>(0) > 20)
            });
            killed.store(true, Ordering::SeqCst);
            server.kill9();
            acknowledged.extend(writing.join().unwrap());
        });
        server.restart();
    }
    for id in &acknowledged {
        wait_until(SOON, "the server is reached again", || wait(store.get(Kind::Products, id.clone())).is_ok());
        assert!(wait(store.get(Kind::Products, id.clone())).unwrap().is_some(), "{id} is lost");
    }
}

#[test]
fn a_database_that_takes_no_writes_says_why() {
    let home = Home::postgres(UnknownIds::Take);
    home.done(put(Kind::Products, r#"{"product_id":"lamp"}"#));
    let mut tool = connect(home.url());
    tool.batch_execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$;
                        CREATE TRIGGER full_disk BEFORE INSERT ON order_items FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .unwrap();
    let purchase = r#"{"purchase_id":"1","user_id":"ada","lines":[{"product_id":"lamp"}]}"#;
    let failed = home.write(vec![put(Kind::Users, r#"{"user_id":"ada"}"#), put(Kind::Purchases, purchase)]);
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert!(
        home.get(Kind::Users, "ada").is_none() && home.get(Kind::Purchases, "1").is_none(),
        "nothing is half-written"
    );
    home.done(put(Kind::Products, r#"{"product_id":"bulb"}"#));
}
