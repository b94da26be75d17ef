//! The protocol of S3, spoken by moto's server: objects, a missing bucket, keys that are wrong, expire and are replaced, a server
//! that is away, hangs or is too busy.

mod faulty_server;

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use archive::status::SharedStatus;
use archive::store::{Bucket, Object, Store as _};
use archive::verify::{survey, verify};
use archive::{Archiver, Now, Settings, Share, Target};
use harness::proxy::Proxy;
use harness::{Dice, Process, free_port, replace_file, wait_until};

use crate::memory_log::MemoryLog;

const DEADLINE: Duration = Duration::from_secs(180);

/// Longer than moto takes for a request on a busy machine.
const PATIENT: Duration = Duration::from_secs(60);

const SERVER: &str = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])";

struct Moto {
    process: Process,
    endpoint: String,
}

impl Moto {
    fn start(port: u16) -> Moto {
        let mut command = Command::new(harness::python_program("python"));
        command.args(["-c", SERVER, &port.to_string()]);
        let process = Process::spawn("moto", command);
        let endpoint = format!("http://127.0.0.1:{port}");
        let moto = Moto { process, endpoint };
        wait_until(DEADLINE, "moto listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        moto
    }

    fn create_bucket(&self, name: &str) {
        let script = "import sys, boto3; boto3.client('s3', endpoint_url=sys.argv[1], region_name='us-east-1', \
                      aws_access_key_id='a', aws_secret_access_key='b').create_bucket(Bucket=sys.argv[2])";
        let output = Command::new(harness::python_program("python"))
            .args(["-c", script, &self.endpoint, name])
            .output()
            .expect("Python starts");
        assert!(output.status.success(), "{}", harness::stderr(&output));
    }
}

fn names(objects: Vec<Object>) -> Vec<String> {
    objects.into_iter().map(|object| object.name).collect()
}

#[test]
fn objects_are_written_listed_read_and_removed() {
    let port = free_port();
    let moto = Moto::start(port);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let credentials = dir.path().join("credentials");
    let settings = Settings {
        endpoint: Some(moto.endpoint.clone()),
        credentials: Some(credentials.clone()),
        timeout: PATIENT,
        ..Settings::default()
    };
    let Some(Target::Bucket { bucket, prefix }) = Target::parse("s3://shop-events/vitrine/one") else {
        panic!("a bucket")
    };
    let store = Bucket::new(&settings, bucket, prefix).expect("a client");

    let error = store.list("").expect_err("there are no credentials").to_string();
    assert!(error.contains("credentials in") && error.contains("s3://shop-events/vitrine/one"), "{error}");
    fs::write(&credentials, "[default]\naws_access_key_id = a\n").expect("a file");
    let error = store.list("").expect_err("half of the credentials").to_string();
    assert!(error.contains("aws_secret_access_key"), "{error}");
    fs::write(&credentials, "[default]\naws_access_key_id = a\naws_secret_access_key = b\n").expect("a file");
    let error = store.put("views/1", "x".into()).expect_err("there is no bucket").to_string();
    assert!(error.contains("NoSuchBucket") || error.contains("404"), "{error}");

    moto.create_bucket("shop-events");
    assert_eq!(store.list("views/").expect("an empty list"), vec![]);
    let name = "views/date=2026-11-29/hour=05/3-0-9.parquet";
    store.put(name, "first".into()).expect("it is written");
    store.put(name, "second".into()).expect("it is replaced");
    store.put("views2/x", "other".into()).expect("it is written");
    assert_eq!(store.list("views/").expect("a list"), [Object { name: name.into(), bytes: 6 }]);
    assert_eq!(names(store.list("").expect("a list")), [name, "views2/x"]);
    assert_eq!(store.get(name).expect("it is there"), "second");
    let (bytes, version) = store.read(name).expect("the bucket answers").expect("it is there");
    assert_eq!((bytes, &store.versions("views/").expect("a list")[0].1), ("second".into(), &version));
    assert!(store.replace(name, "third".into(), &version).expect("the bucket answers"));
    assert!(!store.replace(name, "fourth".into(), &version).expect("the bucket answers"), "it has another version");
    let (bytes, version) = store.read(name).expect("the bucket answers").expect("it is there");
    assert_eq!(bytes, "third");
    store.remove(name).expect("it is removed");
    assert!(!store.replace(name, "fourth".into(), &version).expect("the bucket answers"), "it stays removed");
    assert_eq!(store.read(name), Ok(None));
    store.remove(name).expect("it was not there");
    assert!(store.get(name).is_err());

    drop(moto.process);
    let error = store.put(name, "x".into()).expect_err("the server is away").to_string();
    assert!(error.contains("cannot write s3://shop-events/vitrine/one/views/"), "{error}");
    let moto = Moto::start(port);
    moto.create_bucket("shop-events");
    store.put(name, "x".into()).expect("the server is back");
}

/// Refuses the old keys as expired and unknown ones as wrong, and is too busy for the new ones.
fn busy_or_refusing(head: &str) -> (u16, &'static str) {
    let has_keys = |name: &str| head.contains(&format!("Credential={name}/"));
    if has_keys("new") {
        (503, "SlowDown")
    } else if has_keys("old") {
        (403, "ExpiredToken")
    } else {
        (403, "InvalidAccessKeyId")
    }
}

#[test]
fn a_store_that_hangs_refuses_or_has_no_bucket_is_named_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let credentials = dir.path().join("credentials");
    let write_keys = |name: &str| {
        let keys = format!("aws_access_key_id = {name}\naws_secret_access_key = b\n");
        // The store reads it meanwhile.
        replace_file(&credentials, keys);
    };
    write_keys("old");
    let (moto_port, faulty_port) = (free_port(), faulty_server::start(busy_or_refusing));
    let moto = Moto::start(moto_port);
    let proxy = Proxy::start(moto_port);
    let settings = Settings {
        endpoint: Some(format!("http://127.0.0.1:{}", proxy.port())),
        credentials: Some(credentials.clone()),
        timeout: Duration::from_secs(5),
        rate_mb_max: 0,
        ..Settings::default()
    };
    let bucket = |settings: &Settings| Bucket::new(settings, "shop-events".into(), String::new()).expect("a client");
    let patient = bucket(&Settings { timeout: PATIENT, ..settings.clone() });
    let store = Arc::new(bucket(&settings));
    let log = MemoryLog::new(&mut Dice::new(23), 2);
    log.complete();
    let status = SharedStatus::default();
    let mut archiver = Archiver::new(settings, Share::ALL, store.clone(), log.clone(), status.clone());
    let mut second = 0;
    // Half a minute passes between two turns, so that no pause is waited for.
    let mut turn = || {
        second += 31;
        archiver.turn(Now { since_start: Duration::from_secs(second), wall_ms: crate::memory_log::END_MS });
        status.get().trouble
    };
    let mut wait_for_trouble = |what: &str, is_named: fn(&str) -> bool| {
        wait_until(DEADLINE, what, || {
            turn().is_some_and(|trouble| trouble.contains("cannot list s3://shop-events/") && is_named(&trouble))
        });
    };
    wait_for_trouble("the missing bucket is named", |trouble| trouble.contains("404"));
    proxy.stall();
    wait_for_trouble("the silence is named", |trouble| !trouble.contains("404"));
    proxy.resume();
    proxy.redirect(faulty_port);
    proxy.reset();
    wait_for_trouble("the expired keys are named", |trouble| trouble.contains("ExpiredToken"));
    write_keys("mistyped");
    wait_for_trouble("the wrong keys are named", |trouble| trouble.contains("InvalidAccessKeyId"));
    write_keys("new");
    wait_for_trouble("the new keys are used", |trouble| trouble.contains("503"));
    proxy.redirect(moto_port);
    proxy.reset();
    moto.create_bucket("shop-events");
    wait_until(DEADLINE, "everything is archived", || turn().is_none() && status.get().records > 0);
    // Once more, in the middle of the writing.
    proxy.redirect(faulty_port);
    proxy.reset();
    let before = status.get().failures;
    wait_until(DEADLINE, "nothing waits, or writing fails", || {
        turn();
        status.get().failures > before || status.get().partitions.values().all(|partition| partition.lag() == 0)
    });
    proxy.redirect(moto_port);
    proxy.reset();
    for _ in 0..200 {
        turn();
    }
    wait_until(DEADLINE, "what was read is written", || archiver.flush(|| true));
    let survey = survey(&patient).expect("the bucket answers");
    let mut rows = 0;
    for (id, report) in verify(&patient, &survey, |_| ()).expect("the bucket answers") {
        assert_eq!(report.problems, Vec::<String>::new(), "{id}");
        rows += report.rows;
    }
    assert_eq!(rows, log.written().len() as u64);
}

