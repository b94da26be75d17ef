//! Orders and catalogue as files: appended lines are new rows, a rewrite is a difference in one tick.

use std::fs;
use std::time::Duration;

use dataflow::rules::DAY_MS;
use dataflow::source_status::State;

use crate::running::{SOON, counting_older_orders};
use crate::shop::{CATALOGUE, Dir, ORDERS};

/// Longer than a table must rest before its last line counts without an end.
const RESTS: Duration = Duration::from_millis(600);

#[test]
fn orders_and_catalogue_are_read_and_followed() {
    let dir = Dir::new();
    let shop = dir.shop_of(2);
    let (order, old) = (shop.order("1", "ada", "lamp", 29), shop.order("2", "bob", "lamp", 31));
    dir.append("orders.csv", format!("{ORDERS}{order}{old}{}", shop.order("3", "bob", "chair", 0)));
    dir.append("product_catalog.csv", format!("{CATALOGUE}lamp,\"Lamp, large\",light,1.00,\"two\nlines\",{{}}\n"));
    shop.expect(None, &[("chair", 1), ("lamp", 1)]);
    shop.expect(Some("light"), &[("lamp", 1)]);
    dir.append("orders.csv", shop.order("4", "eve", "lamp", 1));
    dir.append("product_catalog.csv", "chair,Chair,seat,,,\n,Nothing,seat,,,\nstool,Stool,,,,\n");
    shop.expect(Some("light"), &[("lamp", 2)]);
    shop.expect(Some("seat"), &[("chair", 1)]);
    shop.live();
    assert_eq!(shop.view().accepted, 6, "the order of 31 days ago changes nothing");
    let letter = shop.letters.recv_timeout(SOON).unwrap();
    assert_eq!((letter.stream.as_str(), letter.reason), ("product_catalog.csv", "missing_field"));
    assert_eq!(letter.payload, b",Nothing,seat,,,");
}

#[test]
fn an_order_outside_of_the_window_counts_for_features_and_buy_again_alone() {
    let dir = Dir::new();
    let shop = dir.shop_by(counting_older_orders(), 2);
    let old = [("2", "lamp", 40), ("3", "chair", 364), ("4", "lamp", 366)];
    let old = old.map(|(order, product, days)| shop.order(order, "ada", product, days)).concat();
    dir.append("orders.csv", format!("{ORDERS}{}{old}", shop.order("1", "ada", "lamp", 0)));
    dir.append("product_catalog.csv", format!("{CATALOGUE}lamp,Lamp,light,,,\nchair,Chair,seat,,,\n"));
    shop.expect(None, &[("lamp", 1)]);
    shop.expect_bought("ada", &[("lamp", 2), ("chair", 1)]);
    assert_eq!(shop.ask(|reader| reader.late_lines()), 0, "no line of an order that is kept is late");
    shop.clock.forward(2 * DAY_MS);
    shop.expect_bought("ada", &[("lamp", 2)]);
    shop.expect(None, &[("lamp", 1)]);
}

#[test]
fn columns_are_found_by_name() {
    let dir = Dir::new();
    let shop = dir.shop();
    dir.append(
        "orders.csv",
        format!("\u{feff}created_at, user_id,note,product_id,order_id\r\n{},ada,,lamp,1\r\n", shop.now()),
    );
    shop.expect(None, &[("lamp", 1)]);
}

#[test]
fn a_rewrite_is_a_difference_in_one_tick() {
    let dir = Dir::new();
    let shop = dir.shop();
    let orders = |product: &str| -> String {
        let line = |number: u32| shop.order(&number.to_string(), &format!("user-{number}"), product, 1);
        ORDERS.to_owned() + &(0..20_000).map(line).collect::<String>()
    };
    let lamps = orders("lamp");
    dir.append("orders.csv", &lamps);
    shop.expect(None, &[("lamp", 20_000)]);
    let accepted = shop.view().accepted;
    dir.replace("orders.csv", lamps.replace("lamp", "chair"));
    harness::wait_until(SOON, "the orders have moved", || {
        let list = shop.best_sellers(None);
        assert_eq!(list.len(), 1, "part of the difference shows: {list:?}");
        list[0] == ("chair".to_owned(), 20_000)
    });
    assert_eq!(shop.view().accepted - accepted, 40_000);
    // A cancelled order: its line is gone. Nothing else is touched.
    let chairs = lamps.replace("lamp", "chair");
    let last = chairs[..chairs.len() - 1].rfind('\n').unwrap();
    dir.replace("orders.csv", &chairs[..=last]);
    shop.expect(None, &[("chair", 19_999)]);
    assert_eq!(shop.view().accepted - accepted, 40_001);
    dir.append("orders.csv", shop.order("x", "eve", "lamp", 0));
    shop.expect(None, &[("chair", 19_999), ("lamp", 1)]);
}

