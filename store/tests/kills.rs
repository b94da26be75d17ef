//! An import whose process, or whose database, is killed at any moment: the store has all rows of the file, or those of before.
//! And a disk that is full: what was acknowledged is there, and nothing else.
//!
//! The program is its own child: with the argument `--import PLACE` it imports stdin into the store at this place, with `--fill
//! PLACE` it writes rows until the store takes no more. A place is the path of a file or the address of a database.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

use std::io::{BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use harness::postgres::Server;
use postgres::{Client, NoTls};
use vitrine_store::postgres::{PgClient, PostgresStore};
use vitrine_store::{
    Action, Bounds, Condition, FileContent, FileFormat, ImportMode, ImportRequest, Kind, Row, Settings, Store,
    StoreError, WriteRequest, sqlite,
};

const BEFORE: usize = 500;
const AFTER: usize = 40_000;

/// Kills while the file is read, spread over it.
const ROUNDS: usize = 8;

/// The same for a database, which takes some seconds to start again.
const SERVER_ROUNDS: usize = 4;

fn open(place: &str) -> Arc<dyn Store> {
    if !place.starts_with("postgres") {
        return sqlite::open(Settings { path: place.into(), ..Settings::default() }).unwrap();
    }
    let url = place.to_owned();
    let connect = move |_| {
        let client = Client::connect(&url, NoTls).map_err(|error| error.to_string())?;
        Ok(Box::new(Box::new(client)) as PgClient)
    };
    let settings = Settings { manage: true, ..Settings::default() };
    Arc::new(PostgresStore::open(settings, Arc::new(connect), "postgres").unwrap())
}

fn import(place: &str, file: impl Read) {
    let request = ImportRequest {
        content: FileContent::Rows(Kind::Purchases),
        mode: ImportMode::Replace,
        format: FileFormat::Csv,
        map: Vec::new(),
        dry_run: false,
        bounds: Bounds { price_digits: 2, now: 1_795_000_000_000 },
    };
    assert!(open(place).import(&request, &mut BufReader::new(file)).unwrap().written);
}

/// Purchases of two lines each.
fn file(version: &str, purchases: usize) -> String {
    let records = (0..2 * purchases).map(|number| format!("{},{version},lamp\n", number % purchases));
    "order_id,customer,product\n".to_owned() + &records.collect::<String>()
}

/// The child that imports its stdin.
fn child(place: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--import").arg(place).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Writes requests of two rows until one is not taken, and prints how many were.
fn fill(place: &str) {
    let (store, bounds) = (open(place), Bounds { price_digits: 2, now: 1_795_000_000_000 });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let write = |kind: Kind, json: String| {
        let row = Row::from_json(kind, None, json.as_bytes(), &bounds).unwrap();
        vitrine_store::Write { kind, id: row.id().to_owned(), action: Action::Put(row), condition: Condition::Nothing }
    };
    let text = "x".repeat(20_000);
    for number in 0.. {
        let user = format!(r#"{{"user_id":"{number}"}}"#);
        let product = format!(r#"{{"product_id":"{number}","description":"{text}"}}"#);
        let writes = vec![write(Kind::Users, user), write(Kind::Products, product)];
        match runtime.block_on(store.write(WriteRequest { writes, repeatable: None, now: bounds.now })) {
            Ok(_) => {}
            Err(StoreError::Unavailable(_)) => return println!("{number}"),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// A store whose files may not grow beyond two megabytes: a disk that is full.
fn what_was_acknowledged_is_on_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db").display().to_string();
    let mut limited = Command::new("bash");
    // A write beyond the limit fails, instead of ending the process.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" --fill \"$1\""]);
    let output = limited.arg(std::env::current_exe().unwrap()).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert!(acknowledged > 10, "{acknowledged}");
    for kind in [Kind::Users, Kind::Products] {
        let mut count = 0;
        open(&path)
            .export(kind, &mut |_| {
                count += 1;
                true
            })
            .unwrap();
        assert_eq!(count, acknowledged, "{}", kind.name());
    }
    println!("a full disk: {acknowledged} requests were acknowledged, and are there");
}

/// Whether the store has the rows of the file; otherwise it has those of before.
fn is_imported(place: &str) -> bool {
    let (mut versions, mut count) = (Vec::new(), 0);
    open(place)
        .export(Kind::Purchases, &mut |row| {
            let Row::Purchase(purchase) = row else { panic!("{row:?}") };
            assert_eq!(purchase.lines.len(), 2);
            versions.push(purchase.user_id);
            versions.dedup();
            count += 1;
            true
        })
        .unwrap();
    let state = (versions.join(","), count);
    assert!(state == ("before".to_owned(), BEFORE) || state == ("after".to_owned(), AFTER), "{state:?}");
    count == AFTER
}

/// The part of the file that a child has read when it or its database is killed.
fn part(file: &str, round: usize, rounds: usize) -> &[u8] {
    &file.as_bytes()[..(file.len() * round / rounds).min(file.len())]
}

/// Kills the process that imports. `place` makes the place of each round.
fn killed_imports(home: &str, place: impl Fn(usize) -> String) {
    let (before, after) = (file("before", BEFORE), file("after", AFTER));
    let mut imported = [0, 0];
    for round in 0..=ROUNDS + 1 {
        let place = place(round);
        import(&place, before.as_bytes());
        let mut child = child(&place);
        let mut stdin = child.stdin.take().unwrap();
        let sent = part(&after, round, ROUNDS);
        stdin.write_all(sent).unwrap();
        if sent.len() == after.len() {
            drop(stdin);
        }
        if round > ROUNDS {
            let mut said = String::new();
            child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
            assert_eq!(said, "done\n");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let is_imported = is_imported(&place);
        assert!(round >= ROUNDS || !is_imported, "the file was cut");
        assert!(round <= ROUNDS || is_imported, "the import was acknowledged");
        imported[usize::from(is_imported)] += 1;
    }
    println!("killed imports, {home}: {} left the rows as they were, {} were done", imported[0], imported[1]);
}

/// Kills the database while a process imports into it.
fn killed_databases(server: &mut Server) {
    let (before, after) = (file("before", BEFORE), file("after", AFTER));
    let mut imported = [0, 0];
    for round in 0..=SERVER_ROUNDS {
        let place = server.create_database(&format!("killed_{round}"));
        import(&place, before.as_bytes());
        let mut child = child(&place);
        let mut stdin = child.stdin.take().unwrap();
        let sent = part(&after, round, SERVER_ROUNDS);
        stdin.write_all(sent).unwrap();
        server.kill9();
        drop(stdin);
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        server.restart();
        let is_imported = is_imported(&place);
        assert!(sent.len() == after.len() || !is_imported, "the file was cut");
        assert!(said != "done\n" || is_imported, "the import was acknowledged");
        imported[usize::from(is_imported)] += 1;
    }
    println!("killed databases: {} left the rows as they were, {} were done", imported[0], imported[1]);
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [flag, place] if flag == "--import" => {
            import(place, std::io::stdin());
            println!("done");
        }
        [flag, place] if flag == "--fill" => fill(place),
        _ => {
            what_was_acknowledged_is_on_a_full_disk();
            let dir = tempfile::tempdir().unwrap();
            killed_imports("SQLite", |round| dir.path().join(format!("{round}.db")).display().to_string());
            let mut server = Server::start();
            killed_imports("PostgreSQL", |round| server.create_database(&format!("round_{round}")));
            killed_databases(&mut server);
        }
    }
}