#[test]
fn the_same_refusal_has_the_same_reason_each_time() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let credentials = dir.path().join("credentials");
    fs::write(&credentials, "aws_access_key_id=new\naws_secret_access_key=b\n").expect("a file");
    let settings = Settings {
        endpoint: Some(format!("http://127.0.0.1:{}", faulty_server::start(busy_or_refusing))),
        credentials: Some(credentials),
        timeout: PATIENT,
        ..Settings::default()
    };
    let store = Bucket::new(&settings, "shop-events".into(), String::new()).expect("a client");
    let refusal = || store.put("views/1", "x".into()).expect_err("the server is busy").to_string();
    let reason = refusal();
    assert!(reason.contains("503") && reason.ends_with(": SlowDown"), "{reason}");
    assert_eq!(refusal(), reason);
}

#[test]
fn an_encrypted_connection_is_tried_and_its_failure_is_named() {
    let settings = Settings {
        endpoint: Some(format!("https://127.0.0.1:{}", free_port())),
        timeout: Duration::from_secs(5),
        ..Settings::default()
    };
    let dir = tempfile::tempdir().expect("a temporary directory");
    let credentials = dir.path().join("credentials");
    fs::write(&credentials, "aws_access_key_id=a\naws_secret_access_key=b\n").expect("a file");
    let settings = Settings { credentials: Some(credentials), ..settings };
    let store = Bucket::new(&settings, "shop-events".into(), String::new()).expect("a client");
    let error = store.get("views/1").expect_err("nobody listens").to_string();
    assert!(error.contains("cannot read s3://shop-events/views/1"), "{error}");
}
