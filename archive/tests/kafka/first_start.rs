//! A source that starts when its topics have deleted records that the archive has: it reads each record once, or says which
//! are nowhere.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use archive::log::topics;
use archive::store::{Dir, Store};
use archive::{Gaps, LiveArchive, Running, Settings, Share};
use dataflow::feed::Position;
use dataflow::source_status::State;
use dataflow::time::Millis;
use harness::kafka::Broker;
use harness::wait_until;
use sources::kafka::{self, ReadFrom, Resume};

use crate::faulty_store::FaultyStore;
use crate::shop::{SOON, Shop};

static BROKER: LazyLock<Broker> = LazyLock::new(Broker::start);

const USERS: u64 = 7;
const PRODUCTS: u64 = 40;

/// What every user has viewed, and when.
type Viewed = BTreeMap<String, BTreeMap<String, Millis>>;

/// Views in one partition from number `first` on; not one of them repeats another.
fn produce(topic: &str, partition: i32, first: u64, count: u64) {
    let views = (first..first + count).map(|n| {
        let (user, product) = (n % USERS, (n * n + n / 7) % PRODUCTS);
        format!(
            r#"{{"messageid":"{partition}-{n}","event":"ProductView","userid":"user-{user}","properties":{{"productid":"product-{product}"}}}}"#
        )
    });
    BROKER.produce(topic, Some(partition), views);
}

fn settings(gaps: Gaps) -> Settings {
    Settings { age_max: Duration::from_secs(1), file_bytes_max: 65_536, gaps, ..Settings::default() }
}

fn of(topic: &str) -> kafka::Settings {
    kafka::Settings::new(BROKER.bootstrap(), [topic], Duration::from_millis(200))
}

/// Archives a topic up to the present ends of its partitions.
fn archive(topic: &str, dir: &Path) {
    let log = topics(&of(topic), vec![]).unwrap();
    let store = Arc::new(Dir::new(dir));
    let running = Running::start(settings(Gaps::Refuse), Share::ALL, store, log, || ()).unwrap();
    let ends: Vec<i64> = (0..2).map(|partition| BROKER.watermarks(topic, partition).1).collect();
    wait_until(SOON, "all is in the archive", || {
        let partitions = running.status().get().partitions;
        let durable: Vec<i64> = partitions.values().map(|partition| partition.durable).collect();
        durable == ends
    });
    running.end_by(Instant::now() + SOON);
    running.finish();
}

/// Two partitions, of which the archive has 600 and 400 records, and the topic 100 more of each.
fn prepare(topic: &str, dir: &Path) {
    BROKER.create_topic(topic, 2);
    produce(topic, 0, 0, 600);
    produce(topic, 1, 0, 400);
    archive(topic, dir);
    produce(topic, 0, 600, 100);
    produce(topic, 1, 400, 100);
}

fn start(topic: &str, store: Arc<dyn Store>, gaps: Gaps, resume: Resume) -> Shop {
    let past = Some(Arc::new(LiveArchive::new(store, &settings(gaps))) as _);
    Shop::reading(of(topic), 100, ReadFrom { resume, past })
}

fn nothing_kept() -> Resume {
    Arc::new(|_, _| None)
}

fn viewed(shop: &Shop) -> Viewed {
    (0..USERS).map(|user| format!("user-{user}")).map(|user| (user.clone(), shop.viewed_at(&user))).collect()
}

/// What a source shows that has read the whole topic, while it is whole.
fn whole(topic: &str) -> Viewed {
    let shop = Shop::open(&BROKER, &[topic]);
    shop.wait_live();
    let (first, second) = (BROKER.watermarks(topic, 0).1, BROKER.watermarks(topic, 1).1);
    shop.wait_position(topic, 0, first);
    shop.wait_position(topic, 1, second);
    let viewed = viewed(&shop);
    shop.engine.stop().unwrap();
    viewed
}

/// Waits until everything is read, and expects the lists, and that no record was taken twice.
#[track_caller]
fn expect_all(shop: &Shop, topic: &str, expected: &Viewed, records: u64) {
    shop.wait_live();
    for partition in 0..2 {
        shop.wait_position(topic, partition, BROKER.watermarks(topic, partition).1);
    }
    assert!(viewed(shop) == *expected, "the lists differ");
    let view = shop.source_view();
    assert_eq!(view.accepted, records);
    assert_eq!(view.ignored.values().sum::<u64>(), 0, "{:?}", view.ignored);
}

