//! Tables that somebody has changed: each is refused or put right, and the SQL that is named mends it as it is.

use std::collections::BTreeMap;

use harness::postgres::{self, Server};
use sinks::copies::postgres::Table;
use sinks::copies::{Destination as _, PostgresCopy, Presence, digest};

use super::{TableService, change, read, row};

/// A column `as_of` that was dropped: the SQL brings it back, and the next comparison its values.
pub(super) fn times_that_are_lost_are_put_right(service: &TableService, table: &mut Table) {
    let list = || change("similar/times", vec![row("p-1", None), row("p-2", Some(1.0))]);
    table.write(&[list()]).expect("a list is written");
    postgres::execute(&service.url, "ALTER TABLE lists DROP COLUMN as_of");
    let error = table.begin().expect_err("a column is missing");
    postgres::execute(&service.url, &error.mend().expect("SQL"));
    assert_eq!(read(table)["similar/times"], None, "rows without a time are no list");
    table.write(&[list()]).expect("a list is written");
    assert_eq!(read(table)["similar/times"], Some(digest(&list().rows)));
    let lacking = "SELECT count(*) FROM lists WHERE list = 'similar/times' AND as_of IS NULL";
    let count: i64 = postgres::connect(&service.url).query_one(lacking, &[]).expect("a count").get(0);
    assert_eq!(count, 0);
}

/// A table that lost its key, and then got rows twice.
pub(super) fn rows_that_are_there_twice_are_removed(service: &TableService, table: &mut Table) {
    table.write(&[change("similar/twice", vec![row("p-1", None)])]).expect("a list is written");
    let constraints =
        "SELECT conname::text FROM pg_constraint WHERE conrelid = 'lists'::regclass AND contype IN ('p', 'u')";
    let names = postgres::connect(&service.url).query(constraints, &[]).expect("the table is there");
    assert!(!names.is_empty());
    for name in names {
        postgres::execute(&service.url, &format!("ALTER TABLE lists DROP CONSTRAINT {}", name.get::<_, String>(0)));
    }
    postgres::execute(&service.url, "INSERT INTO lists SELECT * FROM lists; INSERT INTO lists SELECT * FROM lists");
    let error = table.begin().expect_err("the key is missing");
    assert!(error.to_string().contains("(list, position) is not unique"), "{error}");
    postgres::execute(&service.url, &error.mend().expect("SQL"));
    assert_eq!(read(table)["similar/twice"], Some(digest(&[row("p-1", None)])));
}

pub(super) fn a_view_is_no_table(service: &TableService) {
    postgres::execute(&service.url, "CREATE VIEW looked AS SELECT * FROM lists");
    let settings = PostgresCopy { table: Some("looked".into()), ..PostgresCopy::default() };
    let mut view = Table::new(&settings, &service.url).expect("a sound connection string").expect("a table is named");
    let error = view.inspect().expect_err("it is a view");
    assert_eq!(view.begin(), Err(error.clone()));
    assert_eq!(
        error.advice(),
        "looked is a view and cannot hold lists: set `sinks.postgres.table` to the name of a table, or to a name that is not taken"
    );
    postgres::execute(&service.url, "DROP VIEW looked");
}

