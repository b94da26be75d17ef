//! The write side of a directory: writes checkpoints, restores the newest valid one, removes superfluous ones.
//!
//! Crash safety depends on the order of writing. First the data file: its content is made durable, then its name. Then
//! the manifest in the same way; from then on the checkpoint is complete. Only then are older checkpoints removed,
//! manifests first.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflow::feed::Position;
use dataflow::time::Time;

use crate::data_file::{Finished, RowWriter};
use crate::directory::{CheckpointState, Directory};
use crate::disk::{Disk, Lock};
use crate::error::{Doing, Error, Finding};
use crate::fingerprint::Fingerprint;
use crate::manifest::{CheckpointKind, DataFile, FORMAT, Manifest};
use crate::names::{self, Meaning, Piece};
use crate::prune::{self, FileOwner, PrunePlan};
use crate::restorable::Restorable;
use crate::sealed;

/// The place where a process writes its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory, shared by all processes of a cluster.
    pub dir: PathBuf,
    /// The number of this process's part, from 0.
    pub part: u32,
    /// The number of parts.
    pub parts: u32,
    /// How many checkpoints stay restorable; at least one. If these all build on one full checkpoint, another one that
    /// builds on a different full checkpoint is kept too (unless `keep` is 1), so that damage in one full checkpoint
    /// does not lose everything.
    pub keep: usize,
}

/// The description of a checkpoint to be written, without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The tick of the rows, the same in all parts of a checkpoint.
    pub tick: Time,
    /// Whether the checkpoint is full, the same in all its parts.
    pub kind: CheckpointKind,
    /// The fingerprint of the key with which the ids were hashed.
    pub id_key: Fingerprint,
    /// The positions of this part's sources.
    pub positions: Vec<Position>,
}

/// A written part; it is durable.
#[derive(Debug)]
pub struct Written {
    /// The tick.
    pub tick: Time,
    /// The number of rows in this part.
    pub rows: u64,
    /// The size of its data in bytes.
    pub bytes: u64,
    /// Whether all parts are present by now, so that the checkpoint can be restored.
    pub whole: bool,
    /// The number of superfluous files that were removed.
    pub removed: usize,
    /// Why superfluous files could not be removed; the removal is retried after the next checkpoint.
    pub not_removed: Option<Error>,
}

/// The newest checkpoint that can be restored, and the damage of newer ones.
#[derive(Debug)]
pub struct Latest {
    /// `None` if no checkpoint can be restored; if there are findings then, there were checkpoints once.
    pub checkpoint: Option<Restorable>,
    /// The damage of newer checkpoints. The records after [`Latest::checkpoint`] and up to their ticks are not lost as
    /// long as the sources still have them: they are read again from the older positions.
    pub findings: Vec<Finding>,
}

/// The chain of a checkpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The number of deltas.
    pub changes: usize,
    /// Rows of all parts of the full checkpoint.
    pub base_rows: u64,
    /// Rows of all parts of the deltas.
    pub changed_rows: u64,
}

/// A directory of checkpoints, held for writing.
#[derive(Debug)]
pub struct Store {
    place: Place,
    disk: Arc<dyn Disk>,
    /// Checkpoints whose content turned out to be damaged. They do not count among the checkpoints to keep.
    condemned: BTreeMap<Time, Finding>,
    _lock: Box<dyn Lock>,
}

impl Store {
    /// Locks a directory, which is created if needed, and removes files that a crash left.
    ///
    /// # Errors
    /// Another process holds the same part, another version has written there (nothing is changed then), or the error
    /// of the disk.
    pub fn open(place: Place, disk: Arc<dyn Disk>) -> Result<Store, Error> {
        Directory::read(&place.dir, Arc::clone(&disk))?.refuse_other_format()?;
        disk.make_dir(&place.dir).map_err(|source| Error::of_disk(&place.dir, Doing::Made, source))?;
        let path = place.dir.join(format!("part-{}.lock", place.part));
        let lock = disk.lock(&path).map_err(|source| Error::of_disk(&path, Doing::Locked, source))?;
        let lock = lock.ok_or(Error::Taken { path })?;
        let store = Store { place, disk, condemned: BTreeMap::new(), _lock: lock };
        let left_behind = prune::left_behind(&store.read()?, store.owner());
        store.remove(&PrunePlan { manifests: Vec::new(), rest: left_behind })?;
        Ok(store)
    }