#[test]
fn a_product_moves_to_another_category() {
    let dir = Dir::new();
    let shop = dir.shop();
    dir.append("orders.csv", ORDERS.to_owned() + &shop.order("1", "ada", "lamp", 0));
    dir.append("product_catalog.csv", "product_id,category\nlamp,light\n");
    shop.expect(Some("light"), &[("lamp", 1)]);
    // The same length, in place.
    dir.rewrite("product_catalog.csv", "product_id,category\nlamp,seats\n");
    shop.expect(Some("seats"), &[("lamp", 1)]);
    shop.expect(Some("light"), &[]);
}

#[test]
fn a_table_that_is_written_anew_with_more_rows_is_a_difference() {
    let dir = Dir::new();
    let shop = dir.shop();
    dir.append("orders.csv", ORDERS.to_owned() + &shop.order("1", "ada", "lamp", 0));
    let chairs: String = (0..100).map(|number| format!("chair-{number},other\n")).collect();
    let table = |category| format!("product_id,category\nlamp,{category}\n{chairs}");
    dir.append("product_catalog.csv", table("light"));
    shop.expect(Some("light"), &[("lamp", 1)]);
    shop.live();
    // The bytes before the old end are the same.
    dir.rewrite("product_catalog.csv", table("seats") + "stool,other\n");
    shop.expect(Some("seats"), &[("lamp", 1)]);
    shop.expect(Some("light"), &[]);
}

#[test]
fn a_last_line_without_an_end_counts_when_the_file_rests() {
    let dir = Dir::new();
    let shop = dir.shop();
    let (first, second) = (shop.order("1", "ada", "lamp", 0), shop.order("2", "bob", "lamp", 0));
    dir.append("orders.csv", format!("{ORDERS}{}", first.trim_end()));
    shop.expect(None, &[("lamp", 1)]);
    dir.append("orders.csv", format!("\n{second}"));
    shop.expect(None, &[("lamp", 2)]);
    // A line that was taken too early, at its seconds, is mended when the rest of it comes.
    let third = shop.order("3", "eve", "table", 0);
    let (start, rest) = third.split_at(third.len() - 4);
    dir.append("orders.csv", start);
    shop.expect(None, &[("lamp", 2), ("table", 1)]);
    assert_eq!(shop.view().accepted, 3);
    dir.append("orders.csv", rest);
    harness::wait_until(SOON, "the line is replaced", || shop.view().accepted == 5);
    shop.covers("orders.csv", ORDERS.len() + first.len() + second.len() + third.len());
    shop.expect(None, &[("lamp", 2), ("table", 1)]);
}

#[test]
fn a_last_line_without_an_end_that_has_rested_counts_before_the_source_is_live() {
    let dir = Dir::new();
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    dir.append("orders.csv", format!("{ORDERS}1,ada,lamp,1,{seconds}\n2,bob,lamp,1,{seconds}"));
    let file = fs::File::options().append(true).open(dir.path("orders.csv")).unwrap();
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    let shop = dir.shop();
    shop.live();
    assert_eq!(shop.view().accepted, 2);
}

