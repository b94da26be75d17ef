//! A best-seller list.
//!
//! ```json
//! {"category":"tea","products":[{"product":"product-393","buyers":17}],"type":"non-personalized","as_of":"…"}
//! ```
//! The list over all products has no `category`. With `explain`, the array `explain` repeats the products with their `rank`, and
//! `rules` has the merchandising rules that changed the list.

use dataflow::dictionary::Dictionary;
use dataflow::graph::{BestSellers, Seller};
use dataflow::merchandising::Move;
use dataflow::time::Diff;

use super::json::{comma, number, string};
use super::moves::moves;
use super::names::NameCache;
use super::row::row_columns;

/// Writes a best-seller list.
pub(crate) fn best_sellers(
    out: &mut Vec<u8>,
    category: Option<&str>,
    rows: &[(Seller, Diff)],
    (names, dictionary): (&mut NameCache, &Dictionary),
    as_of: &str,
    explain: Option<&[Move]>,
) {
    out.push(b'{');
    if let Some(category) = category {
        out.extend_from_slice(b"\"category\":");
        string(out, category);
    }
    comma(out);
    out.extend_from_slice(b"\"products\":[");
    each(out, rows, (names, dictionary), false);
    out.extend_from_slice(b"],\"type\":\"non-personalized\",\"as_of\":");
    string(out, as_of);
    if let Some(changes) = explain {
        out.extend_from_slice(b",\"explain\":[");
        each(out, rows, (names, dictionary), true);
        out.push(b']');
        moves(out, changes, dictionary);
    }
    out.push(b'}');
}

fn each(out: &mut Vec<u8>, rows: &[(Seller, Diff)], (names, dictionary): (&mut NameCache, &Dictionary), ranked: bool) {
    names.list(
        out,
        dictionary,
        rows,
        |(row, _)| row.product,
        b"{\"product\":",
        |out, place, (row, _)| {
            row_columns::<BestSellers>(out, row);
            if ranked {
                out.extend_from_slice(b",\"rank\":");
                number(out, place as u64 + 1);
            }
            out.push(b'}');
        },
    );
}
