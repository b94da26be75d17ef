//! The manifest: the content of one part of a checkpoint, its files, and the positions of the sources.

use std::path::Path;

use dataflow::feed::Position;
use dataflow::time::Time;
use serde::{Deserialize, Serialize};

use crate::error::{Damage, Error};
use crate::fingerprint::Fingerprint;
use crate::sealed;
use crate::table::TableId;

/// The format of checkpoints: of manifests, and of the rows of every table; any other format is rejected. In every format a
/// manifest is one JSON object with a number `format`, and a last line with the checksum.
pub const FORMAT: u32 = 5;

/// A full checkpoint, or the changes since another checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointKind {
    /// All rows.
    Full,
    /// The changes since the checkpoint of tick `on`.
    Delta {
        /// The tick of the checkpoint on which this one builds.
        on: Time,
    },
}

/// One data file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    /// Its name in the directory.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// The checksum of its content.
    pub crc32c: u32,
    /// The checksum of its index, which holds the checksums of all its frames.
    pub index_crc32c: u32,
}

/// The size of a table in a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The table's name.
    pub table: String,
    /// The number of rows; in a delta, the number of changes.
    pub rows: u64,
    /// The number of frames.
    pub frames: u64,
    /// The size of the frames in bytes.
    pub bytes: u64,
}

impl Summary {
    pub(crate) fn empty(table: TableId) -> Self {
        Summary { table: table.name().to_owned(), rows: 0, frames: 0, bytes: 0 }
    }
}

/// The manifest of one part of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format, [`FORMAT`].
    pub format: u32,
    /// The tick of the rows.
    pub tick: Time,
    /// The number of this part, from 0.
    pub part: u32,
    /// The number of parts of the checkpoint.
    pub parts: u32,
    /// Whether the checkpoint is full.
    pub kind: CheckpointKind,
    /// The fingerprint of the key with which the ids were hashed.
    pub id_key: Fingerprint,
    /// The positions of this part's sources.
    pub positions: Vec<Position>,
    /// Its tables.
    pub tables: Vec<Summary>,
    /// The data files.
    pub files: Vec<DataFile>,
}

/// The fields that are read first, in every format.
#[derive(Deserialize)]
struct ManifestOpening {
    format: u32,
}

/// Why a manifest is rejected.
pub(crate) enum ManifestRefusal {
    Damaged(Damage),
    /// It has this format.
    OtherFormat(u32),
}

impl From<Damage> for ManifestRefusal {
    fn from(damage: Damage) -> Self {
        ManifestRefusal::Damaged(damage)
    }
}

impl ManifestRefusal {
    /// The error for a manifest of another format.
    pub(crate) fn other_format(path: &Path, found: u32) -> Error {
        Error::OtherFormat { path: path.to_owned(), found, known: FORMAT }
    }
}

impl Manifest {
    pub(crate) fn to_text(&self) -> String {
        let body = serde_json::to_string_pretty(self).expect("a manifest of numbers and names can be written");
        sealed::seal(&(body + "\n"))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Result<Manifest, ManifestRefusal> {
        let malformed = |_| Damage::Malformed("the manifest has an unknown form");
        let body = sealed::open(bytes)?;
        let opening: ManifestOpening = serde_json::from_slice(body).map_err(malformed)?;
        if opening.format != FORMAT {
            return Err(ManifestRefusal::OtherFormat(opening.format));
        }
        Ok(serde_json::from_slice(body).map_err(malformed)?)
    }

    /// The number of its rows.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// The size of its data files in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use dataflow::feed::StreamFingerprint;

    use super::*;

    #[test]
    fn the_form_is_fixed_and_others_are_told() {
        let manifest = Manifest {
            format: FORMAT,
            tick: 1_700_000_000_123,
            part: 0,
            parts: 2,
            kind: CheckpointKind::Delta { on: 1_700_000_000_000 },
            id_key: "00000000000000ff".parse().unwrap(),
            positions: vec![
                Position {
                    fingerprint: Some(StreamFingerprint { at: 6, hash: u64::MAX }),
                    last: Some(StreamFingerprint { at: 6, hash: 7 }),
                    ..Position::new("views", 3, 7)
                },
                Position::new("shop", 0, i64::MAX),
            ],
            tables: vec![Summary {
                rows: 2,
                frames: 1,
                bytes: 60,
                ..Summary::empty(TableId::of::<dataflow::tables::Stamps>())
            }],
            files: vec![DataFile { name: "x.rows".into(), bytes: 108, crc32c: 5, index_crc32c: 6 }],
        };
        let text = manifest.to_text();
        assert!(Manifest::parse(text.as_bytes()).is_ok_and(|read| read == manifest));
        let compact = serde_json::to_string(&manifest).unwrap();
        assert_eq!(
            compact,
            r#"{"format":5,"tick":1700000000123,"part":0,"parts":2,"kind":{"delta":{"on":1700000000000}},"id_key":"00000000000000ff","positions":[{"stream":"views","partition":3,"next":7,"fingerprint":{"at":6,"hash":18446744073709551615},"last":{"at":6,"hash":7}},{"stream":"shop","partition":0,"next":9223372036854775807,"fingerprint":null,"last":null}],"tables":[{"table":"stamps","rows":2,"frames":1,"bytes":60}],"files":[{"name":"x.rows","bytes":108,"crc32c":5,"index_crc32c":6}]}"#
        );
        for format in [FORMAT - 1, FORMAT + 1] {
            let other = sealed::seal(&format!("{{\"format\": {format}, \"all else\": \"differs\"}}\n"));
            let refused = Manifest::parse(other.as_bytes());
            assert!(matches!(refused, Err(ManifestRefusal::OtherFormat(found)) if found == format));
        }
    }
}
