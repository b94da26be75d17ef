//! The layout rules of the workspace as a test: rules that hold for every file and every manifest.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::{Table, Value};

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/documents.rs"]
mod documents;

const LINES_MAX: usize = 400;

/// For each package's directory, the packages of this workspace that it may use. No other edge exists.
const EDGES: [(&str, &[&str]); 17] = [
    (
        "",
        &[
            "archive",
            "checkpoints",
            "dataflow",
            "events",
            "models",
            "query-server",
            "recommend",
            "settings",
            "sinks",
            "sources",
            "store",
        ],
    ),
    ("archive", &["dataflow", "events", "settings", "sources"]),
    ("checkpoints", &["dataflow"]),
    ("events", &["dataflow"]),
    ("models", &["checkpoints", "settings"]),
    ("postgres-tls", &[]),
    ("query-server", &["dataflow", "recommend", "settings", "store"]),
    ("recommend", &["dataflow", "models", "settings"]),
    ("sinks", &["dataflow", "settings", "sources"]),
    ("sources", &["dataflow", "events", "kafka-batch", "postgres-tls", "settings", "store"]),
    ("store", &["settings"]),
    ("dataflow", &["settings"]),
    ("settings", &[]),
    ("kafka-batch", &[]),
    ("harness", &[]),
    ("benches", &["dataflow", "harness", "kafka-batch", "vitrine"]),
    ("simulation", &["checkpoints", "dataflow", "events", "sources"]),
];

/// The only package that does not have the lints of the workspace, which forbid `unsafe`.
const UNSAFE: &str = "kafka-batch";

/// The package that only tests and benchmarks may use.
const HARNESS: &str = "harness";

/// What the graph knows nothing of.
const OUTSIDE_DATAFLOW: [&str; 6] = ["rdkafka", "postgres", "hyper", "tokio", "serde_json", "SystemTime"];

/// Unfinished or switched-off code. Put together here, so that this file does not break its own rule.
const UNFINISHED: [&str; 5] = [
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("FIX", "ME"),
    concat!("#[ig", "nore"),
    concat!("allow(dead", "_code"),
];

/// Directories of one particular machine.
const MACHINE_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];

/// A call that lets a thread or a task sleep.
const SLEEP: &str = concat!("sle", "ep(");

/// Only this file may let a thread sleep while a test waits.
const MAY_SLEEP: &str = "harness/src/wait.rs";