#[test]
fn what_the_topic_has_deleted_is_read_from_the_archive() {
    let (topic, dir) = ("deleted-in-part", tempfile::tempdir().unwrap());
    prepare(topic, dir.path());
    let expected = whole(topic);
    // One partition overlaps with the archive, the other one begins where the archive ends.
    BROKER.truncate(topic, 0, 250);
    BROKER.truncate(topic, 1, 400);
    let alone = Shop::open(&BROKER, &[topic]);
    alone.wait_live();
    assert!(viewed(&alone) != expected, "the topic alone would do");
    alone.engine.stop().unwrap();

    let shop = start(topic, Arc::new(Dir::new(dir.path())), Gaps::Refuse, nothing_kept());
    expect_all(&shop, topic, &expected, 1200);
    produce(topic, 1, 1000, 5);
    shop.wait_position(topic, 1, 505);
    assert!(shop.dead_letters.try_recv().is_err(), "every record is a view");
    shop.engine.stop().unwrap();
}

#[test]
fn offsets_that_neither_archive_nor_topic_has_are_named_and_skipped_only_if_that_is_set() {
    let (topic, dir) = ("a-hole", tempfile::tempdir().unwrap());
    prepare(topic, dir.path());
    BROKER.truncate(topic, 0, 650);
    BROKER.truncate(topic, 1, 300);
    let store = || Arc::new(Dir::new(dir.path()));
    let shop = start(topic, store(), Gaps::Refuse, nothing_kept());
    shop.wait_retrying("the offsets 600 to 649 of a-hole/0 are neither in the archive nor in the topic");
    // The other partition is read all the same.
    shop.wait_position(topic, 1, 500);
    shop.engine.stop().unwrap();

    let shop = start(topic, store(), Gaps::Skip, nothing_kept());
    shop.wait_live();
    shop.wait_position(topic, 0, 700);
    shop.wait_position(topic, 1, 500);
    let view = shop.source_view();
    assert_eq!(view.accepted, 600 + 50 + 500);
    let note = view.note.unwrap_or_default();
    assert_eq!(note, "offsets that were deleted before they were read: a-hole/0 from 600 to 649");
    shop.engine.stop().unwrap();
}

#[test]
fn offsets_lost_beyond_the_end_of_the_archive_are_named_also_after_a_part_was_read_there() {
    let (topic, dir) = ("lost-beyond", tempfile::tempdir().unwrap());
    prepare(topic, dir.path());
    BROKER.truncate(topic, 0, 640);
    let resume = |topic: &str, partition: i32| Some(Position::new(topic, partition, 50));
    let shop = start(topic, Arc::new(Dir::new(dir.path())), Gaps::Refuse, Arc::new(resume));
    shop.wait_live();
    shop.wait_position(topic, 0, 700);
    let view = shop.source_view();
    assert_eq!(view.ignored["partition_restarted"], 1);
    let note = view.note.unwrap_or_default();
    assert_eq!(note, "offsets that were deleted before they were read: lost-beyond/0 from 600 to 639");
    shop.engine.stop().unwrap();
}

#[test]
fn a_partition_whose_first_records_are_nowhere_is_read_and_named() {
    let (topic, dir) = ("late-beginning", tempfile::tempdir().unwrap());
    BROKER.create_topic(topic, 2);
    produce(topic, 0, 0, 100);
    produce(topic, 1, 0, 50);
    BROKER.truncate(topic, 0, 30);
    archive(topic, dir.path());
    produce(topic, 0, 100, 20);
    BROKER.truncate(topic, 0, 60);
    let shop = start(topic, Arc::new(Dir::new(dir.path())), Gaps::Refuse, nothing_kept());
    shop.wait_live();
    shop.wait_position(topic, 0, 120);
    shop.wait_position(topic, 1, 50);
    let view = shop.source_view();
    assert_eq!(view.accepted, 90 + 50);
    let note = view.note.unwrap_or_default();
    assert_eq!(note, "late-beginning/0 begins at 30: the records before are neither in the archive nor in the topic");
    shop.engine.stop().unwrap();
}