/// A table without NOT NULL, whose rows lost their list or their position.
pub(super) fn rows_without_a_name_are_removed(server: &Server) {
    let service = TableService::new(server, "loose");
    let unnamed = "INSERT INTO loose VALUES (NULL, 1, 'p', NULL, now()), (NULL, 1, 'p', NULL, now()),
                   (NULL, NULL, 'p', 1, now()), ('bestsellers', NULL, 'p', 1, now())";
    let named = "INSERT INTO loose VALUES ('bestsellers', 1, 'p-1', 12, now()), ('foreign', 1, 'p', NULL, now())";
    let columns = "list text, position integer, product text, value double precision, as_of timestamptz";
    postgres::execute(
        &service.url,
        &format!("CREATE TABLE loose ({columns}, UNIQUE (list, position)); {named}; {unnamed}"),
    );
    let count = || -> i64 {
        let counted = postgres::connect(&service.url).query_one("SELECT count(*) FROM loose", &[]);
        counted.expect("the table is there").get(0)
    };
    let mut table = service.table();
    assert_eq!((table.inspect(), count()), (Ok(Presence::Present), 6), "a check changes nothing");
    let found = read(&mut table);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["bestsellers", "foreign"]);
    assert_eq!(found["bestsellers"], Some(digest(&[row("p-1", Some(12.0))])));
    assert_eq!(count(), 2);
    // Rows that come in between are left out.
    table.begin().expect("the table can be used");
    postgres::execute(&service.url, unnamed);
    let mut page = Vec::new();
    assert_eq!((table.page(&mut page), page.len()), (Ok(false), 2));
    postgres::execute(&service.url, "ALTER TABLE loose DROP COLUMN list");
    let error = table.begin().expect_err("a column is missing");
    postgres::execute(&service.url, &error.mend().expect("SQL"));
    assert_eq!(read(&mut table), BTreeMap::new());
    let unnamed = "INSERT INTO loose (position, product, as_of) VALUES (1, 'p', now())";
    assert!(postgres::connect(&service.url).batch_execute(unnamed).is_err(), "from now on each row has a list");
}

/// A copy of the table `tight`, made with these statements: it is refused, and the SQL that is named mends it.
fn is_mended(service: &TableService, statements: &str, problem: &str) {
    let columns = "list text, position integer, product text, value double precision, as_of timestamptz";
    postgres::execute(&service.url, "DROP TABLE IF EXISTS tight, other CASCADE");
    postgres::execute(&service.url, &statements.replace("COLUMNS", columns));
    let mut table = service.table();
    let error = table.inspect().expect_err(problem);
    assert!(error.to_string().ends_with(problem), "{error}");
    assert_eq!(table.begin(), Err(error.clone()));
    postgres::execute(&service.url, &error.mend().expect("SQL"));
    assert_eq!(table.inspect(), Ok(Presence::Present), "{problem}");
    table.begin().expect("the statements have mended the table");
    let lists =
        ["similar/a", "similar/A", "similar/b"].map(|name| change(name, vec![row("p-1", None), row("p-2", None)]));
    table.write(&lists).expect("lists are written");
    let found = read(&mut table);
    assert_eq!(found.len(), lists.len());
    assert!(lists.iter().all(|list| found[&list.name.to_string()] == Some(digest(&list.rows))), "{problem}");
}

