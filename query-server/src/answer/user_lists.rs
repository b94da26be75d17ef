//! A user's two lists: the history and the recommendations.
//!
//! ```json
//! {"user-id":"user-120","products":["product-393"],"type":"personalized","as_of":"2026-11-20T10:15:00.120Z"}
//! ```

use dataflow::dictionary::Dictionary;
use dataflow::graph::{History, Viewed};
use dataflow::index_reader::{Kind, Pick, Recommendations};
use dataflow::time::Diff;

use super::json::string;
use super::moves::moves;
use super::names::NameCache;
use super::recommended::best_seller;
use super::row::row_columns;

/// Which keys an answer has beside the user, the products and the type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// No further key: the shape that other shops already use.
    Legacy,
    /// `as_of`.
    Plain(&'a str),
    /// `as_of` and `explain`.
    Explained(&'a str),
}

impl<'a> Shape<'a> {
    /// The requested shape, of an answer as of `as_of`.
    pub(crate) fn asked(legacy: bool, explain: bool, as_of: &'a str) -> Self {
        match (legacy, explain) {
            (true, _) => Shape::Legacy,
            (false, false) => Shape::Plain(as_of),
            (false, true) => Shape::Explained(as_of),
        }
    }
}

/// Writes a history.
pub(crate) fn history(
    out: &mut Vec<u8>,
    user: &str,
    rows: &[(Viewed, Diff)],
    (names, dictionary): (&mut NameCache, &Dictionary),
    shape: Shape<'_>,
) {
    let product = |(row, _): &(Viewed, Diff)| row.product;
    head(out, user);
    names.list(out, dictionary, rows, product, b"", |_, _, _| {});
    tail(out, Kind::Personalized, shape);
    if let Shape::Explained(_) = shape {
        names.list(out, dictionary, rows, product, PRODUCT, |out, _, (row, _)| {
            row_columns::<History>(out, row);
            out.push(b'}');
        });
        out.extend_from_slice(b"]}");
    }
}

/// Writes recommendations.
pub(crate) fn recommendations(
    out: &mut Vec<u8>,
    user: &str,
    made: &Recommendations,
    (names, dictionary): (&mut NameCache, &Dictionary),
    shape: Shape<'_>,
) {
    let product = |pick: &Pick| pick.seller.product;
    head(out, user);
    names.list(out, dictionary, &made.picks, product, b"", |_, _, _| {});
    tail(out, made.kind, shape);
    if let Shape::Explained(_) = shape {
        names.list(out, dictionary, &made.picks, product, PRODUCT, |out, _, pick| {
            best_seller(out, pick, dictionary);
            out.push(b'}');
        });
        out.push(b']');
        moves(out, &made.moves, dictionary);
        out.push(b'}');
    }
}

/// How an explained product begins.
const PRODUCT: &[u8] = b"{\"product\":";

/// Writes what precedes the products.
fn head(out: &mut Vec<u8>, user: &str) {
    out.extend_from_slice(b"{\"user-id\":");
    string(out, user);
    out.extend_from_slice(b",\"products\":[");
}

/// Writes what follows the products; with `explain`, its rows and the end are still to come.
fn tail(out: &mut Vec<u8>, kind: Kind, shape: Shape<'_>) {
    let kind: &[u8] = match kind {
        Kind::Personalized => b"],\"type\":\"personalized\"",
        Kind::NonPersonalized => b"],\"type\":\"non-personalized\"",
    };
    out.extend_from_slice(kind);
    if let Shape::Plain(as_of) | Shape::Explained(as_of) = shape {
        out.extend_from_slice(b",\"as_of\":");
        string(out, as_of);
    }
    match shape {
        Shape::Legacy | Shape::Plain(_) => out.push(b'}'),
        Shape::Explained(_) => out.extend_from_slice(b",\"explain\":["),
    }
}
