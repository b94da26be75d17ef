//! One training in the running server, in threads of its own at the lowest priority.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use anyhow::{anyhow, ensure};
use dataflow::index_reader::IndexReader;
use models::als::AlsSettings;
use models::store::Version;

use crate::learned::{self, ReadHistories};

/// The lowest priority of Linux.
const NICE: i32 = 19;

/// A training that runs.
pub(super) struct Training {
    ends: Arc<AtomicBool>,
    result: Receiver<Trained>,
}

/// The result of a training.
pub(super) struct Trained {
    /// The new version, which is in use in the directory.
    pub(super) version: anyhow::Result<Version>,
    pub(super) took_ms: u64,
}

impl Training {
    /// Starts a training on the histories of this moment.
    ///
    /// # Errors
    /// When the system denies a thread.
    pub(super) fn start(reader: IndexReader, settings: AlsSettings) -> std::io::Result<Training> {
        let (ends, (send, result)) = (Arc::new(AtomicBool::new(false)), channel());
        let is_ending = ends.clone();
        let run = move || {
            // On Linux, the priority belongs to the thread. Without it the training still works.
            let _ = rustix::process::nice(NICE);
            let began = Instant::now();
            let version = train(&reader, &settings, &is_ending);
            let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            // Nobody receives the result of a training that was not waited for.
            let _ = send.send(Trained { version, took_ms });
        };
        std::thread::Builder::new().name("training".into()).spawn(run)?;
        Ok(Training { ends, result })
    }

    /// The result, once it has ended.
    pub(super) fn result(&self) -> Option<Trained> {
        match self.result.try_recv() {
            Ok(trained) => Some(trained),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                Some(Trained { version: Err(anyhow!("the thread of the training has panicked")), took_ms: 0 })
            }
        }
    }

    /// Ends it before its next iteration, and waits for this until `deadline`.
    pub(super) fn end_by(self, deadline: Instant) {
        self.ends.store(true, Ordering::Relaxed);
        // In time or not, there is nothing more to do.
        let _ = self.result.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn train(reader: &IndexReader, settings: &AlsSettings, is_ending: &AtomicBool) -> anyhow::Result<Version> {
    let goes_on = || !is_ending.load(Ordering::Relaxed);
    let read = ReadHistories::of(reader, &settings.parameters())?;
    let model = learned::train(&read, settings, |_| goes_on())?;
    ensure!(goes_on(), "the server ends");
    Ok(learned::add(&model, settings, goes_on)?)
}
