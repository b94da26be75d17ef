//! What a file holds: rows of one kind, or a whole shop in one wide table.

use crate::kind::Kind;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileContent {
    /// Rows of one kind.
    Rows(Kind),
    /// A table whose records each name a product with its category, a user, and a line of a purchase.
    Shop,
}

impl FileContent {
    /// Every content.
    pub const ALL: [FileContent; 5] = [
        FileContent::Rows(Kind::Products),
        FileContent::Rows(Kind::Categories),
        FileContent::Rows(Kind::Users),
        FileContent::Rows(Kind::Purchases),
        FileContent::Shop,
    ];

    /// Its name in paths and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            FileContent::Rows(kind) => kind.name(),
            FileContent::Shop => "shop",
        }
    }

    /// The content with this name.
    #[must_use]
    pub fn find(name: &str) -> Option<FileContent> {
        FileContent::ALL.into_iter().find(|content| content.name() == name)
    }

    /// The kinds of its rows, in the order in which those of one record are written.
    #[must_use]
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            FileContent::Rows(Kind::Products) => &[Kind::Products],
            FileContent::Rows(Kind::Categories) => &[Kind::Categories],
            FileContent::Rows(Kind::Users) => &[Kind::Users],
            FileContent::Rows(Kind::Purchases) => &[Kind::Purchases],
            FileContent::Shop => &[Kind::Products, Kind::Users, Kind::Purchases],
        }
    }
}
