//! The core of a sink that corrects itself: it compares a copy with the lists, and then follows the lists.
//!
//! ```text
//!           ┌──────────── any failure, too many changes, the schedule ───────────┐
//!           ▼                                                                    │
//! compare: read the copy page by page ─▶ write the lists that differ ─▶ follow: write the lists that change
//!          then the lists that the copy lacks
//! ```
//! The copier knows the digest of each list in the copy. So a list that changed and changed back is not written.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use dataflow::time::Time;

use super::destination::{Destination, DestinationError, FoundList, ListChange};
use super::list_name::ListName;
use super::rows::{CopiedRow, Digest, digest};
use super::settings::CopySettings;
use super::shown::{Shown, ShownLists};
use super::status::SharedCopyStatus;
use super::waiting::WaitingLists;

/// The most lists that are written at once.
const BATCH_LISTS: usize = 4000;

/// The most rows that are written at once, apart from those of the last list.
const BATCH_ROWS: usize = 50_000;

/// Identifies a list by its name. Among 10^9 lists two share it with a probability of 1.5e-21.
type NameHash = u128;

/// What the copier did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The lists are not ready yet, or not as new as they have to be.
    Early,
    /// There is more to do at once.
    More,
    /// Everything that can be read now is copied.
    Done,
}

/// Keeps one copy right.
pub struct Copier<D, L> {
    destination: D,
    lists: L,
    waiting: Arc<WaitingLists>,
    compare_every: Duration,
    /// The digest of each list in the copy that this process writes.
    there: HashMap<NameHash, Digest>,
    /// The lists that have rows now and cannot be in any copy. None of them is in `there`.
    unwritable: HashSet<NameHash>,
    batch: Batch,
    /// When the last comparison was completed; none: the copy has to be compared.
    compared: Option<Duration>,
    /// The earliest time as of which the next comparison may read lists, once it is to begin.
    compare_from: Option<Time>,
    status: SharedCopyStatus,
}

/// Lists that are about to be written.
#[derive(Default)]
struct Batch {
    changes: Vec<ListChange>,
    rows: usize,
}

impl<D: Destination, L: ShownLists> Copier<D, L> {
    /// A copier of `lists` to `destination`; `waiting` receives the names of lists that change.
    pub fn new(
        destination: D,
        lists: L,
        waiting: Arc<WaitingLists>,
        settings: &CopySettings,
        status: SharedCopyStatus,
    ) -> Self {
        Copier {
            destination,
            lists,
            waiting,
            compare_every: settings.compare_every,
            there: HashMap::new(),
            unwritable: HashSet::new(),
            batch: Batch::default(),
            compared: None,
            compare_from: None,
            status,
        }
    }

    /// Compares, or copies what has changed. `now`: the time since any fixed moment.
    ///
    /// # Errors
    /// When the destination fails: the next call compares.
    pub fn turn(&mut self, now: Duration) -> Result<Turn, DestinationError> {
        let is_first = self.status.get().comparisons == 0;
        if is_first && !self.lists.is_ready() {
            return Ok(Turn::Early);
        }
        let _held = self.waiting.hold();
        let is_due = self.compared.is_none_or(|compared| now.saturating_sub(compared) >= self.compare_every);
        let must_compare = is_due || self.compare_from.is_some() || self.waiting.has_overflowed();
        let done = if must_compare { self.compare(now, is_first) } else { self.follow() };
        if done.is_err() {
            self.batch = Batch::default();
            self.compared = None;
            self.waiting.put_back();
            self.destination.disconnect();
        }
        // A turn that was too early says nothing about the destination.
        if done != Ok(Turn::Early) {
            self.report(done.as_ref().err());
        }
        done
    }

    fn report(&self, error: Option<&DestinationError>) {
        let as_of = self.lists.as_of();
        let (_, first) = self.waiting.waiting();
        let follows = self.compared.is_some();
        self.status.update(|status| {
            status.failures += u64::from(error.is_some());
            status.trouble = error.map(DestinationError::advice);
            status.follows = follows;
            // A copy that is not followed lacks every change since it was right.
            if follows {
                status.behind_since = Some(first.unwrap_or(as_of).min(as_of));
                // A comparison that failed has not seen all of them.
                status.unwritable = self.unwritable.len() as u64;
            }
            status.lists = self.there.len();
        });
    }

