//! `[log]`: what is logged, and how.

use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

pub(super) const SECTION: Section = Section {
    name: "log",
    sentence: "Logs go to stderr, results to stdout.",
    settings: &[
        Setting::new(
            "log.format",
            Kind::Choice { allowed: &["text", "json"], planned: &[] },
            "word",
            "\"text\"",
            "\"text\" for people, \"json\" for one object a line.",
        ),
        Setting::new(
            "log.level",
            Kind::Filter,
            "filter",
            "\"info\"",
            "A level, or a filter such as info,sources=debug; VITRINE_LOG is a short form of it. The library of PostgreSQL's \
             replication is silent unless named: its ends of sessions are told by us (info,pgwire_replication=info).",
        ),
    ],
};

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Form of the lines.
    pub format: LogFormat,
    /// Level or filter, known to be valid.
    pub level: String,
}

/// Form of the log's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Log {
    pub(super) fn read(values: &Values) -> Log {
        let format = if values.text("log.format") == "json" { LogFormat::Json } else { LogFormat::Text };
        Log { format, level: values.text("log.level") }
    }
}
