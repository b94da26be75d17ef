//! The contract of destinations, for a real topic and a real table: the same steps, read back by other clients.

mod broken_tables;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::kafka::Broker;
use harness::postgres::{self, Server};
use harness::wait_until;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use sinks::copies::kafka::Topic;
use sinks::copies::postgres::Table;
use sinks::copies::{
    CopiedRow, Destination, DestinationError, Digest, FoundList, KafkaCopy, ListChange, ListName, PostgresCopy,
    Presence, digest,
};

const SOON: Duration = Duration::from_secs(120);

/// More lists than a page and a transaction have.
const MANY: usize = 4000;

/// The lists of a destination, as another client reads them.
type Contents = BTreeMap<String, Vec<CopiedRow>>;

/// A service with a destination.
trait Service {
    /// A destination in a new process.
    fn open(&self) -> Box<dyn Destination>;

    /// The lists that are there.
    fn contents(&self) -> Contents;

    /// Somebody changes the first product of a list.
    fn edit(&self, list: &str);

    /// Somebody writes under a name of their own.
    fn write_foreign(&self, name: &str);
}

fn row(product: &str, value: Option<f64>) -> CopiedRow {
    CopiedRow { product: product.into(), value }
}

fn change(name: &str, rows: Vec<CopiedRow>) -> ListChange {
    ListChange { name: ListName::parse(name).expect("the name of a list"), rows, as_of: 1_796_000_000_123 }
}

/// Everything in a destination.
fn read(destination: &mut dyn Destination) -> BTreeMap<String, Option<Digest>> {
    // A topic that was just made is known to the broker a moment later.
    wait_until(SOON, "the destination can be used", || destination.begin().is_ok());
    let (mut all, mut page) = (Vec::new(), Vec::new());
    while destination.page(&mut page).expect("the destination can be read") {
        all.append(&mut page);
    }
    all.append(&mut page);
    let lists = all.len();
    let found: BTreeMap<_, _> = all.into_iter().map(|FoundList { name, digest }| (name, digest)).collect();
    assert_eq!(found.len(), lists, "each list once");
    found
}

fn digests(contents: &Contents) -> BTreeMap<String, Option<Digest>> {
    contents.iter().map(|(name, rows)| (name.clone(), Some(digest(rows)))).collect()
}

fn keeps_the_contract(service: &impl Service) {
    let mut destination = service.open();
    assert_eq!(read(&mut *destination), BTreeMap::new(), "it is made, and empty");
    let mean = Some(16.0 / 3.0);
    let mut expected = Contents::from([
        ("bestsellers".into(), vec![row("p-1", Some(12.0)), row("\u{e9}\u{1f600} \"'", Some(3.0))]),
        ("history/u/1".into(), vec![row("p-1", Some(1_796_000_000_123.0)), row("p-2", mean), row("p-3", None)]),
        ("category/B".into(), vec![row("p-9", Some(0.0))]),
        ("category/a".into(), vec![row("p-9", Some(1.0))]),
    ]);
    let changes = |contents: &Contents| -> Vec<ListChange> {
        contents.iter().map(|(name, rows)| change(name, rows.clone())).collect()
    };
    destination.write(&changes(&expected)).expect("lists are written");
    assert_eq!(service.contents(), expected);
    assert_eq!(read(&mut *destination), digests(&expected));

    expected.insert("history/u/1".into(), vec![row("p-4", None)]);
    expected.insert("category/B".into(), vec![row("p-9", Some(0.0)), row("p-8", Some(0.0))]);
    let mut next = changes(&expected);
    next.push(change("bestsellers", Vec::new()));
    next.retain(|change| change.name != ListName::BestSellers || change.rows.is_empty());
    expected.remove("bestsellers");
    destination.write(&next).expect("lists are written");
    assert_eq!(service.contents(), expected);
    // The process is killed.
    drop(destination);
    let mut destination = service.open();
    assert_eq!(read(&mut *destination), digests(&expected));

    service.edit("category/a");
    service.write_foreign("foreign");
    let found = read(&mut *destination);
    assert_ne!(found["category/a"], digests(&expected)["category/a"], "the edit is noticed");
    assert!(found.contains_key("foreign"));
    destination.write(&[change("category/a", expected["category/a"].clone())]).expect("a list is written");
    let mut found = read(&mut *destination);
    found.remove("foreign");
    assert_eq!(found, digests(&expected));

    let many: Contents = (0..MANY)
        .map(|user| (format!("history/{user}"), (0..user % 9 + 1).map(|at| row(&format!("p-{at}"), None)).collect()))
        .collect();
    for batch in changes(&many).chunks(1000) {
        destination.write(batch).expect("lists are written");
    }
    let mut found = read(&mut *destination);
    found.remove("foreign");
    expected.extend(many);
    assert_eq!(found, digests(&expected));
}

