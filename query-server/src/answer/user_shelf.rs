//! A user's two shelves: the history and the recommendations.
//!
//! ```json
//! {"user-id":"user-120","products":["product-393"],"type":"personalized","as_of":"2026-11-20T10:15:00.120Z"}
//! ```

use dataflow::dictionary::Dictionary;
use dataflow::ids::ProductKey;
use dataflow::rows::{Ranking, Viewed};
use dataflow::shelf::{Kind, Pick};
use dataflow::time::Diff;

use super::instant;
use super::json::{comma, number, string};

/// Which keys an answer has beside the user, the products and the type.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'a> {
    /// None: what other shops already call.
    Legacy,
    /// `as_of`.
    Plain(&'a str),
    /// `as_of` and `explain`.
    Explained(&'a str),
}

/// Writes a history.
pub(crate) fn history(
    out: &mut Vec<u8>,
    user: &str,
    rows: &[(Viewed, Diff)],
    dictionary: &Dictionary,
    shape: Shape<'_>,
) {
    head(out, user);
    products(out, dictionary, rows.iter().map(|(row, _)| row.product));
    kind(out, Kind::Personalized);
    let Some(()) = as_of(out, shape) else { return };
    dictionary.product_names(rows.iter().map(|(row, _)| row.product), |key, name| {
        let row = rows.iter().find(|(row, _)| row.product == key).expect("the key is of one of these rows").0;
        comma(out);
        out.extend_from_slice(b"{\"product\":");
        string(out, name);
        out.extend_from_slice(b",\"viewed_at\":");
        string(out, &instant::text(row.at()));
        out.push(b'}');
    });
    out.extend_from_slice(b"]}");
}

/// Writes recommendations.
pub(crate) fn recommendations(
    out: &mut Vec<u8>,
    user: &str,
    made: Kind,
    picks: &[Pick],
    dictionary: &Dictionary,
    shape: Shape<'_>,
) {
    head(out, user);
    products(out, dictionary, picks.iter().map(|pick| pick.seller.product));
    kind(out, made);
    let Some(()) = as_of(out, shape) else { return };
    dictionary.product_names(picks.iter().map(|pick| pick.seller.product), |key, name| {
        let pick = picks.iter().find(|pick| pick.seller.product == key).expect("the key is of one of these picks");
        comma(out);
        out.extend_from_slice(b"{\"product\":");
        string(out, name);
        out.extend_from_slice(b",\"category\":");
        match category(dictionary, pick.ranking) {
            Some(name) => string(out, &name),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"buyers\":");
        number(out, pick.seller.buyers());
        out.extend_from_slice(b",\"rank\":");
        number(out, pick.rank as u64);
        out.push(b'}');
    });
    out.extend_from_slice(b"]}");
}

fn category(dictionary: &Dictionary, ranking: Ranking) -> Option<std::sync::Arc<str>> {
    match ranking {
        Ranking::General => None,
        Ranking::Category(category) => dictionary.category_name(category),
    }
}

fn head(out: &mut Vec<u8>, user: &str) {
    out.extend_from_slice(b"{\"user-id\":");
    string(out, user);
}

fn products(out: &mut Vec<u8>, dictionary: &Dictionary, keys: impl IntoIterator<Item = ProductKey>) {
    out.extend_from_slice(b",\"products\":[");
    dictionary.product_names(keys, |_, name| {
        comma(out);
        string(out, name);
    });
    out.push(b']');
}

fn kind(out: &mut Vec<u8>, kind: Kind) {
    let kind: &[u8] = match kind {
        Kind::Personalized => b",\"type\":\"personalized\"",
        Kind::NonPersonalized => b",\"type\":\"non-personalized\"",
    };
    out.extend_from_slice(kind);
}

/// Writes what follows the type; `Some` when the rows of `explain`, and the end, are still to come.
fn as_of(out: &mut Vec<u8>, shape: Shape<'_>) -> Option<()> {
    if let Shape::Plain(as_of) | Shape::Explained(as_of) = shape {
        out.extend_from_slice(b",\"as_of\":");
        string(out, as_of);
    }
    if let Shape::Explained(_) = shape {
        out.extend_from_slice(b",\"explain\":[");
        return Some(());
    }
    out.push(b'}');
    None
}