/// A primary key, constraints and indexes that allow too few rows, and columns that only PostgreSQL writes.
pub(super) fn what_refuses_rows_is_dropped(server: &Server) {
    let service = TableService::new(server, "tight");
    let cases = [
        (
            "CREATE TABLE tight (COLUMNS, PRIMARY KEY (list)); CREATE TABLE other (list text REFERENCES tight)",
            "the primary key tight_pkey on (list) refuses rows of lists, (list, position) is not unique",
        ),
        (
            "CREATE TABLE tight (COLUMNS, PRIMARY KEY (list, position), UNIQUE (product))",
            "cannot hold lists: the unique constraint tight_product_key on (product) refuses rows of lists",
        ),
        (
            "CREATE TABLE tight (COLUMNS, PRIMARY KEY (list, position)); \
             CREATE UNIQUE INDEX \"of lists\" ON tight (lower(list), position) WHERE value IS NULL",
            "the unique index public.\"of lists\" on (lower(list), \"position\") refuses rows of lists",
        ),
        (
            "CREATE TABLE tight (COLUMNS, PRIMARY KEY (list, position, value))",
            "the primary key tight_pkey on (list, \"position\", value) refuses rows of lists, (list, position) is not unique",
        ),
        (
            "CREATE TABLE tight (COLUMNS, UNIQUE (list, position) DEFERRABLE)",
            "the unique constraint tight_list_position_key on (list, \"position\") is deferrable, (list, position) is not unique",
        ),
        (
            "CREATE TABLE tight (list integer PRIMARY KEY, product text GENERATED ALWAYS AS ('p' || '1') STORED, \
             position integer GENERATED ALWAYS AS IDENTITY, value double precision NOT NULL, as_of timestamptz)",
            "the primary key tight_pkey on (list) refuses rows of lists, (list, position) is not unique",
        ),
        (
            "CREATE TABLE tight (list text, product text GENERATED ALWAYS AS (upper(list)) STORED, \
             position integer GENERATED ALWAYS AS IDENTITY, value double precision, as_of timestamptz, \
             PRIMARY KEY (list, position))",
            "cannot hold lists: column position is always generated as identity, column product is generated",
        ),
    ];
    for (statements, problem) in cases {
        is_mended(&service, statements, problem);
    }
    let more = "CREATE UNIQUE INDEX ON tight (position, product, list); CREATE INDEX ON tight (list)";
    postgres::execute(&service.url, more);
    assert_eq!(service.table().inspect(), Ok(Presence::Present), "an index that contains the key refuses no row");
}

/// A user who may read the table, but not write to it, and who may make no table.
pub(super) fn rights_that_are_lacking_are_named(service: &TableService) {
    let role = "CREATE ROLE reader LOGIN; GRANT SELECT ON lists TO reader; REVOKE CREATE ON SCHEMA public FROM PUBLIC";
    postgres::execute(&service.url, role);
    let url = service.url.replace("postgres@", "reader@");
    let open = |table: &str| {
        let settings = PostgresCopy { table: Some(table.into()), ..PostgresCopy::default() };
        Table::new(&settings, &url).expect("a sound connection string").expect("a table is named")
    };
    let error = open("lists").inspect().expect_err("it may not be written");
    assert_eq!(
        error.advice(),
        "table lists cannot hold lists: the user reader lacks the right to INSERT, UPDATE, DELETE. Run: GRANT INSERT, UPDATE, \
         DELETE ON \"lists\" TO reader;"
    );
    assert_eq!(open("lists").begin(), Err(error.clone()));
    postgres::execute(&service.url, &error.mend().expect("SQL"));
    open("lists").begin().expect("the statement has mended the table");
    let columns = "REVOKE INSERT, UPDATE, SELECT ON lists FROM reader; \
                   GRANT SELECT (list, position, product, value, as_of), INSERT (list, position, product, value, as_of), \
                   UPDATE (product, value, as_of) ON lists TO reader";
    postgres::execute(&service.url, columns);
    let mut lists = open("lists");
    lists.begin().expect("rights to the columns are enough");
    lists.write(&[change("similar/b", vec![row("p-1", None)])]).expect("a list is written");

    let error = open("more").inspect().expect_err("the schema may not be written").to_string();
    assert!(error.contains("it is missing and cannot be created: ") && error.contains("permission denied"), "{error}");
    postgres::execute(&service.url, "GRANT CREATE ON SCHEMA public TO reader");
    assert_eq!(open("more").inspect(), Ok(Presence::Missing));
    let mut other = postgres::connect(&service.url);
    let mut making = other.transaction().expect("a transaction");
    making.batch_execute("CREATE TABLE more (list text)").expect("the table is made");
    let error = open("more").inspect().expect_err("the other transaction is open").to_string();
    assert!(error.contains("lock timeout"), "{error}");
    making.rollback().expect("the connection is there");
    let tables = "SELECT count(*) FROM pg_class WHERE relname = 'more'";
    let count: i64 = postgres::connect(&service.url).query_one(tables, &[]).expect("a count").get(0);
    assert_eq!(count, 0, "a check makes nothing");
}
