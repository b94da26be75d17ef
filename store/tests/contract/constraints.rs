//! Constraints that the shop has added to the tables: only the request that would break one is refused, whatever other
//! requests share its transaction.

use harness::postgres::{connect, execute};
use rusqlite::Connection;
use vitrine_store::{Kind, Refusal, StoreError, UnknownIds, WriteRequest};

use crate::{Home, NOW, Place, on_every_home, put, wait};

/// The lock of writers of the tables in PostgreSQL.
const LOCK: i64 = 0x0076_6974_7269_6e65;

/// Products whose requests wait together.
const REQUESTS: usize = 40;

/// Runs a statement as another tool does.
pub(crate) fn run(home: &Home, sql: &str) {
    match &home.place {
        Place::Url(url) => execute(url, sql),
        Place::Dir(dir) => Connection::open(dir.path().join("store.db")).unwrap().execute_batch(sql).unwrap(),
    }
}

/// Calls `queue` while no transaction can begin: what it queues shares transactions afterwards.
fn while_writers_wait<R>(home: &Home, queue: impl FnOnce() -> R) -> R {
    match &home.place {
        Place::Url(url) => {
            let mut tool = connect(url);
            tool.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).unwrap();
            queue()
        }
        Place::Dir(dir) => {
            let tool = Connection::open(dir.path().join("store.db")).unwrap();
            tool.execute_batch("BEGIN IMMEDIATE").unwrap();
            queue()
        }
    }
}

fn product(number: usize, name: &str) -> String {
    format!(r#"{{"product_id":"{number}","name":"{name}"}}"#)
}

/// Many products are written at the same time, every fourth of them with a name that is taken.
#[track_caller]
fn only_the_rows_that_break_it_are_refused(home: &Home) {
    home.done(put(Kind::Products, &product(REQUESTS, "taken")));
    let answers = while_writers_wait(home, || {
        let write = |number| {
            let name = if number % 4 == 1 { "taken".to_owned() } else { format!("name {number}") };
            // The second write of the request is at fault.
            let writes = vec![put(Kind::Users, r#"{"user_id":"ada"}"#), put(Kind::Products, &product(number, &name))];
            home.store.write(WriteRequest { writes, repeatable: None, now: NOW })
        };
        (0..REQUESTS).map(write).collect::<Vec<_>>()
    });
    for (number, answer) in answers.into_iter().enumerate() {
        let answer = wait(answer);
        if number % 4 == 1 {
            let Err(StoreError::Refused { refusal: Refusal::Constraint(reason), .. }) = &answer else {
                panic!("{number}: {answer:?}")
            };
            assert!(reason.contains("name") && !reason.contains("taken"), "{reason}");
        } else {
            answer.unwrap();
        }
        assert_eq!(home.get(Kind::Products, &number.to_string()).is_some(), number % 4 != 1, "{number}");
    }
}

#[test]
fn a_unique_index_refuses_one_request_of_many() {
    on_every_home(|home| {
        home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
        run(home, "CREATE UNIQUE INDEX products_by_name ON products (name)");
        only_the_rows_that_break_it_are_refused(home);
    });
}

#[test]
fn a_constraint_that_is_checked_at_the_commit_refuses_one_request_of_many() {
    let home = Home::postgres(UnknownIds::Take);
    home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
    run(&home, "ALTER TABLE products ADD CONSTRAINT one_name UNIQUE (name) DEFERRABLE INITIALLY DEFERRED");
    only_the_rows_that_break_it_are_refused(&home);
}
