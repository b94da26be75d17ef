//! `[store]`: where the shop's rows are kept, and what they may hold.

use std::path::PathBuf;

use settings::{Kind, Value, whole};

/// `store.manage`.
const MANAGE: Kind = Kind::Scalar { allowed: "true or false", takes: |text| ["true", "false"].contains(&text) };

settings::choice! {
    /// What a reference to a row that is not there leads to.
    pub enum UnknownIds {
        /// The row is taken as it is.
        Take = "take",
        /// The row is refused.
        Refuse = "refuse",
    }
}

settings::section! {
    /// The store: products, categories, users and purchases of a shop without services of its own. They are in the
    /// database of [postgres], or without that section in a SQLite file. Without [store], the paths that read and write
    /// them answer 409.
    pub struct Settings in "store" {
        /// The SQLite file. Vitrine creates it if necessary. Other tools may read and write its tables too.
        path: PathBuf = "store.db", "file", Kind::Path { empty: false };
        /// Whether Vitrine makes and writes the tables in the database of [postgres]. With false it only reads them, and
        /// the paths that write answer 409. A SQLite file is always Vitrine's.
        manage: bool = "false", "truth", MANAGE => |word: &Value| word.text() == "true";
        /// Digits after the point in a price, as the shop's currency has them.
        price_digits: usize = 2, "digits", whole(0, 4);
        /// Whether a product of an unknown category, and a purchase of an unknown product or user, are taken or refused.
        unknown_ids: UnknownIds = "take", "word", Kind::Choice(UnknownIds::WORDS);
    }
}
