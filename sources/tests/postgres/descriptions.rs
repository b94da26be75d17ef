//! Descriptions of products in tables of several shapes.

use std::ops::ControlFlow;

use harness::postgres::execute;
use sources::description::{Description, DescriptionColumns, NotNumbers, Reading};
use sources::descriptions::{DescriptionHome, DescriptionReader};
use sources::postgres::Settings;

use crate::shop::database;

fn reader(url: &str, change: impl FnOnce(&mut Settings)) -> DescriptionReader {
    let mut settings = Settings::at(url);
    change(&mut settings);
    let column = |name: &str| Some(name.to_owned());
    let columns = DescriptionColumns {
        name: column("product_name"),
        description: None,
        attributes: column("attributes"),
        embedding: column("vector"),
    };
    DescriptionReader::new(DescriptionHome::Postgres(Box::new(settings)), columns).unwrap()
}

fn read(reader: &mut DescriptionReader) -> (Reading, Vec<Description>) {
    let mut seen = Vec::new();
    let reading = reader.read(&mut |described| {
        seen.push(described);
        ControlFlow::Continue(())
    });
    seen.sort_by(|a, b| a.product.cmp(&b.product));
    (reading.unwrap(), seen)
}

#[test]
fn columns_of_any_type_are_read_as_text() {
    let url = database("descriptions");
    execute(
        &url,
        r#"CREATE TABLE "Goods" (sku int, product_name varchar(40), category_id uuid, description text, attributes jsonb,
               vector float8[]);
           INSERT INTO "Goods" VALUES (7, 'Mug', '00000000-0000-0000-0000-000000000001', 'not read', '{"size": 4}', '{1,-0.5}'),
               (8, NULL, NULL, NULL, NULL, NULL), (9, 'Pot', NULL, NULL, NULL, '{1,NULL}'), (NULL, 'nameless', NULL, NULL, NULL, NULL);"#,
    );
    let mut reader = reader(&url, |settings| {
        settings.tables.products.name = "Goods".into();
        settings.tables.products.product_id = "sku".into();
    });
    let (reading, seen) = read(&mut reader);
    assert_eq!(reading, Reading::Whole { missing: vec![] });
    let product = |product: &str, name: &str| Description {
        product: product.into(),
        name: name.into(),
        ..Description::default()
    };
    let mug = Description {
        category: "00000000-0000-0000-0000-000000000001".into(),
        attributes: r#"{"size": 4}"#.into(),
        embedding: Some(Ok(vec![1.0, -0.5])),
        ..product("7", "Mug")
    };
    assert_eq!(seen, [mug, product("8", ""), Description { embedding: Some(Err(NotNumbers)), ..product("9", "Pot") }]);
}

#[test]
fn missing_columns_are_named_rows_come_in_parts_and_a_table_that_is_not_there_is_an_error() {
    let url = database("descriptions_parts");
    execute(
        &url,
        "CREATE TABLE products (product_id text, category_id text, product_name text);
         INSERT INTO products SELECT 'p' || n, NULL, 'name ' || n FROM generate_series(1, 600) AS n;",
    );
    let mut reader = reader(&url, |_| {});
    let (reading, seen) = read(&mut reader);
    assert_eq!(reading, Reading::Whole { missing: vec!["attributes".into(), "vector".into()] });
    assert_eq!(seen.len(), 600);
    assert!(seen.iter().all(|row| row.name.strip_prefix("name ") == row.product.strip_prefix('p')));
    let mut left = 300;
    let ended = reader.read(&mut |_| {
        left -= 1;
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((ended.unwrap(), left), (Reading::Ended, 0));
    execute(&url, "DROP TABLE products");
    let error = reader.read(&mut |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.starts_with("PostgreSQL at ") && error.contains("\"products\" does not exist"), "{error}");
}
