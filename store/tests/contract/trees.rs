//! Trees of categories: none is deeper than 32 levels or a circle, whichever of its ends is written or imported first.

use vitrine_store::{Action, ImportMode, ImportRequest, Kind, Refusal, StoreError, Write};

use crate::import::{ids, import, request};
use crate::{act, on_every_home, put};

fn category(id: &str, parent: &str) -> Write {
    put(Kind::Categories, &format!(r#"{{"category_id":"{id}","parent_id":"{parent}"}}"#))
}

#[test]
fn categories_form_trees_of_bounded_depth() {
    on_every_home(|home| {
        home.done(put(Kind::Categories, r#"{"category_id":"0"}"#));
        assert_eq!(home.refused(category("0", "0")), Refusal::Cycle);
        let first_refused =
            (1..100).find(|depth| home.write(vec![category(&depth.to_string(), &(depth - 1).to_string())]).is_err());
        assert_eq!(first_refused, Some(33), "a category has at most 32 ancestors");
        assert_eq!(home.refused(category("33", "32")), Refusal::TooDeep(32));
        assert_eq!(home.refused(category("0", "5")), Refusal::Cycle);
        assert_eq!(home.refused(act(Kind::Categories, "3", Action::Delete)), Refusal::InUse);
        home.done(act(Kind::Categories, "32", Action::Delete));
        home.done(put(Kind::Products, r#"{"product_id":"lamp","category_id":"31"}"#));
        assert_eq!(home.refused(act(Kind::Categories, "31", Action::Delete)), Refusal::InUse);
    });
}

#[test]
fn the_categories_below_one_are_no_deeper_either() {
    on_every_home(|home| {
        let chain = |count: usize| {
            (0..count).map(|at| category(&format!("f{at}"), &format!("f{}", at + 1))).collect::<Vec<Write>>()
        };
        let refused = StoreError::Refused { index: 32, refusal: Refusal::TooDeep(32) };
        assert_eq!(home.write(chain(40)), Err(refused), "the deepest category first");
        home.write(chain(32)).unwrap();
        assert_eq!(home.refused(category("f32", "top")), Refusal::TooDeep(32), "f0 has 32 ancestors already");
        home.done(put(Kind::Categories, r#"{"category_id":"f32"}"#));
        home.done(category("inner", "top"));
        let move_to =
            |parent: &str| act(Kind::Categories, "f31", Action::Patch(format!(r#"{{"parent_id":"{parent}"}}"#).into()));
        home.done(move_to("top"));
        assert_eq!(home.refused(move_to("inner")), Refusal::TooDeep(32));
        let renamed = act(Kind::Categories, "f0", Action::Patch(br#"{"name":"Deep"}"#.to_vec()));
        home.done(renamed);
    });
}

#[test]
fn categories_may_stand_before_their_parents_and_none_becomes_its_own_ancestor() {
    on_every_home(|home| {
        let file = "category,parent\nlamps,light\nlight,house\nhouse,\n";
        assert!(import(home, &request(Kind::Categories), file).written);
        let turned = "category,parent\nhouse,light\nlight,\nlamps,house\n";
        assert!(import(home, &request(Kind::Categories), turned).written);
        let report = import(home, &request(Kind::Categories), "category,parent\nlight,lamps\n");
        assert_eq!((report.written, report.bad, report.bad_lines[0].line), (false, 1, 2), "{report:?}");
        home.done(put(Kind::Products, r#"{"product_id":"a","category_id":"house"}"#));
        let replace = ImportRequest { mode: ImportMode::Replace, ..request(Kind::Categories) };
        let report = import(home, &replace, "category,parent\nlight,\n");
        assert_eq!((report.bad, report.bad_lines[0].value.as_str()), (1, "house"), "{report:?}");
        assert!(import(home, &replace, "category,parent\nhouse,\n").written);
        assert_eq!(ids(home, Kind::Categories), ["house"]);
    });
}

#[test]
fn a_file_makes_no_tree_too_deep() {
    on_every_home(|home| {
        let below: String = (0..20).map(|at| format!("f{at},f{}\n", at + 1)).collect();
        assert!(import(home, &request(Kind::Categories), &format!("category,parent\n{below}f20,\n")).written);
        let above: String = (1..15).map(|at| format!("t{at},t{}\n", at - 1)).collect();
        let file = format!("category,parent\nt0,\n{above}f20,t14\n");
        let report = import(home, &request(Kind::Categories), &file);
        let lines: Vec<u64> = report.bad_lines.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, (3..=17).collect::<Vec<u64>>(), "each is above f0 and has a parent: {report:?}");
        let replace = ImportRequest { mode: ImportMode::Replace, ..request(Kind::Categories) };
        let report = import(home, &replace, &file);
        assert!(report.written, "nothing is left below f20: {report:?}");
    });
}

#[test]
fn a_circle_in_a_file_is_told_to_its_categories_and_to_those_below_them() {
    on_every_home(|home| {
        let report = import(home, &request(Kind::Categories), "category,parent\na,b\nb,a\nc,a\nd,c\n");
        assert_eq!(report.bad, 4, "{report:?}");
        assert!(report.bad_lines.iter().all(|bad| bad.reason == Refusal::Cycle.to_string()), "{report:?}");
    });
}

#[test]
fn of_a_category_that_a_file_repeats_the_last_line_is_told() {
    on_every_home(|home| {
        // With the long ones, a home does not write the two lines together.
        let long = "x".repeat(3 << 20);
        for between in ["b,x,,\n".to_owned(), format!("b,,,{long}\nc,,,{long}\n")] {
            let file = format!("category_id,name,parent_id,junk\na,first,,\n{between}a,again,a,\n");
            let report = import(home, &request(Kind::Categories), &file);
            let last = 3 + between.lines().count() as u64;
            let found: Vec<u64> = report.bad_lines.iter().map(|bad| bad.line).collect();
            assert_eq!((report.bad, found), (1, vec![last]), "{:?}", report.bad_lines);
        }
    });
}
