//! The TOML file, read to full keys with the line each stands on.

use std::collections::BTreeSet;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Origin, Problem};
use super::raw::{KeyValue, Raw};
use super::{client, expand, nearest, setting};

/// Largest file that is read: a wrong path must not fill the memory.
const BYTES_MAX: u64 = 1 << 20;

/// All keys of the file; sections that stand in it, even if empty, are added to `sections`.
pub(super) fn read(
    path: &Path,
    environment: &[(String, String)],
    sections: &mut BTreeSet<String>,
    problems: &mut Vec<Problem>,
) -> Vec<KeyValue> {
    let text = match text(path) {
        Ok(text) => text,
        Err(reason) => {
            problems.push(Problem::Unreadable { path: path.to_owned(), reason });
            return Vec::new();
        }
    };
    match DeTable::parse(&text) {
        Ok(root) => {
            let mut reader = TableReader { path, text: &text, environment, sections, problems, given: Vec::new() };
            reader.table("", root.get_ref());
            reader.given
        }
        Err(error) => {
            // The error's own text shows the line, which may hold a password.
            let line = line(&text, error.span().map_or(0, |span| span.start));
            problems.push(Problem::Syntax { path: path.to_owned(), line, reason: error.message().to_owned() });
            Vec::new()
        }
    }
}

fn text(path: &Path) -> Result<String, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if metadata.len() > BYTES_MAX {
        return Err(format!("it is larger than {BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

struct TableReader<'a> {
    path: &'a Path,
    text: &'a str,
    environment: &'a [(String, String)],
    sections: &'a mut BTreeSet<String>,
    problems: &'a mut Vec<Problem>,
    given: Vec<KeyValue>,
}

impl TableReader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let full =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            let origin = self.origin(name.span().start);
            match value.get_ref() {
                // Below [kafka.client], nested tables form one dotted key of librdkafka.
                DeValue::Table(inner) if setting::is_section(&full) || prefix.starts_with(client::CLIENT) => {
                    self.sections.insert(full.clone());
                    self.table(&full, inner);
                }
                DeValue::Table(_) if setting::find(&full).is_none() => {
                    let nearest = nearest::section(&full);
                    self.problems.push(Problem::Unknown { origin, what: "section", key: full, nearest });
                }
                _ if setting::is_section(&full) => self.problems.push(Problem::Value {
                    origin,
                    key: full.clone(),
                    found: format!("of type {}", value.get_ref().type_str()),
                    allowed: format!("a section, written [{full}]"),
                }),
                scalar => self.value(full, scalar, origin),
            }
        }
    }

    fn value(&mut self, key: String, value: &DeValue<'_>, origin: Origin) {
        let raw = match value {
            DeValue::String(text) => match expand::expand(text, self.environment) {
                Ok((text, true)) => Raw::Loose(text),
                Ok((text, false)) => Raw::Text(text),
                Err(reason) => return self.problems.push(Problem::Expansion { origin, key, reason }),
            },
            DeValue::Integer(number) => {
                let digits = i64::from_str_radix(number.as_str(), number.radix());
                digits.map_or(Raw::Other("a number too large"), Raw::Integer)
            }
            DeValue::Boolean(truth) => Raw::Boolean(*truth),
            DeValue::Array(items) => match self.list(items) {
                Ok(list) => list,
                Err(reason) => return self.problems.push(Problem::Expansion { origin, key, reason }),
            },
            other => Raw::Other(other.type_str()),
        };
        self.given.push(KeyValue { key, raw, origin });
    }

    fn list(&self, items: &[Spanned<DeValue<'_>>]) -> Result<Raw, String> {
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            let DeValue::String(text) = item.get_ref() else {
                return Ok(Raw::Other("list with something else than strings"));
            };
            list.push(expand::expand(text, self.environment)?.0);
        }
        Ok(Raw::List(list))
    }

    fn origin(&self, offset: usize) -> Origin {
        Origin::File { path: self.path.to_owned(), line: line(self.text, offset) }
    }
}

/// The line a byte of the text stands on, counted from 1.
fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
