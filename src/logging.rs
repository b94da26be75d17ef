//! Logs: to stderr, as text or as one JSON object a line.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Turns a library's own messages off. It logs every end of a PostgreSQL session as an error, even if the session is
/// retried or was meant to end, and Vitrine logs these ends itself. A filter that names the library turns its messages
/// on.
const QUIET: &str = "pgwire_replication=off";

/// Sets up logging for the process. A second call changes nothing.
pub fn init(log: &Log) {
    let filter = filter(&log.level);
    // If stderr is closed, lines are lost. The error is not reported, because the logging library would panic while it
    // writes to the same stderr.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    // Tests and embedding programs may have set up a subscriber of their own, which stays.
    let already_set = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    drop(already_set);
}

fn filter(level: &str) -> EnvFilter {
    EnvFilter::try_new(format!("{QUIET},{level}")).expect("the configuration checked the filter")
}

#[cfg(test)]
mod tests {
    use std::io::{Result, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> Result<usize> {
            self.0.lock().expect("no writer panics").write(bytes)
        }

        fn flush(&mut self) -> Result<()> {
            Ok(())
        }
    }

    /// The lines that are logged for an error of the library and an error of Vitrine.
    fn logged(level: &str) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter(level)).with_writer(move || writer.clone());
        tracing::subscriber::with_default(subscriber.finish(), || {
            tracing::error!(target: "pgwire_replication::client", "theirs");
            tracing::error!("ours");
        });
        let lines = lines.0.lock().expect("no writer panics");
        String::from_utf8(lines.clone()).expect("lines are UTF-8")
    }

    #[test]
    fn a_library_that_calls_every_end_an_error_is_silent_until_it_is_named() {
        for level in ["info", "trace", "warn,sources=debug"] {
            let text = logged(level);
            assert!(text.contains("ours") && !text.contains("theirs"), "{level}: {text}");
        }
        assert!(logged("info,pgwire_replication=warn").contains("theirs"));
        assert!(logged("off").is_empty());
    }
}
