//! Files of rows that a home follows: each state of a file is loaded as the difference to the state before.

use crate::bounds::Bounds;
use crate::import::{FileContent, FileFormat, ImportMode, ImportRequest};
use crate::kind::Kind;

/// A CSV file whose rows a home follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShopFile {
    /// A record for each product.
    Products,
    /// A record for each line of a purchase.
    Purchases,
}

impl ShopFile {
    /// Every file, those that others refer to first.
    pub const ALL: [ShopFile; 2] = [ShopFile::Products, ShopFile::Purchases];

    /// The kind of its rows.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            ShopFile::Products => Kind::Products,
            ShopFile::Purchases => Kind::Purchases,
        }
    }
}

/// A state of a followed file.
#[derive(Clone, Debug)]
pub struct LoadRequest {
    /// The file.
    pub file: ShopFile,
    /// What tells this state of the file from others. A state that is loaded already is not read again.
    pub stamp: String,
    /// The bounds of the rows.
    pub bounds: Bounds,
}

impl LoadRequest {
    /// How the records of the file are read.
    pub(crate) fn records(&self) -> ImportRequest {
        ImportRequest {
            content: FileContent::Rows(self.file.kind()),
            mode: ImportMode::Upsert,
            format: FileFormat::Csv,
            map: Vec::new(),
            dry_run: false,
            bounds: self.bounds,
        }
    }
}
