//! Rules of the documents: the targets of paths and links exist, and the book has every chapter.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::{files, root};

/// The book's table of contents.
const CONTENTS: &str = "docs/SUMMARY.md";

/// A document of the past: it may name what is gone.
const HISTORY: &str = "CHANGELOG.md";

/// A path begins with one of these. Listed here and not read from the checkout: a directory that is gone must be noticed.
const TOP: [&str; 25] = [
    "archive",
    "benches",
    "checkpoints",
    "clients",
    "dataflow",
    "deploy",
    "docs",
    "events",
    "examples",
    "harness",
    "kafka-batch",
    "models",
    "notebooks",
    "postgres-tls",
    "query-server",
    "recommend",
    "scripts",
    "services",
    "settings",
    "simulation",
    "sinks",
    "sources",
    "src",
    "store",
    "tests",
];

#[test]
fn every_document_names_what_is_there() {
    let files = files();
    let documents = files.iter().filter(|(path, _)| path.ends_with(".md"));
    let mut problems: Vec<String> = documents.flat_map(|(path, text)| problems(path, text)).collect();
    problems.extend(missing_chapters(&files));
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn each_rule_catches_its_offender() {
    for (text, word) in [
        ("see `src/gone.rs`", "src/gone.rs"),
        ("see `tests/{tidy,gone}.rs`", "tests/gone.rs"),
        ("see `scripts/gone --quick`", "scripts/gone"),
        ("see `gone.rs`", "gone.rs"),
        ("see `tidy.rs`", "tidy.rs"),
        ("see [it](gone.md)", "gone.md"),
        ("see [it](README.md#no-such-heading)", "no-such-heading"),
        ("see [it](#no-such-heading)", "no-such-heading"),
    ] {
        let problems = problems("README.md", text);
        assert!(problems.len() == 1 && problems[0].contains(word), "{text}: {problems:?}");
    }
    let fine = "# A `b`, c\n`tests/{tidy,tidy/documents}.rs` `src/` `/v1/status` `docs/` [it](https://example.org/x) [c](#a-b-c) \
                [d](docs/settings.md)\n```\n`src/gone.rs` [it](gone.md)\n```\n";
    assert_eq!(problems("README.md", fine), Vec::<String>::new());
    assert!(problems(HISTORY, "`src/gone.rs`").is_empty());
    let book = [(CONTENTS, "[a](a.md)"), ("docs/a.md", ""), ("docs/b.md", "")];
    let book = book.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
    assert_eq!(missing_chapters(&book), ["docs/b.md: docs/SUMMARY.md does not list it"]);
}

/// Paths and links of one document that lead to nothing.
fn problems(path: &str, text: &str) -> Vec<String> {
    let prose = prose(text);
    let named = code_spans(&prose).filter(|_| path != HISTORY).filter_map(named_path).flat_map(expand);
    let gone = named.filter(|named| !root().join(named).exists());
    let mut problems: Vec<String> = gone.map(|named| format!("{path}: `{named}` is not there")).collect();
    problems.extend(links(&prose).filter_map(|link| dead(path, text, link)));
    problems
}

/// The text without fenced code.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.map(|line| line.to_owned() + "\n").collect()
}

fn code_spans(prose: &str) -> impl Iterator<Item = &str> {
    prose.split('`').skip(1).step_by(2)
}

/// The path at the beginning of a code span, if there is one. A name that ends in `.rs` is one without a directory too.
fn named_path(span: &str) -> Option<&str> {
    let word = span.split_whitespace().next()?;
    let top = word.split('/').next()?;
    (word.ends_with(".rs") || (word.contains('/') && TOP.contains(&top))).then_some(word)
}

/// `a/{b,c}.rs` as `a/b.rs` and `a/c.rs`.
fn expand(path: &str) -> Vec<String> {
    let braces = path.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (choices, after))) = braces else { return vec![path.to_owned()] };
    choices.split(',').map(|choice| format!("{before}{choice}{after}")).collect()
}

/// The targets of links and images.
fn links(prose: &str) -> impl Iterator<Item = &str> {
    prose.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// Why a link of the document at `path` leads nowhere.
fn dead(path: &str, text: &str, link: &str) -> Option<String> {
    if link.contains("://") {
        return None;
    }
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() {
        text.to_owned()
    } else {
        let at = resolved(&root().join(path).with_file_name(file));
        if !at.exists() {
            return Some(format!("{path}: the link {link} leads nowhere"));
        }
        std::fs::read_to_string(at).unwrap_or_default()
    };
    let prose = prose(&target);
    let mut headings = prose.lines().filter(|line| line.starts_with('#')).map(slug);
    let fine = heading.is_empty() || headings.any(|known| known == heading);
    (!fine).then(|| format!("{path}: the link {link} names no heading"))
}

fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in path.components() {
        if component == Component::ParentDir {
            resolved.pop();
        } else {
            resolved.push(component);
        }
    }
    resolved
}

/// A heading as links name it.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Chapters that the book's contents leave out.
fn missing_chapters(files: &BTreeMap<String, String>) -> Vec<String> {
    let listed: Vec<String> = links(&files[CONTENTS]).map(|link| format!("docs/{link}")).collect();
    let chapters = files.keys().filter(|path| path.starts_with("docs/") && path.ends_with(".md") && *path != CONTENTS);
    let missing = chapters.filter(|path| !listed.contains(path));
    missing.map(|path| format!("{path}: {CONTENTS} does not list it")).collect()
}