    /// Writes this process's part of a checkpoint and makes it durable. `rows` gives the rows to the writer; if it
    /// returns an error of its own, such as [`Error::Abandoned`], no file remains.
    ///
    /// Superfluous files are removed afterwards, by the first part for all parts.
    ///
    /// # Errors
    /// The delta builds on a checkpoint that cannot be restored, another version has written here, or the error of the
    /// disk. Earlier checkpoints can still be restored.
    pub fn write(
        &mut self,
        draft: Draft,
        rows: impl FnOnce(&mut RowWriter) -> Result<(), Error>,
    ) -> Result<Written, Error> {
        let before = self.read()?;
        if let CheckpointKind::Delta { on } = draft.kind {
            let parent = before.checkpoint(on).filter(|parent| on < draft.tick && parent.is_whole());
            parent.ok_or(Error::NoParent { on })?;
        }
        let piece = Piece { tick: draft.tick, part: self.place.part, parts: self.place.parts };
        let name = free_name(&before, piece);
        let finished = self.write_data(&name, rows)?;
        let manifest = Manifest {
            format: FORMAT,
            tick: draft.tick,
            part: piece.part,
            parts: piece.parts,
            kind: draft.kind,
            id_key: draft.id_key,
            positions: draft.positions,
            tables: finished.tables,
            files: vec![DataFile {
                name,
                bytes: finished.bytes,
                crc32c: finished.crc32c,
                index_crc32c: finished.index_crc32c,
            }],
        };
        let (name, text) = (piece.manifest(), manifest.to_text());
        // If this fails, the manifest may exist or not; so its data stays until a later manifest or start decides.
        sealed::put(&*self.disk, &self.place.dir, &names::temporary(&name), &name, text.as_bytes())?;
        self.condemned.remove(&draft.tick);
        let after = if self.place.parts > 1 { self.read_durable() } else { self.read() };
        let whole = after.as_ref().is_ok_and(|now| now.checkpoint(draft.tick).is_some_and(|it| it.is_whole()));
        let (removed, not_removed) = match after.and_then(|now| self.prune(&now)) {
            Ok(removed) => (removed, None),
            Err(error) => (0, Some(error)),
        };
        let (rows, bytes) = (manifest.rows(), manifest.bytes());
        Ok(Written { tick: draft.tick, rows, bytes, whole, removed, not_removed })
    }

    /// The newest checkpoint whose every byte verifies.
    ///
    /// # Errors
    /// Another version has written here, the newest checkpoint was taken with another key, or the error of the disk.
    /// Damage is not an error: the previous checkpoint is used.
    pub fn restore(&mut self, id_key: Fingerprint) -> Result<Latest, Error> {
        let directory = self.read_durable()?;
        let mut findings = Vec::new();
        for checkpoint in directory.checkpoints().rev() {
            if let CheckpointState::Broken(found) = &checkpoint.state {
                findings.extend(found.iter().cloned());
                continue;
            }
            if let Some(found) = self.damage(&directory, checkpoint.tick) {
                findings.push(found.clone());
                continue;
            }
            if checkpoint.manifests.iter().any(|manifest| manifest.id_key != id_key) {
                return Err(Error::OtherKey { tick: checkpoint.tick });
            }
            let opened = directory.open(checkpoint.tick);
            match opened.and_then(|restorable| restorable.verify_all().map(|()| restorable)) {
                Ok(restorable) => {
                    findings.dedup();
                    return Ok(Latest { checkpoint: Some(restorable), findings });
                }
                Err(Error::Corrupt(found)) => {
                    self.condemned.insert(found.tick.unwrap_or(checkpoint.tick), (*found).clone());
                    findings.push(*found);
                }
                Err(refused) => return Err(refused),
            }
        }
        findings.dedup();
        Ok(Latest { checkpoint: None, findings })
    }

    /// The checkpoint of a tick that another process of the cluster has chosen.
    ///
    /// # Errors
    /// The checkpoint cannot be restored; or see [`Store::restore`].
    pub fn at(&self, tick: Time, id_key: Fingerprint) -> Result<Restorable, Error> {
        let restorable = self.read()?.open(tick)?;
        if restorable.id_key == id_key { Ok(restorable) } else { Err(Error::OtherKey { tick }) }
    }

