//! The categories of a product in the tables of PostgreSQL: its own and all ancestors of that, whichever tool writes the tables,
//! compared with a recomputation from the rows.

use std::collections::HashMap;

use harness::Dice;
use harness::postgres::{connect, execute};
use postgres::Client;
use vitrine_store::{Action, Kind, Settings, UnknownIds};

use crate::{Home, act, database, put, store_in};

/// As many ids of categories, and of products, as the tests use.
const IDS: u64 = 12;

/// How often each thread writes.
const ROUNDS: usize = 40;

/// Asserts that each product has its categories, in order.
#[track_caller]
fn all_are_right(client: &mut Client) {
    let rows = client.query("SELECT category_id, parent_id FROM categories", &[]).unwrap();
    let parents: HashMap<String, Option<String>> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let products = client.query("SELECT product_id, category_id, categories FROM products", &[]).unwrap();
    for row in products {
        let (product, category, found): (String, Option<String>, Option<Vec<String>>) =
            (row.get(0), row.get(1), row.get(2));
        let expected = category.map(|own| {
            let mut lineage: Vec<String> = Vec::new();
            let mut next = Some(own);
            while let Some(category) = next.filter(|next| !lineage.contains(next)) {
                next = parents.get(&category).cloned().flatten();
                lineage.push(category);
            }
            lineage
        });
        assert_eq!(found, expected, "{product}");
    }
}

/// An id, or NULL.
fn id(dice: &mut Dice) -> String {
    let id = dice.below(IDS + 2);
    if id < IDS { format!("'{id}'") } else { "NULL".to_owned() }
}