#[test]
fn every_rust_file_keeps_the_rules() {
    let files = files();
    let rust = files.iter().filter(|(path, _)| path.ends_with(".rs"));
    let problems: Vec<String> = rust.flat_map(|(path, text)| rust_problems(path, text)).collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn no_file_names_a_directory_of_one_machine() {
    let files = files();
    let problems: Vec<String> = files.iter().flat_map(|(path, text)| lines_with(path, text, &MACHINE_PATHS)).collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn packages_use_each_other_only_along_the_allowed_edges() {
    let mut problems = Vec::new();
    for (directory, allowed) in EDGES {
        let path = root().join(directory).join("Cargo.toml");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        problems.extend(edge_problems(directory, allowed, &text.parse().expect("cargo has read it before us")));
    }
    let manifests = files().into_keys().filter(|path| path.ends_with("Cargo.toml")).count();
    assert_eq!(manifests, EDGES.len(), "a package is missing from the table of edges");
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn one_package_may_have_unsafe_code_and_it_uses_no_other() {
    let manifest = |directory: &str| -> Table {
        let path = root().join(directory).join("Cargo.toml");
        fs::read_to_string(path).expect("every package has one").parse().expect("cargo has read it before us")
    };
    assert_eq!(manifest("")["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for (directory, allowed) in EDGES {
        let shared = manifest(directory)["lints"].get("workspace").and_then(Value::as_bool) == Some(true);
        assert_eq!(shared, directory != UNSAFE, "{directory}/Cargo.toml: lints.workspace");
        assert!(directory != UNSAFE || allowed.is_empty());
    }
}

#[test]
fn modules_import_each_other_in_no_circle() {
    let files = files();
    let packages = EDGES.iter().map(|(directory, _)| *directory);
    let problems: Vec<String> = packages.flat_map(|directory| circles::problems(directory, &files)).collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn the_docker_image_is_built_from_all_that_cargo_and_the_dockerfile_need() {
    let files = files();
    let manifest: Table = files["Cargo.toml"].parse().expect("cargo has read it before us");
    let problems = image_problems(&manifest, &files[".dockerignore"], &files["Dockerfile"]);
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn each_rule_catches_its_offender() {
    let header = "//! A file.\n";
    let long = header.to_owned() + &"\n".repeat(LINES_MAX);
    let offenders = [
        ("src/a.rs", "fn f() {}\n".to_owned(), "//!"),
        ("src/a.rs", long, "lines"),
        ("src/a/mod.rs", header.to_owned(), "mod.rs"),
        ("src/a.rs", format!("{header}{}", UNFINISHED[0]), UNFINISHED[0]),
        ("dataflow/src/a.rs", format!("{header}use tokio::spawn;"), "tokio"),
        ("tests/a.rs", format!("{header}thread::{SLEEP}x);"), SLEEP),
        ("src/a.rs", format!("{header}#[cfg(test)]\nmod tests {{ fn f() {{ {SLEEP}x) }} }}"), SLEEP),
    ];
    for (path, text, word) in offenders {
        let problems = rust_problems(path, &text);
        assert!(problems.len() == 1 && problems[0].contains(word), "{path} for {word}: {problems:?}");
    }
    assert!(rust_problems("src/a.rs", &format!("{header}{SLEEP}x);")).is_empty());
    assert!(rust_problems("dataflow/src/a.rs", &format!("{header}// not tokio's\n")).is_empty());

    let uses = [
        ("a", "use std::fmt;\npub(crate) use crate::{b::{self, c::C}};"),
        ("b/c", "use super::super::a::A;"),
        ("b", ""),
    ];
    let circle = uses.map(|(module, text)| (format!("dataflow/src/{module}.rs"), text.to_owned())).into();
    assert_eq!(circles::problems("dataflow", &circle).len(), 2, "a uses b::c, and b::c uses a");

    let manifest = "dependencies.sinks.workspace = true\ndev-dependencies.x.package = 'vitrine-query-server'\n\
                    target.'cfg(unix)'.dependencies.harness.workspace = true\ndev-dependencies.harness.path = '..'";
    let problems = edge_problems("sources", &["dataflow"], &manifest.parse().expect("this is TOML"));
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert_eq!(lines_with("a.md", MACHINE_PATHS[0], &MACHINE_PATHS).len(), 1);

    let manifest = "[workspace]\nmembers = ['dataflow', 'sinks']\n[features]\ntls = []".parse().expect("this is TOML");
    let kept = "# all\n*\n!Cargo.toml\n!Cargo.lock\n!src\n!tests\n!sinks\n!gone";
    let problems = image_problems(&manifest, kept, "COPY . .\n cargo build --features tls,lts\nCOPY LICENSE /a");
    assert_eq!(problems.len(), 4, "dataflow, gone, lts and LICENSE: {problems:?}");
}

/// What is wrong with one Rust file.
fn rust_problems(path: &str, text: &str) -> Vec<String> {
    let mut problems = lines_with(path, text, &UNFINISHED);
    if !text.starts_with("//!") {
        problems.push(format!("{path}: does not open with a //! sentence"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        problems.push(format!("{path}: {lines} lines, more than {LINES_MAX}: one idea a file"));
    }
    if path.ends_with("/mod.rs") {
        problems.push(format!("{path}: a module is foo.rs beside foo/, not mod.rs"));
    }
    if path.starts_with("dataflow/src/") {
        problems.extend(lines_with(path, &code(text), &OUTSIDE_DATAFLOW));
    }
    if path != MAY_SLEEP {
        problems.extend(lines_with(path, &code(test_part(path, text)), &[SLEEP]));
    }
    problems
}

/// The part of a file that is only compiled for tests: all of it, from its `#[cfg(test)]` on, or nothing.
fn test_part<'a>(path: &str, text: &'a str) -> &'a str {
    let for_tests = path.starts_with("harness/") || path.split('/').any(|part| part == "tests" || part == "tests.rs");
    let start = if for_tests { Some(0) } else { text.find("#[cfg(test)]\nmod ") };
    &text[start.unwrap_or(text.len())..]
}

/// The text without its line comments. Slashes in string literals end a line early, which loses nothing here.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

fn lines_with(path: &str, text: &str, words: &[&str]) -> Vec<String> {
    let hits = text.lines().filter_map(|line| Some((line, words.iter().find(|word| line.contains(**word))?)));
    hits.map(|(line, word)| format!("{path}: has `{word}`: {}", line.trim())).collect()
}

/// Edges of one manifest that are not allowed.
fn edge_problems(directory: &str, allowed: &[&str], manifest: &Table) -> Vec<String> {
    let mut problems = Vec::new();
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flatten().filter_map(|(_, target)| target.as_table());
    for table in std::iter::once(manifest).chain(targets) {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let dependencies = table.get(kind).and_then(Value::as_table).into_iter().flatten();
            for (key, value) in dependencies {
                let name = value.get("package").and_then(Value::as_str).unwrap_or(key);
                let name = name.strip_prefix("vitrine-").unwrap_or(name);
                let ours = EDGES.iter().any(|(directory, _)| *directory == name);
                let fine = allowed.contains(&name) || (name == HARNESS && kind == "dev-dependencies");
                let outside = directory == "dataflow" && OUTSIDE_DATAFLOW.contains(&name);
                if outside || (ours && !fine) {
                    problems.push(format!("{directory}/Cargo.toml: {kind} must not have {name}"));
                }
            }
        }
    }
    problems
}

/// What the Dockerfile would not find among the files that `.dockerignore` lets through, and what it lets through in vain.
fn image_problems(manifest: &Table, ignored: &str, dockerfile: &str) -> Vec<String> {
    let kept: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let members = manifest["workspace"]["members"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // cargo asks for the tests too, which the manifest names.
    let mut needed: Vec<&str> = members.chain(["Cargo.toml", "Cargo.lock", "src", "tests"]).collect();
    let copies = dockerfile.lines().filter_map(|line| line.strip_prefix("COPY "));
    needed.extend(
        copies.filter_map(|copy| copy.split(' ').next()).filter(|from| *from != "." && !from.starts_with("--")),
    );
    let missing = needed.iter().filter(|path| !kept.contains(path));
    let mut problems: Vec<String> = missing.map(|path| format!(".dockerignore keeps {path} out")).collect();
    let gone = kept.iter().filter(|path| !root().join(path).exists());
    problems.extend(gone.map(|path| format!(".dockerignore lets {path} through, which is not there")));
    let mut words = dockerfile.split_whitespace().skip_while(|word| *word != "--features").skip(1);
    let features = words.next().into_iter().flat_map(|features| features.split(','));
    let unknown = features.filter(|feature| manifest["features"].get(feature).is_none());
    problems.extend(unknown.map(|feature| format!("Dockerfile: there is no feature {feature}")));
    problems
}

/// Every text file of the checkout by its path from the root, without what builds and tools leave behind.
fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut directories = vec![root().to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("the checkout can be read") {
            let entry = entry.expect("the checkout can be read");
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().expect("the checkout can be read");
            // In a second worktree `.git` is a file, which names the first one.
            if ["target", ".git", ".cache"].iter().any(|skipped| name == *skipped) {
                continue;
            }
            if kind.is_dir() {
                directories.push(path);
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(&path)
            {
                let from_root = path.strip_prefix(root()).expect("it was found under the root");
                files.insert(from_root.to_string_lossy().into_owned(), text);
            }
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
