//! Which lists have changed, tick by tick, for sinks that read whole lists again.

use super::ListId;
use crate::ids::{ProductKey, UserKey};
use crate::time::Time;

/// A list whose rows may have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TouchedList {
    /// The history of a user.
    History(UserKey),
    /// Best sellers.
    BestSellers(ListId),
    /// The similar products of a product.
    Similar(ProductKey),
    /// What a user did and bought.
    Activity(UserKey),
}

/// Takes the lists that change, in the threads of the workers. It must not block.
pub trait TouchOutlet: Send + Sync {
    /// These lists changed in `tick` or before. A reader that reads them as of `tick` sees the change.
    fn touched(&self, tick: Time, lists: &mut dyn Iterator<Item = TouchedList>);
}