/// A statement of another tool.
fn statement(dice: &mut Dice) -> String {
    let (one, other, id, parent) = (dice.below(IDS), dice.below(IDS), id(dice), id(dice));
    match dice.below(12) {
        0..4 => format!(
            "INSERT INTO categories VALUES ('{one}', NULL, {parent}), ('{}', NULL, {id})
             ON CONFLICT (category_id) DO UPDATE SET parent_id = excluded.parent_id",
            (one + 1) % IDS
        ),
        4 => format!("DELETE FROM categories WHERE category_id IN ('{one}', '{other}')"),
        5 => format!("UPDATE categories SET parent_id = {parent} WHERE category_id >= '{one}'"),
        6 => format!(
            "UPDATE categories SET category_id = '{other}' WHERE category_id = '{one}'
             AND NOT EXISTS (SELECT FROM categories WHERE category_id = '{other}')"
        ),
        7 => "UPDATE categories SET name = 'x'".to_owned(),
        8 => format!("DELETE FROM products WHERE product_id = '{one}'"),
        9 => format!("UPDATE products SET categories = '{{a,b}}', name = 'x' WHERE product_id = '{one}'"),
        _ => format!(
            "INSERT INTO products (product_id, category_id, categories) VALUES ('{one}', {id}, '{{x}}')
             ON CONFLICT (product_id) DO UPDATE SET category_id = excluded.category_id"
        ),
    }
}
#[test]
fn a_product_is_in_the_ancestors_of_its_category_whoever_writes() {
    let home = Home::postgres(UnknownIds::Take);
    home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
    let mut tool = connect(home.url());
    let mut dice = Dice::new(7);
    for round in 0..400 {
        let id = dice.below(IDS);
        match dice.below(4) {
            0 => drop(home.done(put(Kind::Products, &format!(r#"{{"product_id":"{id}","category_id":"{round}"}}"#)))),
            1 => {
                // A circle is refused.
                let json = format!(r#"{{"category_id":"{id}","parent_id":"{}"}}"#, dice.below(IDS));
                let _ = home.write(vec![put(Kind::Categories, &json)]);
            }
            _ => tool.batch_execute(&statement(&mut dice)).unwrap(),
        }
        all_are_right(&mut tool);
    }
    execute(home.url(), "TRUNCATE categories");
    all_are_right(&mut tool);
}

#[test]
fn temporary_tables_of_the_same_names_change_nothing() {
    let home = Home::postgres(UnknownIds::Take);
    for (category, parent) in [("light", "house"), ("house", "all"), ("desk", "light")] {
        home.done(put(Kind::Categories, &format!(r#"{{"category_id":"{category}","parent_id":"{parent}"}}"#)));
    }
    for (product, category) in [("lamp", "light"), ("spot", "desk"), ("chair", "house")] {
        home.done(put(Kind::Products, &format!(r#"{{"product_id":"{product}","category_id":"{category}"}}"#)));
    }
    let mut tool = connect(home.url());
    tool.batch_execute(
        "CREATE TEMP TABLE products (product_id text, category_id text, categories text[]);
         CREATE TEMP TABLE categories (category_id text, parent_id text);
         INSERT INTO pg_temp.products VALUES ('lamp', 'light', '{false}');
         INSERT INTO pg_temp.categories VALUES ('light', 'false'), ('house', 'false')",
    )
    .unwrap();
    let mut reading = connect(home.url());
    for statement in [
        "UPDATE public.categories SET parent_id = 'garden' WHERE category_id = 'light'",
        "UPDATE public.categories SET category_id = 'hut' WHERE category_id = 'house'",
        "INSERT INTO public.categories VALUES ('garden', NULL, 'all')",
        "INSERT INTO public.products (product_id, category_id) VALUES ('bulb', 'desk')",
        "DELETE FROM public.categories WHERE category_id = 'garden'",
        "TRUNCATE public.categories",
    ] {
        tool.batch_execute(statement).unwrap();
        println!("{statement}");
        all_are_right(&mut reading);
    }
    let untouched = tool.query_one("SELECT categories FROM pg_temp.products", &[]).unwrap();
    assert_eq!(untouched.get::<_, Vec<String>>(0), ["false"]);
}

#[test]
fn nobody_else_may_make_triggers_of_the_functions() {
    let home = Home::postgres(UnknownIds::Take);
    home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
    for function in ["vitrine_share_tree()", "vitrine_product_categories()", "vitrine_categories_moved()"] {
        let sql = "SELECT has_function_privilege('public', $1::text::regprocedure, 'EXECUTE')";
        assert!(!connect(home.url()).query_one(sql, &[&function]).unwrap().get::<_, bool>(0), "{function}");
    }
}

#[test]
fn products_and_the_tree_change_at_the_same_time() {
    let home = Home::postgres(UnknownIds::Take);
    home.done(put(Kind::Categories, r#"{"category_id":"a"}"#));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut tool = connect(home.url());
            for round in 0..ROUNDS {
                let sql = format!("INSERT INTO products (product_id, category_id) VALUES ('{round}', 'a')");
                tool.batch_execute(&sql).unwrap();
            }
        });
        scope.spawn(|| {
            let mut tool = connect(home.url());
            for round in 0..ROUNDS {
                tool.batch_execute(&format!("UPDATE categories SET parent_id = 'p{round}'")).unwrap();
            }
        });
        scope.spawn(|| {
            for round in 0..ROUNDS {
                let json = format!(r#"{{"product_id":"own {round}","category_id":"a"}}"#);
                home.write_at_last(|| put(Kind::Products, &json)).unwrap();
                home.write_at_last(|| act(Kind::Categories, "a", Action::Patch(br#"{"name":"x"}"#.to_vec()))).unwrap();
            }
        });
    });
    all_are_right(&mut connect(home.url()));
}

#[test]
fn tables_of_an_older_version_get_the_categories_of_their_products() {
    let url = database();
    execute(&url, include_str!("../../src/postgres/schema_1.sql"));
    execute(
        &url,
        "UPDATE vitrine_store SET version = 1;
         INSERT INTO categories VALUES ('light', NULL, 'house');
         INSERT INTO products (product_id, category_id) VALUES ('lamp', 'light'), ('chair', NULL)",
    );
    let store = store_in(&url, Settings { manage: true, ..Settings::default() });
    let home = Home { store: std::sync::Arc::new(store), followed: None, place: crate::Place::Url(url.clone()) };
    home.done(put(Kind::Users, r#"{"user_id":"ada"}"#));
    let row = connect(&url).query_one("SELECT categories FROM products WHERE product_id = 'lamp'", &[]).unwrap();
    assert_eq!(row.get::<_, Vec<String>>(0), ["light", "house"]);
    all_are_right(&mut connect(&url));
}
