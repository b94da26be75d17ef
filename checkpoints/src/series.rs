//! A series of checkpoints, one a cut: of everything, or of what came since the one before.
//!
//! One holds what came since the one before as long as the workers could note it, and as long as what a start has to read
//! stays within about twice what is held and a hundred files. So its cost follows what has changed. After a failure the
//! next one holds everything. Of a cluster's parts all must be of one kind: there it is decided by what every process finds in the
//! directory, which is the same for all. Nothing here waits or knows a thread: whoever has a cut hands it over, and is told what has become durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataflow::cut::Cut;
use dataflow::dictionary::Dictionary;
use dataflow::feed::Position;
use dataflow::time::Time;

use crate::contents::{self, Changes};
use crate::durable::{Durable, Pending};
use crate::error::Error;
use crate::fingerprint::Fingerprint;
use crate::manifest::Kind;
use crate::restored::Restored;
use crate::store::{Draft, Store, Written};

/// When a checkpoint of changes gives way to one of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Checkpoints in a row that hold changes only; each is a file to read at a start.
    pub changes_max: usize,
    /// Below this many rows of changes nothing is written anew for the sake of a quicker start.
    pub changed_rows_min: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds { changes_max: 100, changed_rows_min: 100_000 }
    }
}

/// A checkpoint, or this process's part of one, that is durable.
#[derive(Debug)]
pub struct Taken {
    /// What was written.
    pub written: Written,
    /// Whether it holds everything.
    pub full: bool,
    /// For [`Series::durable`].
    pub pending: Pending,
}

/// Writes one checkpoint after the other.
pub struct Series {
    store: Store,
    id_key: Fingerprint,
    dictionary: Arc<Dictionary>,
    bounds: Bounds,
    /// The tick of the newest checkpoint that the next one can stand on.
    on: Option<Time>,
    /// Rows in the last one that holds everything, and rows and number of those on it.
    base_rows: usize,
    changed_rows: usize,
    changed: usize,
    /// Where sources had been, with those that have not been heard of since the start.
    positions: BTreeMap<(Arc<str>, i32), Position>,
}

impl Series {
    /// A series that goes on from what was restored, if anything was.
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
            bounds,
            on: restored.map(Restored::tick),
            base_rows: restored.map_or(0, Restored::rows),
            changed_rows: 0,
            changed: restored.map_or(0, |restored| restored.chain_len() - 1),
            positions: positions.iter().map(|at| ((at.stream.clone(), at.partition), at.clone())).collect(),
        }
    }

    /// Makes a checkpoint of a cut, durably; none when there is one of its tick already.
    ///
    /// `go_on` is asked when the rows are written, before they are made durable.
    ///
    /// # Errors
    /// The disk's refusal, or [`Error::Abandoned`] when it was not to go on. What could be restored before still can be.
    pub fn take(&mut self, cut: Cut, go_on: impl FnOnce() -> bool) -> Result<Option<Taken>, Error> {
        if self.on.is_some_and(|on| cut.tick <= on) {
            return Ok(None);
        }
        let tick = cut.tick;
        let taken = self.write(cut, go_on);
        self.on = taken.is_ok().then_some(tick);
        taken.map(Some)
    }

    /// A cut was not taken: the next checkpoint holds everything.
    pub fn passed_over(&mut self) {
        self.on = None;
    }

    fn write(&mut self, mut cut: Cut, go_on: impl FnOnce() -> bool) -> Result<Taken, Error> {
        for at in cut.parts.iter().flat_map(|part| part.positions.iter()) {
            self.positions.insert((at.stream.clone(), at.partition), at.clone());
        }
        // Taken before anything is read: whatever a row needs a name for had it before the cut.
        let names = self.dictionary.take_unsaved();
        let (on, is_one_of_many) = (self.stand()?, self.store.parts() > 1);
        let changes = on.and_then(|on| Changes::since(on, &mut cut));
        let changes = match changes {
            // The other parts hold changes. This one cannot, and one of everything would not go with them.
            None if is_one_of_many && on.is_some() => return Err(Error::Abandoned),
            changes => changes.filter(|changes| is_one_of_many || self.is_worth(changes)),
        };
        let kind = match (&changes, self.on) {
            (Some(_), Some(on)) => Kind::Delta { on },
            _ => Kind::Full,
        };
        let positions: Vec<Position> = self.positions.values().cloned().collect();
        let draft = Draft { tick: cut.tick, kind, id_key: self.id_key, positions: positions.clone() };
        let (dictionary, is_later_part) = (&self.dictionary, self.store.part() > 0);
        let written = self.store.write(draft, |to| {
            match &changes {
                Some(changes) => changes.write(&names, to)?,
                // What the other parts need names for has come to the first one's process by now.
                None if is_later_part => {
                    contents::write_all(&cut, |take| names.into_iter().for_each(take), to)?;
                }
                None => contents::write_all(&cut, |take| dictionary.names(take), to)?,
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
        let pending = Pending { tick: cut.tick, is_whole: written.whole, positions };
        Ok(Taken { written, full: changes.is_none(), pending })
    }

    /// What sources may be told of a checkpoint that was taken.
    ///
    /// # Errors
    /// It is given back where other processes have not written their parts yet.
    pub fn durable(&self, pending: Pending) -> Result<Durable, Pending> {
        let is_there = || self.newest_whole().ok().flatten().is_some_and(|tick| tick >= pending.tick);
        if pending.is_whole || is_there() { Ok(pending.all_there()) } else { Err(pending) }
    }

    /// The tick of the newest checkpoint of which all parts are there.
    ///
    /// # Errors
    /// The disk's refusal.
    pub fn newest_whole(&self) -> Result<Option<Time>, Error> {
        self.store.newest_whole()
    }

    /// The checkpoint that the next one may stand on.
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

    /// Whether a checkpoint of these changes is better than one of everything.
    fn is_worth(&self, changes: &Changes) -> bool {
        let rows = self.changed_rows + changes.rows();
        self.changed < self.bounds.changes_max && (rows < self.bounds.changed_rows_min || rows < self.base_rows)
    }
}
