//! One real PostgreSQL server on loopback, its cluster in a temporary directory.
//!
//! Further servers that stream from it are made in `postgres/standby.rs`.
//!
//! The server refuses to run as root: if the tests run as root, it runs as the user `postgres` of the package.

mod standby;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ::postgres::error::SqlState;
use ::postgres::{Client, NoTls};
use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;

use crate::certificates::Certified;
use crate::{Process, free_port, installed, wait_for, wait_until};

const BOOT_DEADLINE: Duration = Duration::from_secs(180);
const STOP_DEADLINE: Duration = Duration::from_secs(120);

/// A file in the server's directory, one setting per line.
const FURTHER_SETTINGS: &str = "settings";

/// A running server with `wal_level = logical`, any password accepted, and fsync off: for tests only.
/// Stopped and its cluster removed on drop.
#[derive(Debug)]
pub struct Server {
    process: Option<Process>,
    port: u16,
    // Declared after the process: fields drop in order, and a running server would write into a removed directory.
    dir: TempDir,
}

impl Server {
    /// Makes a fresh cluster, starts it on a free port and waits until it answers.
    #[track_caller]
    pub fn start() -> Server {
        let dir = own_dir();
        let mut initdb = server_program("initdb", dir.path());
        initdb.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"]);
        initdb.arg(dir.path().join("cluster"));
        Process::run_in("initdb", initdb, dir.path(), BOOT_DEADLINE);
        let mut server = Server { process: None, port: free_port(), dir };
        server.restart();
        server
    }

    /// The URL of the database `postgres`, as its superuser.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The URL of another database of this server, as its superuser.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Creates an empty database and returns its URL, so that tests can share a server.
    #[track_caller]
    pub fn create_database(&self, name: &str) -> String {
        self.execute(&format!("CREATE DATABASE \"{name}\""));
        self.url_of(name)
    }

    /// Runs SQL statements in the database `postgres`, on a connection of their own.
    #[track_caller]
    pub fn execute(&self, sql: &str) {
        execute(&self.url(), sql);
    }

    /// A connection to the database `postgres`.
    #[track_caller]
    pub fn client(&self) -> Client {
        connect(&self.url())
    }

    /// Sets settings (such as `max_wal_senders=0`) that override the usual settings of the tests' servers, from the
    /// next start on.
    #[track_caller]
    pub fn set(&self, settings: &[&str]) {
        fs::write(self.dir.path().join(FURTHER_SETTINGS), settings.join("\n")).expect("our own directory");
    }

    /// Gives the server a certificate, with which it speaks TLS from the next start on. [`Server::set`] takes it away.
    #[track_caller]
    pub fn certify(&self, Certified { pem, key }: &Certified) {
        let cluster = self.dir.path().join("cluster");
        for (name, text) in [("server.crt", pem), ("server.key", key)] {
            let path = cluster.join(name);
            fs::write(&path, text).expect("our own directory");
            // The server refuses a key that others may read.
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("our own file");
            if let Some((user, group)) = service_user() {
                chown(&path, Some(user), Some(group)).expect("root may give a file away");
            }
        }
        self.set(&["ssl=on"]);
    }

    /// Takes connections as these lines of `pg_hba.conf` say, from the next start on.
    #[track_caller]
    pub fn admit(&self, lines: &str) {
        fs::write(self.dir.path().join("cluster/pg_hba.conf"), lines).expect("our own directory");
    }