    /// Reads the copy, and writes what differs from the lists.
    fn compare(&mut self, now: Duration, is_first: bool) -> Result<Turn, DestinationError> {
        let as_of = self.lists.as_of();
        if as_of < *self.compare_from.get_or_insert_with(|| self.waiting.reopen()) {
            return Ok(Turn::Early);
        }
        (self.compare_from, self.compared) = (None, None);
        self.there.clear();
        self.unwritable.clear();
        let written = || {
            let status = self.status.get();
            status.written + status.removed
        };
        let before = written();
        self.destination.begin()?;
        let (mut page, mut foreign) = (Vec::new(), 0);
        loop {
            let is_more = self.destination.page(&mut page)?;
            for FoundList { name, digest } in page.drain(..) {
                match ListName::parse(&name) {
                    Some(name) => self.judge(name, digest)?,
                    None => foreign += 1,
                }
            }
            if !is_more {
                break;
            }
        }
        self.write()?;
        for touched in self.lists.all() {
            for name in self.lists.names(touched) {
                self.update(name)?;
            }
        }
        self.write()?;
        self.waiting.compared(as_of);
        self.compared = Some(now);
        let corrected = self.status.get();
        let corrected = corrected.written + corrected.removed - before;
        self.status.update(|status| {
            status.comparisons += 1;
            status.foreign = foreign;
            status.compared_as_of = as_of;
            status.corrected += if is_first { 0 } else { corrected };
        });
        Ok(Turn::More)
    }

    /// Writes a list of the copy if it is not as it should be.
    fn judge(&mut self, name: ListName, found: Option<Digest>) -> Result<(), DestinationError> {
        let Some((as_of, rows)) = self.shown(&name) else { return Ok(()) };
        let is_right = !rows.is_empty() && found == Some(digest(&rows));
        if is_right {
            self.there.insert(hash(&name), digest(&rows));
            return Ok(());
        }
        self.add(ListChange { name, rows, as_of })
    }

    /// Writes the lists that changed.
    fn follow(&mut self) -> Result<Turn, DestinationError> {
        let touched = self.waiting.take(self.lists.as_of(), BATCH_LISTS);
        let is_more = touched.len() == BATCH_LISTS;
        for touched in touched {
            for name in self.lists.names(touched) {
                self.update(name)?;
            }
        }
        self.write()?;
        self.waiting.written();
        Ok(if is_more { Turn::More } else { Turn::Done })
    }

    /// Writes a list if it is not in the copy as it is.
    fn update(&mut self, name: ListName) -> Result<(), DestinationError> {
        let Some((as_of, rows)) = self.shown(&name) else { return Ok(()) };
        let wanted = (!rows.is_empty()).then(|| digest(&rows));
        if self.there.get(&hash(&name)) == wanted.as_ref() {
            return Ok(());
        }
        self.add(ListChange { name, rows, as_of })
    }

    /// A list as it is to be in the copy; none if another process writes it.
    fn shown(&mut self, name: &ListName) -> Option<(Time, Vec<CopiedRow>)> {
        let Shown::Rows(as_of, rows) = self.lists.read(name) else { return None };
        // PostgreSQL's texts have no zero byte.
        let is_writable = !name.to_string().contains('\0') && rows.iter().all(|row| !row.product.contains('\0'));
        if is_writable || rows.is_empty() {
            self.unwritable.remove(&hash(name));
            return Some((as_of, rows));
        }
        self.unwritable.insert(hash(name));
        Some((as_of, Vec::new()))
    }

    fn add(&mut self, change: ListChange) -> Result<(), DestinationError> {
        self.batch.rows += change.rows.len();
        self.batch.changes.push(change);
        let is_full = self.batch.changes.len() >= BATCH_LISTS || self.batch.rows >= BATCH_ROWS;
        if is_full { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), DestinationError> {
        let Batch { changes, .. } = std::mem::take(&mut self.batch);
        if changes.is_empty() {
            return Ok(());
        }
        self.destination.write(&changes)?;
        let removed = changes.iter().filter(|change| change.rows.is_empty()).count() as u64;
        self.status.update(|status| {
            status.removed += removed;
            status.written += changes.len() as u64 - removed;
        });
        for ListChange { name, rows, .. } in changes {
            match rows.is_empty() {
                true => self.there.remove(&hash(&name)),
                false => self.there.insert(hash(&name), digest(&rows)),
            };
        }
        Ok(())
    }
}

fn hash(name: &ListName) -> NameHash {
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        name.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

#[cfg(test)]
mod tests;
