//! The embedded source: the directory, and the head of each file.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;

use super::CheckReport;
use crate::config::Files;
use sinks::lines::{LineReader, TextLine};

/// Longest first line that is read.
const HEAD_BYTES_MAX: usize = 1 << 20;

/// The tables with the columns that are read.
const TABLES: [(&str, &[&str]); 2] = [
    ("product_catalog.csv", &["product_id", "category"]),
    ("orders.csv", &["order_id", "user_id", "product_id", "created_at"]),
];
/// Names of the file of views, the usual one first.
const VIEWS: [&str; 2] = ["views.jsonl", "product-views.json"];

/// With a store, the tables need not be there: they are loaded into it where they are.
pub(super) fn check(files: &Files, has_store: bool, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let dir = &files.dir;
    let generate = format!("vitrine generate --to files --dir {}", dir.display());
    if !dir.is_dir() {
        let (name, is_taken) = (dir.display(), dir.exists());
        let way =
            if is_taken { format!("{name} is a file: remove it, or set `files.dir` to a directory") } else { generate };
        return report.bad(&format!("files: {name} is not a directory"), &[way]);
    }
    match tempfile::NamedTempFile::new_in(dir) {
        Ok(_) => report.good(&format!("files: directory {} can be read and written", dir.display()))?,
        Err(error) => {
            let way = format!("events and removals are written there: make {} writable for this user", dir.display());
            report.bad(&format!("files: {} cannot be written: {error}", dir.display()), &[way])?;
        }
    }
    let views = VIEWS.iter().map(|name| dir.join(name)).find(|path| path.exists());
    match views {
        None => report.bad(
            &format!("files: neither {} nor {} is in {}", VIEWS[0], VIEWS[1], dir.display()),
            std::slice::from_ref(&generate),
        )?,
        Some(path) => match head(&path) {
            Ok(_) => report.good(&format!("files: {} can be read", path.display()))?,
            Err(reason) => report.bad(&format!("files: {}: {reason}", path.display()), &[])?,
        },
    }
    for (name, wanted) in TABLES {
        let path = dir.join(name);
        if has_store {
            let what = if path.exists() { "is loaded into the store" } else { "is not there and is waited for" };
            report.good(&format!("files: {} {what}", path.display()))?;
            continue;
        }
        match head(&path) {
            Err(reason) => {
                report.bad(&format!("files: {}: {reason}", path.display()), std::slice::from_ref(&generate))?
            }
            Ok(header) => columns(&path, &header, wanted, report)?,
        }
    }
    Ok(())
}

fn columns(path: &Path, header: &str, wanted: &[&str], report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let known: Vec<&str> =
        header.trim_start_matches('\u{feff}').split(',').map(|name| name.trim().trim_matches('"')).collect();
    let missing: Vec<&str> = wanted.iter().copied().filter(|name| !known.contains(name)).collect();
    if missing.is_empty() {
        return report.good(&format!("files: {} can be read and has its columns", path.display()));
    }
    let way = format!("name the columns in its first line: {}", wanted.join(","));
    report.bad(&format!("files: {} has no column {}", path.display(), missing.join(", ")), &[way])
}

fn head(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    match LineReader::new(BufReader::new(file), HEAD_BYTES_MAX).read_line() {
        Ok(Some(TextLine::Text(text))) => Ok(text),
        Ok(None) => Ok(String::new()),
        Ok(Some(TextLine::NotUtf8)) => Err("its first line is not UTF-8".into()),
        Ok(Some(TextLine::TooLong)) => Err("its first line has no end".into()),
        Err(error) => Err(error.to_string()),
    }
}