    /// Kills the server and its sessions at once (SIGKILL). The cluster stays for [`Server::restart`].
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Sessions are process groups of their own. They are killed after the parent, so that no session starts in
            // between.
            let sessions = children_of(process.pid());
            process.kill9();
            for session in sessions {
                // The session may have ended with its parent.
                let _ = kill_process(session, Signal::KILL);
            }
        }
    }

    /// Shuts the server down in order, its sessions disconnected (SIGINT). The cluster stays for [`Server::restart`].
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::INT);
            process.wait_exit(STOP_DEADLINE);
        }
    }

    /// Starts the server again on the same port and cluster, after stopping it if it still runs, and waits until it answers.
    #[track_caller]
    pub fn restart(&mut self) {
        self.stop();
        wait_until(BOOT_DEADLINE, "PostgreSQL answers", || {
            let url = self.url();
            let process = self.process.get_or_insert_with(|| spawn(self.dir.path(), self.port));
            if !process.is_running() {
                let words = process.last_words();
                // Sessions of a killed server take a moment to release its shared memory and its port; then the server
                // starts.
                let held = ["pre-existing shared memory block", "could not create any TCP/IP sockets"];
                assert!(held.iter().any(|reason| words.contains(reason)), "PostgreSQL has exited. {words}");
                self.process = None;
                return false;
            }
            match Client::connect(&url, NoTls) {
                Ok(_) => true,
                // It runs, and takes connections with TLS only.
                Err(error) => error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION),
            }
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Immediate shutdown: sessions go too, and no shared memory is left behind.
            process.signal(Signal::QUIT);
            if !std::thread::panicking() {
                process.wait_exit(STOP_DEADLINE);
            }
        }
    }
}

/// Connects to a server of the tests; panics if that fails.
#[track_caller]
pub fn connect(url: &str) -> Client {
    Client::connect(url, NoTls).unwrap_or_else(|error| panic!("cannot connect to {url}: {error}"))
}

/// Runs SQL statements on a connection of their own; panics with the SQL if it fails.
#[track_caller]
pub fn execute(url: &str, sql: &str) {
    let done = connect(url).batch_execute(sql);
    done.unwrap_or_else(|error| panic!("{error:?} in: {sql}"));
}

/// A temporary directory that the server may write to.
fn own_dir() -> TempDir {
    let dir = TempDir::with_prefix("vitrine-postgres-").expect("a temporary directory");
    if let Some((user, group)) = service_user() {
        chown(dir.path(), Some(user), Some(group)).expect("root may give a directory away");
    }
    dir
}

fn spawn(dir: &Path, port: u16) -> Process {
    let mut server = server_program("postgres", dir);
    server.arg("-D").arg(dir.join("cluster")).arg("-k").arg(dir);
    server.args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
    let settings = ["wal_level=logical", "max_replication_slots=100", "max_wal_senders=32", "fsync=off"];
    let further = fs::read_to_string(dir.join(FURTHER_SETTINGS)).unwrap_or_default();
    // If a setting is given twice, the server takes the later value.
    for setting in settings.into_iter().chain(further.lines()) {
        server.args(["-c", setting]);
    }
    Process::spawn_in("postgres", server, dir, "QUIT")
}

/// A command of the server's package, run as the user that owns the cluster.
fn server_program(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(installed::postgres_bin().join(name));
    // The caller's directory may be closed to that user.
    command.current_dir(dir);
    if let Some((user, group)) = service_user() {
        command.uid(user).gid(group);
    }
    command
}

/// The user and group ids of `postgres`, if the tests run as root.
fn service_user() -> Option<(u32, u32)> {
    if !getuid().is_root() {
        return None;
    }
    let passwd = fs::read_to_string("/etc/passwd").expect("a Linux system has users");
    let line = passwd.lines().find(|line| line.starts_with("postgres:"));
    let line = line.expect("there is no user postgres: run scripts/install");
    let mut ids = line.split(':').skip(2).map_while(|field| field.parse().ok());
    ids.next().zip(ids.next())
}

fn children_of(parent: u32) -> Vec<Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// Waits until a query of the test's own gives a row that satisfies it, such as a slot being active.
#[track_caller]
pub fn wait_for_row(client: &mut Client, deadline: Duration, sql: &str) -> ::postgres::Row {
    wait_for(deadline, sql, || client.query_opt(sql, &[]).expect("the test's query is valid"))
}
