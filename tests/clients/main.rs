//! The API as others use it, with the real program: clients, the Postman collection, and the OpenAPI document itself.
//!
//! ```text
//! vitrine serve ─▶ /openapi.json ─▶ clients/generator ─▶ models, operations, collection: stale?
//!       ▲
//!       ├── python -m unittest    clients/python, clients/generator
//!       ├── node --test           clients/typescript, compiled
//!       ├── newman                docs/postman
//!       └── schemathesis          every operation of the document
//! ```
//! The program is started once for each test, on files in a temporary directory. `VITRINE_UPDATE_FILES=1` writes the
//! generated files instead of checking them.

mod program;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use harness::postgres::Server;
use harness::{Process, node_program, python_program};
use program::{PATIENCE, Program};

/// A path in the checkout.
fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Runs a command to its end, in a directory; panics with its output if it fails.
#[track_caller]
fn run(name: &str, mut command: Command, directory: &Path) {
    // Bytecode of Python would be written into the checkout.
    command.current_dir(directory).env("PYTHONDONTWRITEBYTECODE", "1");
    let mut process = Process::spawn(name, command);
    let status = process.wait_exit(PATIENCE);
    assert!(status.success(), "{name}: {status}\n{}\n{}", process.stdout(), process.stderr());
}

fn python(arguments: &[&str]) -> Command {
    let mut command = harness::clean(python_program("python"));
    command.args(arguments);
    command
}

/// mypy on directories, with what it knows from earlier runs.
fn mypy(cache: &Path, arguments: &[&str]) -> Command {
    let mut command = python(&["-m", "mypy", "--strict", "--cache-dir"]);
    command.arg(cache).args(arguments);
    command
}

/// The directory of what mypy knows from earlier runs. Each test has its own, because they run at the same time.
fn mypy_cache(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mypy-{name}"))
}

/// Compiles the client in TypeScript into a directory.
fn compile_typescript(out: &Path) {
    let mut command = harness::clean(node_program("tsc"));
    command.arg("-p").arg(checkout("clients/typescript")).arg("--outDir").arg(out);
    run("tsc", command, out);
}

#[test]
fn generated_files_are_those_of_the_document() {
    let program = Program::start();
    let mut command = python(&["clients/generator", &program.url("/openapi.json")]);
    if std::env::var_os("VITRINE_UPDATE_FILES").is_none() {
        command.arg("--check");
    }
    run("generator", command, &checkout(""));
}

#[test]
fn the_generator_is_ready_for_what_the_api_may_have_tomorrow() {
    let cache = mypy_cache("generator");
    let mut checked = mypy(&cache, &["."]);
    // The tests answer the generated client by the server of the client's own tests.
    checked.env("MYPYPATH", checkout("clients/python"));
    run("mypy", checked, &checkout("clients/generator"));
    let mut command = python(&["-m", "unittest", "discover", "-s", "tests"]);
    command.env("VITRINE_TSC", node_program("tsc"));
    command.env("VITRINE_MYPY_CACHE", cache);
    run("generator-tests", command, &checkout("clients/generator"));
}

#[test]
fn the_client_in_python_works_with_the_program() {
    let program = Program::start();
    run("mypy", mypy(&mypy_cache("python"), &["vitrine", "tests"]), &checkout("clients/python"));
    let mut command = python(&["-m", "unittest", "discover", "-s", "tests", "-t", "."]);
    command.env("VITRINE_URL", program.url("")).env("VITRINE_KEY", &program.key);
    run("python", command, &checkout("clients/python"));
}

#[test]
fn the_client_in_typescript_works_with_the_program() {
    let program = Program::start();
    let build = tempfile::tempdir().expect("a temporary directory");
    compile_typescript(build.path());
    // Node.js reads from the nearest manifest that the files are modules.
    std::fs::copy(checkout("clients/typescript/package.json"), build.path().join("package.json")).expect("a manifest");
    let mut command = harness::clean("node");
    let tests = ["transport", "program"].map(|name| checkout(&format!("clients/typescript/tests/{name}.test.mjs")));
    command.arg("--test").args(tests).env("VITRINE_CLIENT", build.path());
    command.env("VITRINE_URL", program.url("")).env("VITRINE_KEY", &program.key);
    run("node", command, build.path());
}

#[test]
fn every_request_of_the_postman_collection_is_accepted() {
    let program = Program::start();
    let mut command = harness::clean(node_program("newman"));
    command.arg("run").arg(checkout("docs/postman/vitrine.postman_collection.json"));
    command.args(["--color", "off", "--disable-unicode", "--env-var", &format!("url={}", program.url(""))]);
    command.args(["--env-var", &format!("key={}", program.key)]);
    run("newman", command, program.dir());
}

#[test]
fn the_program_does_what_its_document_says() {
    schemathesis(&Program::start(), &[]);
}

/// The paths of the rows.
const ROWS: &[&str] = &["--include-path-regex", "^/v1/(products|categories|users|purchases|import|export)"];

#[test]
fn rows_in_a_file_are_as_their_document_says() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    schemathesis(&Program::with_rows_in_a_file(dir.path()), ROWS);
}

#[test]
fn rows_in_a_database_are_as_their_document_says() {
    let server = Server::start();
    schemathesis(&Program::with_rows_in(&server), ROWS);
}

/// Asks the program for everything that its document describes, and for what the document forbids.
#[track_caller]
fn schemathesis(program: &Program, options: &[&str]) {
    let directory = checkout("tests/clients/schemathesis");
    let mut command = harness::clean(python_program("schemathesis"));
    command.arg("--config-file").arg(directory.join("schemathesis.toml"));
    command.args([OsStr::new("run"), OsStr::new(&program.url("/openapi.json")), OsStr::new("--continue-on-failure")]);
    command.args(["--header", &format!("X-API-Key: {}", program.key)]).args(options);
    command.env("SCHEMATHESIS_HOOKS", directory.join("hooks.py"));
    command.env("VITRINE_URL", program.url("")).env("VITRINE_KEY", &program.key);
    // It writes what it remembers into the current directory.
    run("schemathesis", command, program.dir());
    program.assert_healthy();
}

#[test]
fn the_devcontainer_is_set_up_as_the_readme_says() {
    let read = |path: &str| std::fs::read_to_string(checkout(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let container: serde_json::Value =
        serde_json::from_str(&read(".devcontainer/devcontainer.json")).expect("the file is JSON");
    let command = container["postCreateCommand"].as_str().expect("a command");
    let readme = read("README.md");
    assert!(readme.lines().any(|line| line.split('#').next().is_some_and(|code| code.trim() == command)), "{command}");
    let image = container["image"].as_str().expect("an image");
    let channel = read("rust-toolchain.toml").parse::<toml::Table>().expect("TOML")["toolchain"]["channel"].clone();
    let channel = channel.as_str().expect("a version").trim_end_matches(".0").to_owned();
    assert!(image.ends_with(&format!(":{channel}-bookworm")), "{image} has another toolchain than {channel}");
}