/// A table, in a database of its own.
struct TableService {
    url: String,
    settings: PostgresCopy,
}

impl TableService {
    fn new(server: &Server, table: &str) -> TableService {
        let settings = PostgresCopy { table: Some(table.into()), ..PostgresCopy::default() };
        TableService { url: server.create_database(table), settings }
    }

    fn table(&self) -> Table {
        Table::new(&self.settings, &self.url).expect("a sound connection string").expect("a table is named")
    }
}

impl Service for TableService {
    fn open(&self) -> Box<dyn Destination> {
        Box::new(self.table())
    }

    fn contents(&self) -> Contents {
        let rows = postgres::connect(&self.url)
            .query("SELECT list, position, product, value FROM lists ORDER BY list, position", &[])
            .expect("the table is there");
        let mut contents = Contents::new();
        for found in rows {
            let list = contents.entry(found.get(0)).or_default();
            list.push(row(found.get(2), found.get(3)));
            assert_eq!(usize::try_from(found.get::<_, i32>(1)), Ok(list.len()), "positions have no gap");
        }
        contents
    }

    fn edit(&self, list: &str) {
        let sql = format!("UPDATE lists SET product = 'edited' WHERE list = '{list}' AND position = 1");
        postgres::execute(&self.url, &sql);
    }

    fn write_foreign(&self, name: &str) {
        let sql = format!("INSERT INTO lists VALUES ('{name}', 1, 'p', NULL, now())");
        postgres::execute(&self.url, &sql);
    }
}

/// A topic of a broker.
struct TopicService {
    broker: Broker,
    settings: KafkaCopy,
}

impl TopicService {
    fn new(topic: &str) -> TopicService {
        let settings = KafkaCopy { topic: Some(topic.into()), partitions: 3, ..KafkaCopy::default() };
        TopicService { broker: Broker::start(), settings }
    }

    fn topic(&self) -> Topic {
        Topic::new(&self.settings, &self.broker.client_config(), 0).expect("a topic is named")
    }

    fn name(&self) -> &str {
        self.settings.topic.as_deref().expect("a topic is named")
    }

    /// Writes a record as another program does.
    fn write(&self, partition: Option<i32>, key: &str, value: Option<&str>) {
        let producer: BaseProducer = self.broker.producer(&[("partitioner", "murmur2_random")]);
        let mut record = BaseRecord::<str, str>::to(self.name()).key(key);
        (record.partition, record.payload) = (partition, value);
        producer.send(record).expect("there is room");
        producer.flush(SOON).expect("the broker answers");
    }
}

impl Service for TopicService {
    fn open(&self) -> Box<dyn Destination> {
        Box::new(self.topic())
    }

    fn contents(&self) -> Contents {
        let mut contents = Contents::new();
        for record in self.broker.consume_all(self.name()) {
            let key = String::from_utf8(record.key).expect("a name");
            if record.payload.is_empty() {
                contents.remove(&key);
                continue;
            }
            let value: serde_json::Value = serde_json::from_slice(&record.payload).expect("JSON");
            assert_eq!((value["list"].as_str(), value["as_of"].as_u64()), (Some(&*key), Some(1_796_000_000_123)));
            let rows = value["rows"].as_array().expect("rows").iter();
            let rows = rows.map(|found| row(found["product"].as_str().expect("a product"), found["value"].as_f64()));
            contents.insert(key, rows.collect());
        }
        contents
    }

