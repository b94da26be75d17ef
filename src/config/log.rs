//! `[log]`: the form of log lines, and which lines are written.

use settings::Kind;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

const FILTER: Kind = Kind::Text {
    allowed: "error, warn, info, debug, trace or off, or a filter such as info,sources=debug",
    takes: is_filter,
};

settings::choice! {
    /// Form of the log's lines.
    pub enum LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

settings::section! {
    /// Logs go to stderr, results to stdout.
    pub struct Log in "log" {
        /// "text" for people, "json" for one object per line.
        format: LogFormat = "text", "word", Kind::Choice(LogFormat::WORDS);
        /// A level, or a filter such as info,sources=debug. VITRINE_LOG is a short form of this setting. Messages of
        /// the PostgreSQL replication library appear only if it is named (info,pgwire_replication=info): Vitrine logs
        /// the ends of its sessions itself.
        level: String = "info", "filter", FILTER;
    }
}

/// A single word would be taken as a target, so a misspelt level would turn the log off.
fn is_filter(text: &str) -> bool {
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let is_clear = |part: &str| part.contains(['=', '[']) || is_level(part.trim());
    text.split(',').all(is_clear) && EnvFilter::try_new(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_names_levels_or_targets_with_levels() {
        for filter in ["info", "OFF", "warn,sources=debug", "sources=debug, info", "info,[step]=debug"] {
            assert!(is_filter(filter), "{filter}");
        }
        for wrong in ["", "loud", "wran", "info,sources", "sources=loud", "info,"] {
            assert!(!is_filter(wrong), "{wrong}");
        }
    }
}
