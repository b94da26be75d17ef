//! The content of a directory of checkpoints: which checkpoints it has, and which of them can be restored.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dataflow::time::Time;

use crate::disk::{DirEntry, Disk};
use crate::error::{Damage, Doing, Error, Finding, unreadable};
use crate::manifest::{CheckpointKind, DataFile, Manifest, ManifestRefusal};
use crate::names::{self, Meaning, Piece};
use crate::restorable::Restorable;

/// Limit of the length of a manifest.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// A directory of checkpoints, read once. Reading it changes nothing and needs no lock.
#[derive(Debug)]
pub struct Directory {
    pub(crate) path: PathBuf,
    disk: Arc<dyn Disk>,
    checkpoints: BTreeMap<Time, Checkpoint>,
    /// Data files and unfinished files, whether or not a manifest names them.
    pub(crate) loose: Vec<(Meaning, String)>,
}

/// The checkpoint of one tick.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The tick.
    pub tick: Time,
    /// The readable manifests of all parts.
    pub manifests: Vec<Manifest>,
    /// Whether it can be restored.
    pub state: CheckpointState,
    /// The parts that have a manifest, readable or not.
    pub(crate) pieces: Vec<Piece>,
}

/// Whether a checkpoint can be restored, as far as names, lengths and manifests show. [`Restorable::verify_all`]
/// verifies the contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointState {
    /// All its parts are present, and so is every checkpoint it builds on.
    Whole,
    /// It cannot be restored.
    Broken(Vec<Finding>),
    /// Another version of Vitrine wrote it, in another format.
    OtherFormat {
        /// The manifest.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

impl Checkpoint {
    /// Whether it is full, or the checkpoint it builds on; for a broken checkpoint, according to its first readable
    /// manifest.
    #[must_use]
    pub fn kind(&self) -> Option<CheckpointKind> {
        self.manifests.first().map(|manifest| manifest.kind)
    }

    /// The number of its parts.
    #[must_use]
    pub fn parts(&self) -> u32 {
        self.pieces.first().map_or(0, |piece| piece.parts)
    }

    /// Whether it can be restored.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.state == CheckpointState::Whole
    }
}