#[test]
fn an_archive_that_is_away_is_waited_for_with_its_reason() {
    let (topic, dir) = ("archive-away", tempfile::tempdir().unwrap());
    prepare(topic, dir.path());
    let expected = whole(topic);
    BROKER.truncate(topic, 0, 250);
    let store = Arc::new(FaultyStore::new(dir.path()));
    store.refuse_lists(true);
    let shop = start(topic, store.clone(), Gaps::Refuse, nothing_kept());
    shop.wait_retrying("archive-away/0 begins in the archive, which cannot be read: cannot list");
    // This one still has its first record, and needs no archive.
    shop.wait_position(topic, 1, 500);
    store.refuse_reads(true);
    store.refuse_lists(false);
    shop.wait_retrying("archive-away/0 cannot be read from the archive: cannot read archive-away/");
    store.refuse_reads(false);
    expect_all(&shop, topic, &expected, 1200);
    shop.engine.stop().unwrap();
}

#[test]
fn an_archive_that_is_being_listed_is_no_trouble() {
    let (topic, dir) = ("being-listed", tempfile::tempdir().unwrap());
    prepare(topic, dir.path());
    let expected = whole(topic);
    BROKER.truncate(topic, 0, 250);
    let store = Arc::new(FaultyStore::new(dir.path()));
    store.hold_lists(true);
    let shop = start(topic, store.clone(), Gaps::Refuse, nothing_kept());
    wait_until(SOON, "the archive is listed", || store.lists() > 0);
    shop.wait_position(topic, 1, 500);
    assert_eq!(shop.source_view().state, State::CatchingUp);
    store.hold_lists(false);
    expect_all(&shop, topic, &expected, 1200);
    shop.engine.stop().unwrap();
}

#[test]
fn a_file_that_cannot_be_read_is_named_until_it_can() {
    let (topic, dir) = ("a-damaged-file", tempfile::tempdir().unwrap());
    prepare(topic, dir.path());
    let expected = whole(topic);
    BROKER.truncate(topic, 0, 250);
    let store = Arc::new(FaultyStore::new(dir.path()));
    store.garble_reads(true);
    let shop = start(topic, store.clone(), Gaps::Refuse, nothing_kept());
    shop.wait_retrying("a-damaged-file/0 cannot be read from the archive: a-damaged-file/");
    // It is tried again some times.
    let (named, lists) = (shop.source_view().state, store.lists());
    wait_until(SOON, "the archive is listed three times more", || {
        assert_eq!(shop.source_view().state, named);
        store.lists() >= lists + 3
    });
    store.garble_reads(false);
    expect_all(&shop, topic, &expected, 1200);
    shop.engine.stop().unwrap();
}

#[test]
fn a_start_from_a_position_in_the_archive_goes_on_there() {
    let (topic, dir) = ("kept-positions", tempfile::tempdir().unwrap());
    prepare(topic, dir.path());
    BROKER.truncate(topic, 0, 250);
    BROKER.truncate(topic, 1, 300);
    // The first was read from the archive: no record of the topic confirms it. The second was read up to records that the
    // topic has deleted since.
    let kept = |partition: i32| if partition == 0 { 300 } else { 120 };
    let resume = move |topic: &str, partition: i32| Some(Position::new(topic, partition, kept(partition)));
    let shop = start(topic, Arc::new(Dir::new(dir.path())), Gaps::Refuse, Arc::new(resume));
    shop.wait_live();
    shop.wait_position(topic, 0, 700);
    shop.wait_position(topic, 1, 500);
    assert_eq!(shop.source_view().accepted, 400 + 380);
    shop.engine.stop().unwrap();
}

#[test]
fn what_was_archived_while_the_archive_was_read_is_read_there_as_well() {
    let (topic, dir) = ("meanwhile", tempfile::tempdir().unwrap());
    prepare(topic, dir.path());
    BROKER.truncate(topic, 0, 250);
    let store = Arc::new(FaultyStore::new(dir.path()));
    store.hold_reads(true);
    let shop = start(topic, store.clone(), Gaps::Refuse, nothing_kept());
    wait_until(SOON, "a file of the archive is asked for", || store.is_holding());
    // The archive grows, and the topic loses what the list of the archive did not have.
    archive(topic, dir.path());
    let expected = whole_of(topic, dir.path());
    BROKER.truncate(topic, 0, 680);
    store.hold_reads(false);
    expect_all(&shop, topic, &expected, 1200);
    shop.engine.stop().unwrap();
}

/// What a source shows that reads the archive and the topic as they are.
fn whole_of(topic: &str, dir: &Path) -> Viewed {
    let shop = start(topic, Arc::new(Dir::new(dir)), Gaps::Refuse, nothing_kept());
    shop.wait_live();
    for partition in 0..2 {
        shop.wait_position(topic, partition, BROKER.watermarks(topic, partition).1);
    }
    let viewed = viewed(&shop);
    shop.engine.stop().unwrap();
    viewed
}