#[test]
fn a_last_line_that_is_bad_without_its_rest_waits_for_it() {
    let dir = Dir::new();
    let shop = dir.shop();
    let (first, mut text) = (shop.order("1", "ada", "lamp", 0), ORDERS.to_owned());
    text.push_str(&first);
    dir.append("orders.csv", &text);
    shop.expect(None, &[("lamp", 1)]);
    // Cut within its fields, and within a quoted one; each piece rests for longer than a table must.
    let (order, quoted) = (shop.order("2", "bob", "lamp", 0), format!("3,eve,\"lamp\",1,{}\n", shop.now()));
    for (line, cut, buyers) in [(&order, "2,bob,la".len(), 2), (&quoted, "3,eve,\"la".len(), 3)] {
        dir.append("orders.csv", &line[..cut]);
        assert!(shop.letters.recv_timeout(RESTS).is_err(), "half a line is no bad line");
        dir.append("orders.csv", &line[cut..]);
        shop.expect(None, &[("lamp", buyers)]);
        text.push_str(line);
        shop.covers("orders.csv", text.len());
    }
    // The same where the whole file is read again.
    dir.replace("orders.csv", format!("{text}4,bob"));
    assert!(shop.letters.recv_timeout(RESTS).is_err());
    dir.append("orders.csv", &shop.order("4", "bob", "chair", 0)["4,bob".len()..]);
    shop.expect(None, &[("lamp", 3), ("chair", 1)]);
    assert!(shop.letters.try_recv().is_err() && shop.view().rejected.is_empty());
}

#[test]
fn a_quote_that_is_closed_after_a_rest_gives_the_row_that_a_restart_gives() {
    let dir = Dir::new();
    let shop = dir.shop();
    dir.append("orders.csv", ORDERS.to_owned() + &shop.order("1", "ada", "lamp", 0));
    dir.append("product_catalog.csv", format!("{CATALOGUE}lamp,\"Lamp,\nlarge"));
    let letter = shop.letters.recv_timeout(SOON).unwrap();
    assert_eq!((letter.reason, letter.payload.as_slice()), ("open_quote", &b"lamp,\"Lamp,"[..]));
    dir.append("product_catalog.csv", "\",light,1.00,,\n");
    shop.expect(Some("light"), &[("lamp", 1)]);
    assert!(shop.letters.try_recv().is_err(), "its second line is no line of its own");
}

#[test]
fn bad_lines_of_a_table_are_refused_once() {
    let dir = Dir::new();
    let shop = dir.shop();
    let now = shop.now();
    // An order of tomorrow is not refused: it counts from then on.
    let bad = format!(
        "4,ada,lamp,1,{}\n1,,lamp,1,{now}\n2,ada,lamp,1,\n3,ada,lamp,1,yesterday\n5,\"ada,lamp,1,{now}\n6,ada\n",
        now + DAY_MS
    );
    let text = format!("{ORDERS}{bad}{}", shop.order("7", "eve", "chair", 0));
    dir.append("orders.csv", &text);
    shop.expect(None, &[("chair", 1)]);
    let reasons: Vec<_> = (0..5).map(|_| shop.letters.recv_timeout(SOON).unwrap().reason).collect();
    let expected = ["missing_field", "missing_field", "unreadable_time", "open_quote", "missing_field"];
    assert_eq!(reasons, expected);
    // Read again, only the new fault is reported.
    dir.replace("orders.csv", text.replace("6,ada\n", "6,bob\n"));
    assert_eq!(shop.letters.recv_timeout(SOON).unwrap().payload, b"6,bob");
    assert!(shop.letters.try_recv().is_err());
    shop.expect(None, &[("chair", 1)]);
}

#[test]
fn a_first_line_without_the_columns_is_named_and_rows_stay() {
    let dir = Dir::new();
    let shop = dir.shop();
    let order = shop.order("1", "ada", "lamp", 0);
    dir.append("orders.csv", "order_id,user_id,product_id,quantity\n");
    shop.complains(&["orders.csv", "it lacks created_at"]);
    dir.rewrite("orders.csv", format!("{ORDERS}{order}"));
    shop.expect(None, &[("lamp", 1)]);
    shop.live();
    dir.rewrite("orders.csv", "");
    shop.complains(&["orders.csv", "it lacks order_id, user_id, product_id, created_at"]);
    shop.expect(None, &[("lamp", 1)]);
    dir.append("orders.csv", format!("{ORDERS}{order}{}", shop.order("2", "bob", "lamp", 0)));
    shop.expect(None, &[("lamp", 2)]);
    shop.live();
    fs::remove_file(dir.path("orders.csv")).unwrap();
    shop.complains(&["orders.csv", "gone"]);
    shop.expect(None, &[("lamp", 2)]);
}

