//! An import whose process is killed at any moment: the store has all rows of the file, or those of before. And a disk that is
//! full: what was acknowledged is there, and nothing else.
//!
//! The program is its own child: with the argument `--import PATH` it imports stdin into the store at this path, with `--fill
//! PATH` it writes rows until the store takes no more.

#![allow(clippy::unwrap_used, reason = "these are tests, their helpers included")]

use std::io::{BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use vitrine_store::{
    Action, Bounds, Condition, FileContent, FileFormat, ImportMode, ImportRequest, Kind, Row, Settings, Store,
    StoreError, WriteRequest, sqlite,
};

const BEFORE: usize = 500;
const AFTER: usize = 40_000;

/// Kills while the file is read, spread over it.
const ROUNDS: usize = 8;

fn open(path: &Path) -> Arc<dyn Store> {
    sqlite::open(Settings { path: path.to_owned(), ..Settings::default() }).unwrap()
}

fn import(path: &Path, file: impl Read) {
    let request = ImportRequest {
        content: FileContent::Rows(Kind::Purchases),
        mode: ImportMode::Replace,
        format: FileFormat::Csv,
        map: Vec::new(),
        dry_run: false,
        bounds: Bounds { price_digits: 2, now: 1_795_000_000_000 },
    };
    assert!(open(path).import(&request, &mut BufReader::new(file)).unwrap().written);
}

/// Purchases of two lines each.
fn file(version: &str, purchases: usize) -> String {
    let records = (0..2 * purchases).map(|number| format!("{},{version},lamp\n", number % purchases));
    "order_id,customer,product\n".to_owned() + &records.collect::<String>()
}

/// The child that imports its stdin.
fn child(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("--import").arg(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

/// Writes requests of two rows until one is not taken, and prints how many were.
fn fill(path: &Path) {
    let (store, bounds) = (open(path), Bounds { price_digits: 2, now: 1_795_000_000_000 });
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
    let path = dir.path().join("store.db");
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
fn is_imported(path: &Path) -> bool {
    let (mut versions, mut count) = (Vec::new(), 0);
    open(path)
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

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, path] = &args[..]
        && flag == "--import"
    {
        import(Path::new(path), std::io::stdin());
        println!("done");
        return;
    }
    if let [_, flag, path] = &args[..]
        && flag == "--fill"
    {
        return fill(Path::new(path));
    }
    what_was_acknowledged_is_on_a_full_disk();
    let (before, after) = (file("before", BEFORE), file("after", AFTER));
    let mut imported = [0, 0];
    for round in 0..=ROUNDS + 1 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.db");
        import(&path, before.as_bytes());
        let mut child = child(&path);
        let mut stdin = child.stdin.take().unwrap();
        let sent = (after.len() * round / ROUNDS).min(after.len());
        stdin.write_all(&after.as_bytes()[..sent]).unwrap();
        if sent == after.len() {
            drop(stdin);
        }
        if round > ROUNDS {
            let mut said = String::new();
            child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
            assert_eq!(said, "done\n");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let is_imported = is_imported(&path);
        assert!(round >= ROUNDS || !is_imported, "the file was cut");
        assert!(round <= ROUNDS || is_imported, "the import was acknowledged");
        imported[usize::from(is_imported)] += 1;
    }
    println!("killed imports: {} left the rows as they were, {} were done", imported[0], imported[1]);
}
