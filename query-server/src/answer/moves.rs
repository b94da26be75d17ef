//! The merchandising rules that changed a list, in the explained part of an answer.
//!
//! ```json
//! "rules":[{"rule":"winter-sale","does":"pin","product":"product-393","position":1}]
//! ```

use dataflow::dictionary::Dictionary;
use dataflow::merchandising::{Move, Moved};
use serde::Serialize;
use utoipa::ToSchema;

use super::json::{comma, number, string};

/// A merchandising rule that changed a list.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"rule": "winter-sale", "does": "pin", "product": "product-393", "position": 1}))]
pub(crate) struct ExplainedRule {
    /// The id of the rule.
    rule: String,
    /// `pin`, `bury`, or `cap` for a product that is left out.
    does: String,
    product: String,
    /// Of a pin: the position, from 1.
    position: Option<u64>,
}

/// Writes the member `rules`, and the comma before it, if a rule changed the list.
pub(crate) fn moves(out: &mut Vec<u8>, moves: &[Move], dictionary: &Dictionary) {
    if moves.is_empty() {
        return;
    }
    out.extend_from_slice(b",\"rules\":[");
    for Move { rule, product, moved } in moves {
        dictionary.product_names([*product], |_, name| {
            comma(out);
            out.extend_from_slice(b"{\"rule\":");
            string(out, rule.text());
            out.extend_from_slice(match moved {
                Moved::Pinned(_) => b",\"does\":\"pin\",\"product\":",
                Moved::Buried => b",\"does\":\"bury\",\"product\":",
                Moved::Capped => b",\"does\":\"cap\",\"product\":",
            });
            string(out, name);
            if let Moved::Pinned(position) = moved {
                out.extend_from_slice(b",\"position\":");
                number(out, u64::from(*position));
            }
            out.push(b'}');
        });
    }
    out.push(b']');
}