#[test]
fn lines_leave_with_the_window() {
    let dir = Dir::new();
    let shop = dir.shop();
    dir.append(
        "orders.csv",
        format!("{ORDERS}{}{}", shop.order("1", "ada", "lamp", 0), shop.order("2", "bob", "lamp", 10)),
    );
    shop.expect(None, &[("lamp", 2)]);
    shop.clock.forward(25 * DAY_MS);
    shop.expect(None, &[("lamp", 1)]);
    harness::wait_until(SOON, "the line is forgotten", || shop.view().accepted == 3);
    assert_eq!(shop.view().state, State::Live);
    // A rewrite with and without it is no difference any more.
    dir.replace("orders.csv", format!("{ORDERS}{}", shop.order("1", "ada", "chair", 25)));
    shop.expect(None, &[("chair", 1)]);
}

#[test]
fn a_product_whose_line_is_taken_out_of_the_catalogue_leaves_the_lists() {
    let dir = Dir::new();
    let shop = dir.shop_of(2);
    let orders = ["lamp", "chair", "stool"].map(|product| shop.order(product, "ada", product, 0)).concat();
    dir.append("orders.csv", ORDERS.to_owned() + &orders);
    dir.append("product_catalog.csv", "product_id,category\nlamp,light\nlamp,house\nchair,\n");
    // The stool was never in the catalogue.
    shop.expect(None, &[("chair", 1), ("lamp", 1), ("stool", 1)]);
    shop.expect(Some("house"), &[("lamp", 1)]);
    dir.replace("product_catalog.csv", "product_id,category\nlamp,house\n");
    shop.expect(None, &[("lamp", 1), ("stool", 1)]);
    shop.expect(Some("light"), &[]);
    dir.replace("product_catalog.csv", "product_id,category\n");
    shop.expect(None, &[("stool", 1)]);
    shop.expect(Some("house"), &[]);
    dir.append("product_catalog.csv", "lamp,light\nstool,house\n");
    shop.expect(None, &[("lamp", 1), ("stool", 1)]);
    shop.expect(Some("light"), &[("lamp", 1)]);
}

#[test]
fn a_product_that_is_not_available_leaves_the_lists_until_it_is_again() {
    let dir = Dir::new();
    let shop = dir.shop();
    let orders = ["lamp", "chair", "stool"].map(|product| shop.order(product, "ada", product, 0)).concat();
    dir.append("orders.csv", ORDERS.to_owned() + &orders);
    let catalogue = |lamp: &str, chair: &str| {
        format!("available,product_id,category\n{lamp},lamp,light\n{chair},chair,light\n,stool,light\n")
    };
    dir.append("product_catalog.csv", catalogue("true", "0"));
    shop.expect(Some("light"), &[("lamp", 1), ("stool", 1)]);
    shop.expect(None, &[("lamp", 1), ("stool", 1)]);
    dir.replace("product_catalog.csv", catalogue("False", "1"));
    shop.expect(Some("light"), &[("chair", 1), ("stool", 1)]);
    dir.replace("product_catalog.csv", catalogue("no", "no"));
    shop.expect(Some("light"), &[("stool", 1)]);
    let size = shop.ask(|reader| {
        let light = reader.dictionary().find_category("light").unwrap();
        reader.view_any().category_size(light).unwrap().products
    });
    assert_eq!(size, 3, "they stay in the category");
    dir.replace("product_catalog.csv", catalogue("true", "sold"));
    shop.expect(Some("light"), &[("lamp", 1), ("stool", 1)]);
    let letter = shop.letters.recv_timeout(SOON).unwrap();
    assert_eq!((letter.stream.as_str(), letter.reason), ("product_catalog.csv", "wrong_type"));
    assert_eq!(letter.payload, b"sold,chair,light");
    dir.replace("product_catalog.csv", "product_id,category\nlamp,light\nchair,light\n");
    shop.expect(Some("light"), &[("chair", 1), ("lamp", 1)]);
}