impl Directory {
    /// Reads a directory; a directory that does not exist has no checkpoints.
    ///
    /// # Errors
    /// The directory cannot be listed, or a file in it may not be read. Damage is not an error here, see
    /// [`CheckpointState`].
    pub fn read(path: &Path, disk: Arc<dyn Disk>) -> Result<Directory, Error> {
        let entries = match disk.list(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::of_disk(path, Doing::Read, error)),
        };
        let mut directory = Directory { path: path.to_owned(), disk, checkpoints: BTreeMap::new(), loose: Vec::new() };
        for entry in &entries {
            match names::meaning(&entry.name) {
                Some(Meaning::Manifest(piece)) => directory.add(piece, entry)?,
                Some(loose) => directory.loose.push((loose, entry.name.clone())),
                None => {}
            }
        }
        directory.judge(&entries)?;
        Ok(directory)
    }

    /// All checkpoints, oldest first.
    pub fn checkpoints(&self) -> impl DoubleEndedIterator<Item = &Checkpoint> {
        self.checkpoints.values()
    }

    /// The checkpoint of a tick.
    #[must_use]
    pub fn checkpoint(&self, tick: Time) -> Option<&Checkpoint> {
        self.checkpoints.get(&tick)
    }

    /// The checkpoint of `tick`, the checkpoint it builds on, and so on to the full checkpoint; shorter if one is
    /// missing.
    pub fn chain(&self, tick: Time) -> impl Iterator<Item = &Checkpoint> {
        std::iter::successors(self.checkpoint(tick), |checkpoint| match checkpoint.kind()? {
            CheckpointKind::Full => None,
            // Whatever the files say, the chain must end.
            CheckpointKind::Delta { on } => self.checkpoint(on).filter(|parent| parent.tick < checkpoint.tick),
        })
    }

    /// Opens a whole checkpoint for reading.
    ///
    /// # Errors
    /// It is not whole, or a data file is damaged, of another format or unreadable.
    pub fn open(&self, tick: Time) -> Result<Restorable, Error> {
        match self.checkpoint(tick).map(|checkpoint| &checkpoint.state) {
            Some(CheckpointState::Whole) => {
                let chain: Vec<_> =
                    self.chain(tick).map(|checkpoint| (checkpoint.tick, &checkpoint.manifests[..])).collect();
                Restorable::open(&self.path, &chain, &self.disk)
            }
            Some(CheckpointState::OtherFormat { path, format }) => Err(ManifestRefusal::other_format(path, *format)),
            Some(CheckpointState::Broken(findings)) if !findings.is_empty() => {
                Err(Box::new(findings[0].clone()).into())
            }
            _ => Err(Box::new(self.finding(Some(tick), "", Damage::Missing)).into()),
        }
    }

    /// Rejects a directory with a checkpoint of another format.
    ///
    /// # Errors
    /// [`Error::OtherFormat`].
    pub(crate) fn refuse_other_format(&self) -> Result<(), Error> {
        self.checkpoints().try_for_each(|checkpoint| match &checkpoint.state {
            CheckpointState::OtherFormat { path, format } => Err(ManifestRefusal::other_format(path, *format)),
            _ => Ok(()),
        })
    }

    fn add(&mut self, piece: Piece, entry: &DirEntry) -> Result<(), Error> {
        let path = self.path.join(&entry.name);
        let read = if entry.length > MANIFEST_BYTES_MAX {
            Err(ManifestRefusal::Damaged(Damage::Malformed("it is longer than a manifest can be")))
        } else {
            match self.disk.read_at(&path, 0, entry.length as usize) {
                Ok(bytes) => Manifest::parse(&bytes),
                // A server that writes here has removed it since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => Err(ManifestRefusal::Damaged(unreadable(&path, error)?)),
            }
        };
        let checkpoint = self.checkpoints.entry(piece.tick).or_insert_with(|| Checkpoint {
            tick: piece.tick,
            manifests: Vec::new(),
            state: CheckpointState::Whole,
            pieces: Vec::new(),
        });
        checkpoint.pieces.push(piece);
        let damage = match read {
            Ok(manifest) if (manifest.tick, manifest.part, manifest.parts) == (piece.tick, piece.part, piece.parts) => {
                checkpoint.manifests.push(manifest);
                return Ok(());
            }
            Ok(_) => Damage::Malformed("the manifest belongs to another file"),
            Err(ManifestRefusal::Damaged(damage)) => damage,
            Err(ManifestRefusal::OtherFormat(format)) => {
                checkpoint.state = CheckpointState::OtherFormat { path, format };
                return Ok(());
            }
        };
        checkpoint.broken(Finding { tick: Some(piece.tick), path, bytes: None, damage });
        Ok(())
    }

    /// Determines which checkpoints are whole, oldest first, because a delta can only build on an older checkpoint.
    fn judge(&mut self, entries: &[DirEntry]) -> Result<(), Error> {
        let lengths: BTreeMap<&str, u64> = entries.iter().map(|entry| (entry.name.as_str(), entry.length)).collect();
        let ticks: Vec<Time> = self.checkpoints.keys().copied().collect();
        for tick in ticks {
            let checkpoint = &self.checkpoints[&tick];
            let mut findings = self.disagreements(checkpoint);
            for manifest in &checkpoint.manifests {
                for file in &manifest.files {
                    let damage = self.file_damage(manifest, file, lengths.get(file.name.as_str()).copied())?;
                    findings.extend(damage.map(|damage| self.finding(Some(tick), &file.name, damage)));
                }
            }
            let checkpoint = self.checkpoints.get_mut(&tick).expect("it was there just now");
            checkpoint.manifests.sort_by_key(|manifest| manifest.part);
            findings.into_iter().for_each(|finding| checkpoint.broken(finding));
        }
        Ok(())
    }

    fn disagreements(&self, checkpoint: &Checkpoint) -> Vec<Finding> {
        let [first, ..] = checkpoint.manifests.as_slice() else { return Vec::new() };
        let mut damages = Vec::new();
        let alike =
            |other: &Manifest| (other.parts, other.kind, other.id_key) == (first.parts, first.kind, first.id_key);
        if !checkpoint.manifests.iter().all(alike) {
            damages.push(Damage::Disagreement);
        } else if checkpoint.pieces.len() != first.parts as usize {
            damages.push(Damage::Parts { present: checkpoint.pieces.len(), parts: first.parts });
        }
        if let CheckpointKind::Delta { on } = first.kind {
            let parent = self.checkpoint(on).filter(|parent| parent.tick < checkpoint.tick && parent.is_whole());
            let fits = parent.is_some_and(|parent| parent.manifests.iter().all(|other| other.id_key == first.id_key));
            damages.extend((!fits).then_some(Damage::Parent { on }));
        }
        damages.into_iter().map(|damage| self.finding(Some(checkpoint.tick), "", damage)).collect()
    }

    fn file_damage(&self, by: &Manifest, file: &DataFile, found: Option<u64>) -> Result<Option<Damage>, Error> {
        let piece = Piece { tick: by.tick, part: by.part, parts: by.parts };
        if !matches!(names::meaning(&file.name), Some(Meaning::Data(named, _)) if named == piece) {
            return Ok(Some(Damage::Malformed("the manifest names a file that belongs to another part")));
        }
        let found = match found {
            Some(found) => found,
            // The file may have been created while the directory was listed.
            None => match self.disk.length(&self.path.join(&file.name)) {
                Ok(found) => found,
                Err(error) => return unreadable(&self.path.join(&file.name), error).map(Some),
            },
        };
        Ok((found != file.bytes).then_some(Damage::Length { found, wanted: file.bytes }))
    }

    fn finding(&self, tick: Option<Time>, name: &str, damage: Damage) -> Finding {
        let path = if name.is_empty() { self.path.clone() } else { self.path.join(name) };
        Finding { tick, path, bytes: None, damage }
    }
}

impl Checkpoint {
    fn broken(&mut self, finding: Finding) {
        match &mut self.state {
            CheckpointState::Broken(findings) => findings.push(finding),
            CheckpointState::Whole => self.state = CheckpointState::Broken(vec![finding]),
            // Another format explains any other irregularity.
            CheckpointState::OtherFormat { .. } => {}
        }
    }
}
