//! The outputs of a system: its log, the dead letters, and the changes of lists.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use dataflow::dictionary::Dictionary;
use dataflow::graph::{ChangeOutlet, Changed};
use dataflow::source_status::SourceRegistry;
use events::DeadLetter;
use sinks::changes::{Changes, ROWS_MAX};
use sinks::dead_letters::DeadLetterWriter;
use sinks::log::EventLog;

use super::log;
use crate::config::Config;

/// Limit of dead letters that wait for the log; at this number, sources pause.
const LETTERS_MAX: usize = 10_000;

/// The outlets of a system.
pub(super) struct Outlets {
    /// The log to which events and dead letters are appended.
    pub(super) log: Arc<dyn EventLog>,
    /// Takes dead letters from sources.
    pub(super) letters_in: SyncSender<DeadLetter>,
    /// Writes dead letters to the log.
    pub(super) letters: DeadLetterWriter,
    /// Writes the changes of lists to a file, if a file is configured.
    pub(super) changes: Option<Changes>,
    /// Takes the changes from the graph.
    pub(super) changes_in: Option<ChangeOutlet>,
}

impl Outlets {
    /// Opens the log, and starts the writing threads.
    pub(super) fn start(
        config: &Config,
        dictionary: &Arc<Dictionary>,
        registry: &Arc<SourceRegistry>,
    ) -> anyhow::Result<Outlets> {
        let log = log::open(config, registry)?;
        let (letters_in, letters_out) = sync_channel(LETTERS_MAX);
        let report = log::report(registry, "dead-letters");
        let letters = DeadLetterWriter::start(log.clone(), letters_out, LETTERS_MAX, log::letter_record, report)?;
        let changes = match &config.sinks.changes {
            // All changes come to process 0.
            Some(file) if config.cluster.leads() => {
                let report = log::report(registry, "changes");
                Some(Changes::start(file.clone(), dictionary.clone(), ROWS_MAX, report)?)
            }
            _ => None,
        };
        let (changes, changes_in) = changes.unzip();
        Ok(Outlets { log, letters_in, letters, changes, changes_in: changes_in.or_else(|| discard(config)) })
    }
}

/// Takes the changes in a process that receives none: the graph is the same in all processes.
fn discard(config: &Config) -> Option<ChangeOutlet> {
    config.sinks.changes.as_ref().map(|_| Arc::new(std::sync::Mutex::new(|_: Changed| {})) as ChangeOutlet)
}
