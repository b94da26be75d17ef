//! Decides which files may be removed: checkpoints beyond those to keep, and files that no manifest needs.

use std::collections::BTreeSet;

use dataflow::time::Time;

use crate::directory::Directory;
use crate::names::{Meaning, Piece};

/// Files to remove, in this order. The removal of the manifests is made durable before the other files are removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PrunePlan {
    /// Manifests come first, so that no manifest ever names a file that was removed.
    pub(crate) manifests: Vec<String>,
    /// Data files, and unfinished files that a crash left.
    pub(crate) rest: Vec<String>,
}

/// The owner of the files that may be removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileOwner {
    pub(crate) part: u32,
    pub(crate) parts: u32,
}

impl FileOwner {
    /// The first part also removes the files of parts that no longer exist.
    fn owns(self, piece: Piece) -> bool {
        piece.part == self.part || (self.leads() && piece.part >= self.parts)
    }

    fn leads(self) -> bool {
        self.part == 0
    }
}

/// The ticks to keep: the newest `keep` checkpoints that can be restored, and all checkpoints they build on.
///
/// If these all build on one full checkpoint, the newest checkpoint that builds on another is kept too, so that a state
/// can be restored if that one file is damaged.
fn kept(directory: &Directory, keep: usize, condemned: &BTreeSet<Time>) -> BTreeSet<Time> {
    let chain = |tick: Time| directory.chain(tick).map(|checkpoint| checkpoint.tick);
    let sound = directory.checkpoints().rev().filter(|checkpoint| checkpoint.is_whole());
    let sound: Vec<Time> = sound
        .map(|checkpoint| checkpoint.tick)
        .filter(|tick| !chain(*tick).any(|on| condemned.contains(&on)))
        .collect();
    let (newest, older) = sound.split_at(keep.max(1).min(sound.len()));
    let bases: BTreeSet<Time> = newest.iter().filter_map(|tick| chain(*tick).last()).collect();
    let other =
        older.iter().find(|tick| keep > 1 && bases.len() == 1 && chain(**tick).last() != bases.first().copied());
    newest.iter().chain(other).flat_map(|tick| chain(*tick)).collect()
}

/// The files that may be removed after a checkpoint has become durable.
pub(crate) fn after_checkpoint(
    directory: &Directory,
    owner: FileOwner,
    keep: usize,
    condemned: &BTreeSet<Time>,
) -> PrunePlan {
    let mut plan = PrunePlan::default();
    let kept = kept(directory, keep, condemned);
    let Some(newest) = kept.last().copied() else { return plan };
    // A checkpoint newer than the newest whole one may become whole soon.
    let goes = |piece: Piece| piece.tick < newest && !kept.contains(&piece.tick);
    if owner.leads() {
        // Newest first: a delta is removed before the checkpoint it builds on.
        let pieces = directory.checkpoints().rev().flat_map(|checkpoint| checkpoint.pieces.iter().copied());
        plan.manifests = pieces.filter(|piece| goes(*piece)).map(Piece::manifest).collect();
    }
    plan.rest = loose(directory, |piece| owner.leads() && goes(piece));
    plan.rest.extend(left_behind(directory, owner));
    plan.rest.sort();
    plan.rest.dedup();
    plan
}

/// The files of this owner that a crash left: unfinished files, and data that no manifest names.
pub(crate) fn left_behind(directory: &Directory, owner: FileOwner) -> Vec<String> {
    let manifests = || directory.checkpoints().flat_map(|checkpoint| &checkpoint.manifests);
    let named: BTreeSet<&str> =
        manifests().flat_map(|manifest| &manifest.files).map(|file| file.name.as_str()).collect();
    // The files that an unreadable manifest names are not known.
    let readable =
        |piece: Piece| manifests().any(|by| (by.tick, by.part, by.parts) == (piece.tick, piece.part, piece.parts));
    let unread = |piece: Piece| {
        let there = directory.checkpoint(piece.tick).is_some_and(|checkpoint| checkpoint.pieces.contains(&piece));
        there && !readable(piece)
    };
    let loose = directory.loose.iter().filter(|(meaning, name)| match meaning {
        Meaning::Temporary(piece) => owner.owns(*piece),
        Meaning::Data(piece, _) => owner.owns(*piece) && !named.contains(name.as_str()) && !unread(*piece),
        Meaning::Manifest(_) => false,
    });
    loose.map(|(_, name)| name.clone()).collect()
}

fn loose(directory: &Directory, goes: impl Fn(Piece) -> bool) -> Vec<String> {
    let loose = directory.loose.iter().filter(|(meaning, _)| match meaning {
        Meaning::Temporary(piece) | Meaning::Data(piece, _) | Meaning::Manifest(piece) => goes(*piece),
    });
    loose.map(|(_, name)| name.clone()).collect()
}
