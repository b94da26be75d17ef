//! The archive beside a server that reads topics: it is listed when it is asked for, by a thread, and again when it has grown.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dataflow::backoff::Backoff;
use dataflow::feed::Waker;
use sources::kafka::past::{Past, PastError, PastOffsets, PastRecords};
use sources::kafka::upstream::PartitionId;

use super::{offsets, reading, segments};
use crate::chain::Survey;
use crate::settings::{Gaps, Settings};
use crate::store::{Store, StoreError};

/// A list that is older is made again if it does not reach up to where a topic begins.
const FRESH: Duration = Duration::from_secs(5);

/// The pauses before the archive is listed again after a failure.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// An archive that others write meanwhile.
pub struct LiveArchive {
    store: Arc<dyn Store>,
    /// The archived topics; empty: all.
    topics: Vec<String>,
    gaps: Gaps,
    listed: Arc<Mutex<Listed>>,
    /// A file of the list could not be read: it may have been merged with others since.
    is_outdated: Arc<AtomicBool>,
}

/// What is known of the archive.
struct Listed {
    survey: Option<Survey>,
    /// When the listing of that began.
    at: Option<Instant>,
    /// Whether a thread lists it now.
    is_running: bool,
    /// Why it could not be listed, and when that is tried again.
    failure: Option<(String, Instant)>,
    backoff: Backoff,
    /// The first offset of each topic's partition that was asked for last, and since when. Only a list that was made after that
    /// tells what the archive lacks: records are archived first and deleted then.
    asked: BTreeMap<PartitionId, (i64, Instant)>,
}

impl LiveArchive {
    /// An archive that is not listed before it is needed.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, settings: &Settings) -> LiveArchive {
        let backoff = Backoff::new(PAUSE.0, PAUSE.1);
        let asked = BTreeMap::new();
        let listed = Listed { survey: None, at: None, is_running: false, failure: None, backoff, asked };
        LiveArchive {
            store,
            topics: settings.topics.clone(),
            gaps: settings.gaps,
            listed: Arc::new(Mutex::new(listed)),
            is_outdated: Arc::default(),
        }
    }

    /// Lists the archive in a thread, unless one does already, or the pause after a failure lasts.
    fn list(&self, listed: &mut Listed) {
        let waits = listed.failure.as_ref().is_some_and(|(_, again)| Instant::now() < *again);
        if listed.is_running || waits {
            return;
        }
        listed.is_running = true;
        let (store, shared) = (self.store.clone(), self.listed.clone());
        let begun = Instant::now();
        let list = move || {
            let found = store.list("").map(Survey::of);
            lock(&shared).take(found, begun);
        };
        if let Err(error) = thread::Builder::new().name("archive-list".into()).spawn(list) {
            let reason = format!("no thread: {error}");
            listed.take(Err(StoreError { doing: "list", name: "the archive".into(), reason }), begun);
        }
    }
}

impl Listed {
    /// Takes the outcome of a listing that began then.
    fn take(&mut self, found: Result<Survey, StoreError>, begun: Instant) {
        self.is_running = false;
        match found {
            Ok(survey) => {
                (self.survey, self.at, self.failure) = (Some(survey), Some(begun), None);
                self.backoff.reset();
            }
            Err(error) => self.failure = Some((error.to_string(), Instant::now() + self.backoff.pause())),
        }
    }
}

impl Past for LiveArchive {
    fn offsets(&self, id: &PartitionId, low: i64) -> Result<Option<PastOffsets>, PastError> {
        if !self.topics.is_empty() && !self.topics.iter().any(|topic| **topic == *id.topic) {
            return Ok(None);
        }
        let mut listed = lock(&self.listed);
        if self.is_outdated.swap(false, Ordering::AcqRel) {
            (listed.survey, listed.at) = (None, None);
        }
        let now = Instant::now();
        let asked = listed.asked.entry(id.clone()).or_insert((low, now));
        if asked.0 != low {
            *asked = (low, now);
        }
        let since = asked.1;
        let found = listed.survey.as_ref().map(|survey| offsets(survey.chains.get(id)));
        let is_short = !matches!(&found, Some(Ok(Some(offsets))) if offsets.range.end >= low);
        if is_short && listed.at.is_none_or(|at| at < since || at.elapsed() >= FRESH) {
            self.list(&mut listed);
        }
        match found {
            Some(found) if !is_short || listed.at.is_some_and(|at| at >= since) => found,
            _ => {
                let failure = listed.failure.as_ref().map(|(reason, _)| reason.clone());
                Err(failure.map_or(PastError::Listing, PastError::Unreadable))
            }
        }
    }

    fn allows_gaps(&self) -> bool {
        self.gaps == Gaps::Skip
    }

    fn open(&self, id: &PartitionId, offsets: Range<i64>, waker: &Waker) -> Box<dyn PastRecords> {
        let segments = lock(&self.listed).survey.as_ref().map(|survey| segments(survey, id)).unwrap_or_default();
        let lists = reading::Lists::MadeByReader(self.is_outdated.clone());
        reading::open(self.store.clone(), segments, offsets, waker, lists)
    }
}

fn lock(listed: &Mutex<Listed>) -> MutexGuard<'_, Listed> {
    listed.lock().unwrap_or_else(PoisonError::into_inner)
}
