//! A series of checkpoints, one for each cut: full checkpoints, and deltas since the previous one.
//!
//! A checkpoint is a delta as long as the workers could log all updates, and as long as the rows to read at a start
//! stay within about twice the size of the state and a hundred files. So its cost follows the changes. After a failure
//! the next checkpoint is full. In a cluster all parts of a checkpoint must be of the same kind: there the directory
//! decides it, which is the same for all processes. Nothing here waits or uses a thread: the caller hands in a cut, and
//! is told which checkpoint has become durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataflow::cut::Cut;
use dataflow::dictionary::Dictionary;
use dataflow::feed::Position;
use dataflow::time::{Millis, Time};

use crate::contents::{self, CutChanges};
use crate::durable::{Durable, Pending};
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::forgetting::Forgetting;
use crate::manifest::CheckpointKind;
use crate::restored::Restored;
use crate::store::{Draft, Store, Written};
use crate::user_names::UserNames;

/// The limits after which a full checkpoint replaces a delta, and ids are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Limit of consecutive deltas; each is a file to read at a start.
    pub changes_max: usize,
    /// Below this many changed rows, no full checkpoint is written for the sake of a faster start.
    pub changed_rows_min: usize,
    /// The least time between two rounds in which the dictionary forgets ids. A round reads all rows. It must be longer than a
    /// reader of lists takes, and than `models.co_views.every_ms`; in tests without such, it may be 0.
    pub round_ms: Millis,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { changes_max: 100, changed_rows_min: 100_000, round_ms: 60 * 60 * 1000 }
    }
}

/// A durable checkpoint, or this process's durable part of one.
#[derive(Debug)]
pub struct Taken {
    /// The written part.
    pub written: Written,
    /// Whether it is full.
    pub full: bool,
    /// The value to pass to [`Series::durable`].
    pub pending: Pending,
}

/// Writes one checkpoint after another.
pub struct Series {
    store: Store,
    id_key: Fingerprint,
    dictionary: Arc<Dictionary>,
    forgetting: Forgetting,
    bounds: Bounds,
    /// The tick of the newest checkpoint on which the next one can build.
    on: Option<Time>,
    /// The rows of the last full checkpoint, and the rows and the number of the deltas since.
    base_rows: usize,
    changed_rows: usize,
    changed: usize,
    /// The positions of the sources, including sources that were not heard since the start.
    positions: BTreeMap<(Arc<str>, i32), Position>,
}

impl Series {
    /// A series that continues from the restored checkpoint, if there is one.
    #[must_use]
    pub fn new(
        store: Store,
        id_key: Fingerprint,
        dictionary: Arc<Dictionary>,
        restored: Option<&Restored>,
        bounds: Bounds,
    ) -> Self {
        let positions = restored.map(Restored::positions).unwrap_or_default();
        Series {
            store,
            id_key,
            dictionary,
            forgetting: Forgetting::new(bounds.round_ms),
            bounds,
            on: restored.map(Restored::tick),
            base_rows: restored.map_or(0, Restored::rows),
            changed_rows: 0,
            changed: restored.map_or(0, |restored| restored.chain_len() - 1),
            positions: positions.iter().map(|at| ((at.stream.clone(), at.partition), at.clone())).collect(),
        }
    }

    /// Writes a checkpoint of a cut, durably; returns `None` if there is one of its tick already.
    ///
    /// `go_on` is called after the rows are written, before they are made durable.
    ///
    /// # Errors
    /// The error of the disk, or [`Error::Abandoned`] if `go_on` returned false. Earlier checkpoints can still be
    /// restored.
    pub fn take(&mut self, cut: Cut, go_on: impl FnOnce() -> bool) -> Result<Option<Taken>, Error> {
        if self.on.is_some_and(|on| cut.tick <= on) {
            return Ok(None);
        }
        let tick = cut.tick;
        let taken = self.write(cut, go_on);
        self.on = taken.is_ok().then_some(tick);
        taken.map(Some)
    }