    fn edit(&self, list: &str) {
        self.write(None, list, Some(&format!(r#"{{"list":"{list}","as_of":1,"rows":[{{"product":"edited"}}]}}"#)));
    }

    fn write_foreign(&self, name: &str) {
        self.write(None, name, Some("anything"));
    }
}

#[test]
fn a_table_keeps_the_contract_and_other_columns_are_refused() {
    let server = Server::start();
    let service = TableService::new(&server, "lists");
    keeps_the_contract(&service);

    // Rows that are equal are not written again.
    let mut table = service.table();
    table.begin().expect("the table can be used");
    table.write(&[change("similar/a", vec![row("p-1", None), row("p-2", None)])]).expect("a list is written");
    let versions = || -> Vec<String> {
        let rows = postgres::connect(&service.url)
            .query("SELECT xmin::text FROM lists WHERE list = 'similar/a' ORDER BY position", &[])
            .expect("the table is there");
        rows.iter().map(|row| row.get(0)).collect()
    };
    let before = versions();
    table.write(&[change("similar/a", vec![row("p-1", None), row("p-3", None)])]).expect("a list is written");
    assert!(versions()[0] == before[0] && versions()[1] != before[1]);

    postgres::execute(&service.url, "ALTER TABLE lists DROP COLUMN value");
    let error = table.begin().expect_err("a column is missing");
    let DestinationError::Unfit { problem, sql, .. } = error else { panic!("{error}") };
    assert_eq!(problem, "there is no column value");
    postgres::execute(&service.url, &sql);
    postgres::execute(&service.url, "ALTER TABLE lists DROP CONSTRAINT lists_pkey, ALTER product TYPE varchar(20)");
    let error = table.begin().expect_err("the key is missing");
    let DestinationError::Unfit { problem, sql, .. } = error else { panic!("{error}") };
    assert_eq!(problem, "column product is character varying and not text, (list, position) is not unique");
    postgres::execute(&service.url, &sql);
    table.begin().expect("the statement has mended the table");
    assert_eq!(table.inspect(), Ok(Presence::Present));
    broken_tables::times_that_are_lost_are_put_right(&service, &mut table);
    broken_tables::rows_that_are_there_twice_are_removed(&service, &mut table);
    broken_tables::a_view_is_no_table(&service);
    broken_tables::rows_without_a_name_are_removed(&server);
    broken_tables::what_refuses_rows_is_dropped(&server);
    broken_tables::rights_that_are_lacking_are_named(&service);

    let settings = PostgresCopy { table: Some("none.lists".into()), ..PostgresCopy::default() };
    let mut table = Table::new(&settings, &service.url).expect("a sound connection string").expect("a table is named");
    let error = table.inspect().expect_err("there is no such schema");
    assert_eq!(table.begin().expect_err("there is no such schema"), error);
    let error = error.advice();
    assert!(error.contains("CREATE TABLE IF NOT EXISTS \"none\".\"lists\""), "{error}");
    drop(server);
    table.disconnect();
    assert!(matches!(table.begin(), Err(DestinationError::Away { .. })));
}

#[test]
fn a_topic_keeps_the_contract_and_one_that_forgets_lists_is_refused() {
    let service = TopicService::new("lists");
    keeps_the_contract(&service);

    // An earlier process is killed within a transaction: nothing of it is seen, and nothing waits for it.
    let killed: BaseProducer =
        service.broker.producer(&[("transactional.id", "vitrine-copy-lists-0"), ("transaction.timeout.ms", "300000")]);
    killed.init_transactions(SOON).expect("the broker answers");
    killed.begin_transaction().expect("there is none yet");
    let record = BaseRecord::<str, str>::to("lists").key("bestsellers").partition(0).payload("torn");
    killed.send(record).expect("there is room");
    killed.flush(SOON).expect("the broker answers");
    let start = Instant::now();
    let mut topic = service.topic();
    let found = read(&mut topic);
    assert!(!found.contains_key("bestsellers") && found.len() > MANY && start.elapsed() < SOON);

    // A list in another partition than its key names is removed there.
    let value = r#"{"list":"similar/stray","as_of":1,"rows":[]}"#;
    (0..3).for_each(|partition| service.write(Some(partition), "similar/stray", Some(value)));
    assert!(read(&mut topic).contains_key("similar/stray"));
    let records = service.broker.consume_all("lists");
    let strays: Vec<_> = records.iter().filter(|record| record.key == b"similar/stray").collect();
    let tombstones: Vec<i32> =
        strays.iter().filter(|record| record.payload.is_empty()).map(|record| record.partition).collect();
    assert_eq!((strays.len(), tombstones.len()), (5, 2), "two are removed, the one in its own partition stays");
    read(&mut topic);
    assert_eq!(service.broker.consume_all("lists").len(), records.len(), "and each is removed once");

    service.broker.create_topic("plain", 1);
    let settings = KafkaCopy { topic: Some("plain".into()), ..KafkaCopy::default() };
    let mut plain = Topic::new(&settings, &service.broker.client_config(), 0).expect("a topic is named");
    let error = plain.begin().expect_err("the topic is not compacted");
    assert_eq!(error, DestinationError::Policy { topic: "plain".into(), policy: "delete".into() });
    assert_eq!(plain.inspect(), Err(error.clone()));
    assert!(
        error.advice().contains("Run: kafka-configs.sh --alter --entity-type topics --entity-name plain "),
        "{error}"
    );
    assert_eq!(topic.inspect(), Ok(Presence::Present));
    let settings = KafkaCopy { topic: Some("not-there".into()), ..KafkaCopy::default() };
    let missing = Topic::new(&settings, &service.broker.client_config(), 0).expect("a topic is named");
    assert_eq!(missing.inspect(), Ok(Presence::Missing));
    assert_eq!(service.broker.partitions("not-there"), 0, "a check makes nothing");
}
