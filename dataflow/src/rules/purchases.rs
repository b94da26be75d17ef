//! Where purchases are counted from.

use super::KeyNames;

settings::choice! {
    /// Where purchases are counted from.
    pub enum PurchaseSource {
        /// The tables of orders and their lines.
        Orders = "orders",
        /// Purchase events.
        Events = "events",
        /// Both; a purchase event whose order is in the table counts as the table says.
        Both = "both",
    }
}

/// Which events change rows, beside views and removals. It is large and read for every event, so it is passed by reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventUse {
    /// Events of all kinds, because features are kept.
    pub features: bool,
    /// Purchases, because they count.
    pub purchases: bool,
    /// Whether repeats of events are recognised.
    pub identities: bool,
    /// The keys of metadata whose values are counted.
    pub metadata: KeyNames,
}