    /// A cut was skipped: the next checkpoint is full.
    pub fn passed_over(&mut self) {
        self.on = None;
    }

    fn write(&mut self, mut cut: Cut, go_on: impl FnOnce() -> bool) -> Result<Taken, Error> {
        for at in cut.parts.iter().flat_map(|part| part.positions.iter()) {
            self.positions.insert((at.stream.clone(), at.partition), at.clone());
        }
        // Taken before any row is read: the names of all rows of the cut were added before the cut.
        let names = self.dictionary.take_unsaved();
        let (on, is_one_of_many) = (self.stand()?, self.store.parts() > 1);
        let changes = on.and_then(|on| CutChanges::since(on, &mut cut));
        let changes = match changes {
            // The other parts are deltas. This part cannot be one, and a full part would not match them.
            None if is_one_of_many && on.is_some() => return Err(Error::Abandoned),
            changes => changes.filter(|changes| is_one_of_many || self.is_worth(changes)),
        };
        let kind = match (&changes, self.on) {
            (Some(_), Some(on)) => CheckpointKind::Delta { on },
            _ => CheckpointKind::Full,
        };
        let positions: Vec<Position> = self.positions.values().cloned().collect();
        let draft = Draft { tick: cut.tick, kind, id_key: self.id_key, positions: positions.clone() };
        let (dictionary, is_later_part) = (&self.dictionary, self.store.part() > 0);
        let mut users = UserNames::of(&cut, dictionary);
        let written = self.store.write(draft, |to| {
            match &changes {
                Some(changes) => changes.write(&names, &mut users, to)?,
                // The process of the first part has by now received all names that the other parts need.
                None if is_later_part => {
                    contents::write_all(&cut, |take| names.into_iter().for_each(take), &mut users, to)?;
                }
                None => contents::write_all(&cut, |take| dictionary.names(take), &mut users, to)?,
            }
            if go_on() { Ok(()) } else { Err(Error::Abandoned) }
        })?;
        match &changes {
            Some(changes) => {
                self.changed_rows += changes.rows();
                self.changed += 1;
            }
            None => {
                self.base_rows = usize::try_from(written.rows).unwrap_or(usize::MAX);
                (self.changed_rows, self.changed) = (0, 0);
            }
        }
        self.forgetting.pass(&cut, &self.dictionary);
        let pending = Pending { tick: cut.tick, is_whole: written.whole, positions };
        Ok(Taken { written, full: changes.is_none(), pending })
    }

    /// The positions that sources may be told of a checkpoint that was taken.
    ///
    /// # Errors
    /// Returns `pending` if other processes have not written their parts yet.
    pub fn durable(&self, pending: Pending) -> Result<Durable, Pending> {
        let is_there = || self.newest_whole().ok().flatten().is_some_and(|tick| tick >= pending.tick);
        if pending.is_whole || is_there() { Ok(pending.all_there()) } else { Err(pending) }
    }

    /// The tick of the newest checkpoint whose parts are all present.
    ///
    /// # Errors
    /// The error of the disk.
    pub fn newest_whole(&self) -> Result<Option<Time>, Error> {
        self.store.newest_whole()
    }

    /// The checkpoint on which the next one may build.
    fn stand(&self) -> Result<Option<Time>, Error> {
        let Some(on) = self.on.filter(|_| self.store.parts() > 1) else { return Ok(self.on) };
        if self.store.newest_whole()? != Some(on) {
            return Ok(None);
        }
        let chain = self.store.chain(on)?;
        let few = chain.changes < self.bounds.changes_max;
        let rows = chain.changed_rows;
        let is_worth = few && (rows < self.bounds.changed_rows_min as u64 || rows < chain.base_rows);
        Ok(is_worth.then_some(on))
    }

    /// Whether a delta of these changes is better than a full checkpoint.
    fn is_worth(&self, changes: &CutChanges) -> bool {
        let rows = self.changed_rows + changes.rows();
        self.changed < self.bounds.changes_max && (rows < self.bounds.changed_rows_min || rows < self.base_rows)
    }
}
