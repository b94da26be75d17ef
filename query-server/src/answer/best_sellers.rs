//! A best-seller list.
//!
//! ```json
//! {"category":"tea","products":[{"product":"product-393","buyers":17}],"type":"non-personalized","as_of":"…"}
//! ```
//! `category` only where there is one; with `explain`, each product's `rank` in `explain`.

use dataflow::dictionary::Dictionary;
use dataflow::rows::Seller;
use dataflow::time::Diff;

use super::json::{comma, number, string};

/// Writes a best-seller list.
pub(crate) fn best_sellers(
    out: &mut Vec<u8>,
    category: Option<&str>,
    rows: &[(Seller, Diff)],
    dictionary: &Dictionary,
    as_of: &str,
    explain: bool,
) {
    out.push(b'{');
    if let Some(category) = category {
        out.extend_from_slice(b"\"category\":");
        string(out, category);
    }
    comma(out);
    out.extend_from_slice(b"\"products\":[");
    each(out, rows, dictionary, false);
    out.extend_from_slice(b"],\"type\":\"non-personalized\",\"as_of\":");
    string(out, as_of);
    if explain {
        out.extend_from_slice(b",\"explain\":[");
        each(out, rows, dictionary, true);
        out.push(b']');
    }
    out.push(b'}');
}

fn each(out: &mut Vec<u8>, rows: &[(Seller, Diff)], dictionary: &Dictionary, ranked: bool) {
    dictionary.product_names(rows.iter().map(|(row, _)| row.product), |key, name| {
        let rank = rows.iter().position(|(row, _)| row.product == key).expect("the key is of one of these rows");
        comma(out);
        out.extend_from_slice(b"{\"product\":");
        string(out, name);
        out.extend_from_slice(b",\"buyers\":");
        number(out, rows[rank].0.buyers());
        if ranked {
            out.extend_from_slice(b",\"rank\":");
            number(out, rank as u64 + 1);
        }
        out.push(b'}');
    });
}
