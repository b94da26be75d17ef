//! The order and the form of the lines; and when the file cannot be written, that no line is lost, torn or held for
//! ever.

use std::fs;

use dataflow::graph::Change;
use dataflow::graph::{ListId, Seller, Viewed};
use dataflow::ids::Ids;
use dataflow::source_status::State;
use dataflow::time::{Diff, Time};
use harness::wait_until;
use serde_json::{Value, json};

use super::*;

const SOON: Duration = Duration::from_secs(30);

struct Setting {
    dir: tempfile::TempDir,
    dictionary: Arc<Dictionary>,
    reports: Arc<Mutex<Vec<State>>>,
}

impl Setting {
    fn new() -> Self {
        let dictionary = Arc::new(Dictionary::new(Ids::new([1; 16])).remembering_users());
        Setting { dir: tempfile::tempdir().unwrap(), dictionary, reports: Arc::default() }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("changes.jsonl")
    }

    fn start(&self, rows_max: usize) -> (Changes, ChangeOutlet) {
        let reports = self.reports.clone();
        Changes::start(
            self.file(),
            self.dictionary.clone(),
            rows_max,
            Arc::new(move |state| reports.lock().unwrap().push(state)),
        )
        .unwrap()
    }

    fn viewed(&self, user: &str, product: &str, at: u64, diff: Diff) -> (Change, Diff) {
        let product = self.dictionary.product(product).unwrap();
        (Change::History(self.dictionary.user(user), Viewed::new(at, product)), diff)
    }

    fn sold(&self, category: Option<&str>, product: &str, buyers: u64, diff: Diff) -> (Change, Diff) {
        let ranking =
            category.map_or(ListId::General, |category| ListId::Category(self.dictionary.category(category).unwrap()));
        let product = self.dictionary.product(product).unwrap();
        (Change::BestSellers(ranking, Seller::new(buyers, product)), diff)
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.file()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn is_retrying(&self) -> bool {
        matches!(self.reports.lock().unwrap().last(), Some(State::Retrying(_)))
    }
}

fn give(outlet: &ChangeOutlet, tick: Time, mut rows: Vec<(Change, Diff)>) {
    // In the order of the graph.
    rows.sort();
    let take = &mut *outlet.lock().unwrap();
    take(Changed { tick, rows });
}

#[test]
fn lines_are_as_documented_and_in_order() {
    let setting = Setting::new();
    let (changes, outlet) = setting.start(ROWS_MAX);
    give(
        &outlet,
        1_731_000_000_001,
        vec![
            setting.viewed("anna", "lamp", 5, 1),
            setting.viewed("anna", "chair", 4, -1),
            setting.sold(None, "lamp", 3, 1),
            setting.sold(Some("light"), "lamp", 2, -1),
        ],
    );
    give(&outlet, 1_731_000_000_002, vec![setting.viewed("bert", "\"q\"", 6, 1)]);
    changes.finish(SOON).unwrap();
    let expected = [
        json!({"tick": 1_731_000_000_001_u64, "list": "history", "user": "anna", "product": "chair", "viewed_at": 4, "change": "-"}),
        json!({"tick": 1_731_000_000_001_u64, "list": "history", "user": "anna", "product": "lamp", "viewed_at": 5, "change": "+"}),
        json!({"tick": 1_731_000_000_001_u64, "list": "best_sellers", "category": "light", "product": "lamp", "buyers": 2, "change": "-"}),
        json!({"tick": 1_731_000_000_001_u64, "list": "best_sellers", "category": null, "product": "lamp", "buyers": 3, "change": "+"}),
        json!({"tick": 1_731_000_000_002_u64, "list": "history", "user": "bert", "product": "\"q\"", "viewed_at": 6, "change": "+"}),
    ];
    assert_eq!(setting.lines(), expected);
}

#[test]
fn a_user_nobody_remembered_has_no_name() {
    let setting = Setting::new();
    let (changes, outlet) = setting.start(ROWS_MAX);
    let viewed = Viewed::new(1, setting.dictionary.product("lamp").unwrap());
    let stranger = Ids::new([2; 16]).user("carl");
    give(&outlet, 1, vec![(Change::History(stranger, viewed), 1)]);
    changes.finish(SOON).unwrap();
    assert_eq!(setting.lines()[0]["user"], Value::Null);
}

#[test]
fn a_tick_is_in_the_file_without_waiting_for_the_next_one() {
    let setting = Setting::new();
    let (_changes, outlet) = setting.start(ROWS_MAX);
    give(&outlet, 1, vec![setting.sold(None, "lamp", 1, 1)]);
    wait_until(SOON, "the tick is in the file", || {
        fs::read_to_string(setting.file()).is_ok_and(|text| text.ends_with('\n'))
    });
}

#[test]
fn a_new_start_says_that_the_lists_are_empty_and_cuts_a_torn_line() {
    let setting = Setting::new();
    fs::write(setting.file(), "{\"tick\":1}\n{\"tick\":2,\"li").unwrap();
    let (changes, outlet) = setting.start(ROWS_MAX);
    give(&outlet, 7, vec![setting.sold(None, "lamp", 1, 1)]);
    changes.finish(SOON).unwrap();
    let lines = setting.lines();
    assert_eq!(lines[..2], [json!({"tick": 1}), json!({"tick": 7, "list": "all", "change": "reset"})]);
    assert_eq!((lines.len(), &lines[2]["buyers"]), (3, &json!(1)));
}

#[test]
fn a_file_that_cannot_be_written_blocks_a_full_outlet_and_loses_nothing() {
    let setting = Setting::new();
    fs::create_dir(setting.file()).unwrap();
    let (changes, outlet) = setting.start(10);
    let given = std::thread::scope(|scope| {
        let giver = scope.spawn(|| {
            (1..=100).for_each(|tick| give(&outlet, tick, vec![setting.sold(None, "lamp", tick, 1)]));
        });
        wait_until(SOON, "the failure is reported", || setting.is_retrying());
        assert!(!giver.is_finished(), "the outlet blocks while nothing can be written");
        fs::remove_dir(setting.file()).unwrap();
        giver.join()
    });
    given.unwrap();
    changes.finish(SOON).unwrap();
    let ticks: Vec<u64> = setting.lines().iter().map(|line| line["tick"].as_u64().unwrap()).collect();
    assert_eq!(ticks, (1..=100).collect::<Vec<u64>>());
    assert_eq!(setting.reports.lock().unwrap().last(), Some(&State::Live));
}

#[test]
fn a_tick_larger_than_the_queue_and_than_one_write_is_taken_whole() {
    let setting = Setting::new();
    let (changes, outlet) = setting.start(10);
    let product = "p".repeat(250);
    let rows = (1..=10_000).map(|at| setting.viewed("anna", &product, at, 1)).collect();
    give(&outlet, 1, rows);
    changes.finish(SOON).unwrap();
    assert!(fs::metadata(setting.file()).unwrap().len() > 3 << 20);
    assert_eq!(setting.lines().len(), 10_000);
}

#[test]
fn a_dead_file_does_not_keep_the_process_from_ending() {
    let setting = Setting::new();
    fs::create_dir(setting.file()).unwrap();
    let (changes, outlet) = setting.start(1);
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=3).for_each(|tick| give(&outlet, tick, vec![setting.sold(None, "lamp", tick, 1)])));
        wait_until(SOON, "the failure is reported", || setting.is_retrying());
        changes.stop_by(Instant::now());
    });
    assert_eq!(changes.finish(SOON), Err(UnwrittenChanges { rows: 3 }));
}