    /// The tick of the newest checkpoint whose parts are all present and that was not found damaged.
    ///
    /// # Errors
    /// See [`Store::restore`].
    pub fn newest_whole(&self) -> Result<Option<Time>, Error> {
        let directory = self.read_durable()?;
        let whole = directory.checkpoints().rev().filter(|checkpoint| checkpoint.is_whole());
        let mut ticks = whole.map(|checkpoint| checkpoint.tick);
        Ok(ticks.find(|tick| self.damage(&directory, *tick).is_none()))
    }

    /// The damage found in a checkpoint or in a checkpoint it builds on.
    fn damage(&self, directory: &Directory, tick: Time) -> Option<&Finding> {
        directory.chain(tick).find_map(|on| self.condemned.get(&on.tick))
    }

    /// The chain of the checkpoint of a tick.
    ///
    /// # Errors
    /// See [`Store::restore`].
    pub fn chain(&self, tick: Time) -> Result<Chain, Error> {
        let directory = self.read()?;
        let mut chain = Chain::default();
        for checkpoint in directory.chain(tick) {
            let rows: u64 = checkpoint.manifests.iter().map(Manifest::rows).sum();
            if let Some(CheckpointKind::Delta { .. }) = checkpoint.kind() {
                chain.changes += 1;
                chain.changed_rows += rows;
            } else {
                chain.base_rows += rows;
            }
        }
        Ok(chain)
    }

    /// The number of the part that is written here.
    #[must_use]
    pub fn part(&self) -> u32 {
        self.place.part
    }

    /// The number of parts of a checkpoint.
    #[must_use]
    pub fn parts(&self) -> u32 {
        self.place.parts
    }

    fn write_data(
        &self,
        name: &str,
        rows: impl FnOnce(&mut RowWriter) -> Result<(), Error>,
    ) -> Result<Finished, Error> {
        let dir = &self.place.dir;
        let (from, to) = (dir.join(names::temporary(name)), dir.join(name));
        let finished = RowWriter::create(&*self.disk, &from).and_then(|mut writer| {
            rows(&mut writer)?;
            writer.finish()
        });
        let placed = finished.and_then(|finished| {
            self.disk.rename(&from, &to).map_err(|source| Error::of_disk(&to, Doing::Renamed, source))?;
            self.disk.sync_dir(dir).map_err(|source| Error::of_disk(dir, Doing::Synchronised, source))?;
            Ok(finished)
        });
        if placed.is_err() {
            // No manifest names this file; if it cannot be removed now, the next start removes it.
            let _ = self.disk.remove(&from);
            let _ = self.disk.remove(&to);
        }
        placed
    }

    fn prune(&self, directory: &Directory) -> Result<usize, Error> {
        let condemned: BTreeSet<Time> = self.condemned.keys().copied().collect();
        let plan = prune::after_checkpoint(directory, self.owner(), self.place.keep, &condemned);
        self.remove(&plan)
    }

    fn remove(&self, plan: &PrunePlan) -> Result<usize, Error> {
        for names in [&plan.manifests, &plan.rest] {
            for name in names {
                let path = self.place.dir.join(name);
                match self.disk.remove(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(Error::of_disk(&path, Doing::Removed, error));
                    }
                    _ => {}
                }
            }
            if !names.is_empty() {
                let dir: &Path = &self.place.dir;
                self.disk.sync_dir(dir).map_err(|source| Error::of_disk(dir, Doing::Synchronised, source))?;
            }
        }
        Ok(plan.manifests.len() + plan.rest.len())
    }

    fn read(&self) -> Result<Directory, Error> {
        let directory = Directory::read(&self.place.dir, Arc::clone(&self.disk))?;
        directory.refuse_other_format()?;
        Ok(directory)
    }

    /// The content of the directory that survives a crash. A name given by another process, or by an earlier process
    /// that died, may not be durable yet, and sources discard the records that the checkpoint covers.
    fn read_durable(&self) -> Result<Directory, Error> {
        let dir = &self.place.dir;
        self.disk.sync_dir(dir).map_err(|source| Error::of_disk(dir, Doing::Synchronised, source))?;
        self.read()
    }

    fn owner(&self) -> FileOwner {
        FileOwner { part: self.place.part, parts: self.place.parts }
    }
}

/// An unused name for a data file: a file that a manifest names must stay unchanged until the next manifest is written.
fn free_name(directory: &Directory, piece: Piece) -> String {
    let attempts = directory.loose.iter().filter_map(|(meaning, _)| match meaning {
        Meaning::Data(other, attempt) if *other == piece => Some(*attempt),
        _ => None,
    });
    piece.data(attempts.max().map_or(0, |attempt| attempt.wrapping_add(1)))
}
