//! What an imported file may hold, and its media types.

use store::{FileContent, Kind};

use super::{Categories, Products, Purchases, Users};

/// The media type of a table.
pub(super) const CSV: &str = "text/csv";

/// The media type of one JSON object a line.
pub(super) const LINES: &str = "application/x-ndjson";

/// A content of files as a type, for handlers and declarations of each.
pub(crate) trait Imported: 'static {
    const CONTENT: FileContent;
    const SUMMARY: &'static str;
    /// The media types of a file.
    const BODY: &'static [&'static str];
    /// The name of the import in the audit log.
    const DONE: &'static str;
}

macro_rules! imported {
    ($($name:ident, $content:expr, $summary:literal, $body:expr, $done:literal;)+) => {$(
        impl Imported for $name {
            const CONTENT: FileContent = $content;
            const SUMMARY: &'static str = $summary;
            const BODY: &'static [&'static str] = $body;
            const DONE: &'static str = $done;
        }
    )+};
}

/// A whole shop in one table.
pub(crate) struct Shop;

imported! {
    Products, FileContent::Rows(Kind::Products), "Import a file of products: all rows or none", &[CSV, LINES],
        "products.import";
    Categories, FileContent::Rows(Kind::Categories), "Import a file of categories: all rows or none", &[CSV, LINES],
        "categories.import";
    Users, FileContent::Rows(Kind::Users), "Import a file of users: all rows or none", &[CSV, LINES], "users.import";
    Purchases, FileContent::Rows(Kind::Purchases), "Import a file of purchases: all rows or none", &[CSV, LINES],
        "purchases.import";
    Shop, FileContent::Shop, "Import a wide table of products, users and purchases: all rows or none", &[CSV],
        "shop.import";
}
