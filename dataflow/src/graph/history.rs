//! Every user's last views: stamps arranged once with the user's owner, and the newest of them.

use differential_dataflow::VecCollection;

use crate::ids::{ProductKey, UserKey};
use crate::ops::newest::newest;
use crate::rows::Viewed;
use crate::stamp::Stamp;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, ValTrace, by_key};

/// The histories, and what they follow from.
pub struct Histories<'s> {
    /// The history index. Key: user, held by the worker the user routes to. Value: a product viewed and when, in the
    /// order of the list. Difference: 1 while it is among the newest `size`. Changes when a view or a removal changes
    /// the list.
    pub lists: ByKey<'s, UserKey, Viewed, Diff>,
    /// Key: user, with the same worker. Value: a product. Difference: the latest that happened to the two.
    pub stamps: ValTrace<UserKey, ProductKey, Stamp>,
}

/// Every user's newest `size` views.
pub fn lists<'s>(stamps: VecCollection<'s, Time, (UserKey, ProductKey), Stamp>, size: usize) -> Histories<'s> {
    let stamps = by_key(stamps, "StampsByUser", |user| user.route());
    let trace = stamps.trace.clone();
    Histories { lists: newest(stamps, size, "Newest"), stamps: trace }
}
