//! The real program on the files of a small shop, in a temporary directory.

use std::path::Path;
use std::time::Duration;

use harness::postgres::Server;
use harness::{Process, http, wait_for, wait_until};
use tempfile::TempDir;

/// More than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(900);

/// A running program; killed when it is dropped.
pub(crate) struct Program {
    process: Process,
    address: String,
    /// A key with every scope.
    pub(crate) key: String,
    dir: TempDir,
}

impl Program {
    /// Writes the shop's files, starts the program on them with all lists that need no trained model, and waits until it
    /// has read everything.
    #[track_caller]
    pub(crate) fn start() -> Program {
        Program::with(&[], true)
    }

    /// The same shop, with its catalogue and its purchases in a SQLite file.
    #[track_caller]
    pub(crate) fn with_rows_in_a_file(dir: &Path) -> Program {
        Program::with(&[&format!("store.path={}", dir.join("store.db").display())], true)
    }

    /// An empty shop, whose rows are in tables that Vitrine makes in the database. It takes no events.
    #[track_caller]
    pub(crate) fn with_rows_in(server: &Server) -> Program {
        Program::with(&[&format!("postgres.url={}", server.url()), "store.manage=true"], false)
    }

    #[track_caller]
    fn with(settings: &[&str], has_files: bool) -> Program {
        let dir = TempDir::with_prefix("vitrine-clients-").expect("a temporary directory");
        let (shop, keys) = (dir.path().join("shop"), dir.path().join("keys.toml"));
        succeed(vitrine().args(["generate", "--to", "files", "--dir"]).arg(&shop).args(SHOP));
        let scopes = SCOPES.iter().flat_map(|scope| ["--scope", scope]);
        let key = succeed(vitrine().args(["key", "create", "--name", "tests", "--file"]).arg(&keys).args(scopes));
        let mut command = vitrine();
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let files = has_files.then(|| format!("files.dir={}", shop.display()));
        for setting in files.as_deref().iter().chain(settings) {
            command.args(["--set", setting]);
        }
        command.args(["--set", &format!("auth.keys={}", keys.display())]);
        // On a busy machine a client is held up, and so is a tick.
        command.args(["--set", "server.header_timeout_ms=60000", "--set", "server.staleness_max_ms=60000"]);
        command.args(["--set", "models.co_views.enabled=on", "--set", "models.buy_again.enabled=on"]);
        command.args(["--set", "features.enabled=on", "--set", "shadow.enabled=on"]);
        let process = Process::spawn("vitrine", command);
        let address = wait_for(PATIENCE, "the program names its address", || address(&process.stderr()));
        let program = Program { process, address, key, dir };
        wait_until(PATIENCE, "the program is ready", || http::get(&program.url("/readyz")).status == 200);
        program
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A directory for what a test writes.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Asserts that no thread has panicked and that the lists are still current.
    #[track_caller]
    pub(crate) fn assert_healthy(&self) {
        wait_until(PATIENCE, "the program is ready", || http::get(&self.url("/readyz")).status == 200);
        let log = self.process.stderr();
        assert!(!log.contains("panicked") && !log.contains("ERROR"), "{log}");
    }
}

/// The size of the shop: every list has products.
const SHOP: [&str; 10] =
    ["--users", "200", "--products", "60", "--categories", "6", "--views", "3000", "--orders", "800"];

/// Every scope that a key can have.
const SCOPES: [&str; 5] = ["read", "events", "delete", "write", "admin"];

/// Runs a command that succeeds, and gives what it wrote to stdout.
#[track_caller]
fn succeed(command: &mut std::process::Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{}", harness::stderr(&output));
    harness::stdout(&output).trim_end().to_owned()
}

fn vitrine() -> std::process::Command {
    harness::clean(env!("CARGO_BIN_EXE_vitrine"))
}

/// The address in the line of the log that says where the program listens.
fn address(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("serving address=")?;
    rest.split_once(char::is_whitespace).map(|(address, _)| address.to_owned())
}
