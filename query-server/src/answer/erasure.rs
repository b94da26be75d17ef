//! The receipt of an erasure: what was held of the user, and where copies remain.

use dataflow::time::Millis;
use hyper::Response;
use hyper::header::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::{instant, json};
use crate::app::DataCopy;
use crate::body::Body;

/// The answer to the erasure of a user, which is durable and visible.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErasureReceipt<'a> {
    /// The user.
    #[serde(rename = "user-id")]
    pub(crate) user_id: &'a str,
    /// Nothing of the user counts that was at this time or before.
    pub(crate) erased_until: String,
    /// What was held of the user before, and counts nowhere now.
    pub(crate) held: ErasedRows,
    /// The rows that were deleted where Vitrine keeps the shop's rows; null if it does not.
    pub(crate) deleted_rows: Option<DeletedRows>,
    /// Where copies of the user's data remain, until when, and how to remove them earlier.
    pub(crate) remains: &'a [DataCopy],
    /// A value for `after`, with which another process waits until the erasure is visible there.
    pub(crate) token: &'a str,
}

/// What was held of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ErasedRows {
    /// Products in the history, of those that the list showed.
    pub(crate) views: usize,
    /// Products with a count of interactions or purchases; null if features are off.
    pub(crate) features: Option<usize>,
    /// Orders in the shop's tables that count no more: those of the user up to the time of the erasure that were not cancelled,
    /// as far as they are held.
    pub(crate) orders_hidden: usize,
    /// The lists of which the user's rows were a part.
    pub(crate) lists_changed: Vec<&'static str>,
}

/// Rows that were deleted where Vitrine keeps the shop's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct DeletedRows {
    /// The row of the user: 1 if there was one.
    pub(crate) users: usize,
    /// The purchases of the user.
    pub(crate) purchases: usize,
}

impl ErasureReceipt<'_> {
    /// The answer with this receipt.
    pub(crate) fn response(&self) -> Response<Body> {
        let text = serde_json::to_vec(self).expect("texts and numbers always serialise");
        json(HeaderMap::new(), &text, None)
    }
}

/// A time as the receipt states it.
pub(crate) fn until(at: Millis) -> String {
    instant::text(at)
}
