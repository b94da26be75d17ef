//! Every user's last views: stamps arranged once with the user's owner, and the newest of them.

use differential_dataflow::VecCollection;

use crate::ids::{ProductKey, UserKey};
use crate::ops::newest::newest;
use crate::rows::Viewed;
use crate::stamp::Stamp;
use crate::time::{Diff, Time};
use crate::trace::arranged::{ByKey, by_key};

/// The history index. Key: user, held by the worker the user routes to. Value: a product viewed and when, in the order
/// of the list. Difference: 1 while it is among the newest `size`. Changes when a view or a removal changes the list.
pub fn lists<'s>(
    stamps: VecCollection<'s, Time, (UserKey, ProductKey), Stamp>,
    size: usize,
) -> ByKey<'s, UserKey, Viewed, Diff> {
    newest(by_key(stamps, "StampsByUser", |user| user.route()), size, "Newest")
}
