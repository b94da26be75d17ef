//! Numbers of viewers that were looked up lately, kept while none of them changes.
//!
//! A ranking needs the numbers of up to a few hundred products, most of which other rankings needed too. They change only at
//! the ends of periods.

use super::CoViewRows;
use crate::ids::ProductKey;
use crate::time::Time;

/// Numbers that are kept at most: 768 KiB. A power of two.
const SLOTS: usize = 1 << 15;

#[derive(Clone, Copy)]
struct Slot {
    product: ProductKey,
    /// The version of the state in which the number was looked up.
    version: Time,
    viewers: u64,
}

/// The numbers that a thread keeps, each in the slot of its product.
#[derive(Default)]
pub(super) struct KnownViewers {
    slots: Vec<Slot>,
    version: Option<Time>,
}

impl KnownViewers {
    /// From now on, numbers of the state of `rows` are asked for.
    pub(super) fn begin(&mut self, rows: &impl CoViewRows) {
        self.version = rows.viewers_version();
        if self.version.is_some() && self.slots.is_empty() {
            // No state has this version.
            let none = Slot { product: ProductKey::NONE, version: Time::MAX, viewers: 0 };
            self.slots.resize(SLOTS, none);
        }
    }

    /// The number of a product's viewers.
    #[inline]
    pub(super) fn of(&mut self, rows: &impl CoViewRows, product: ProductKey) -> u64 {
        let Some(version) = self.version else { return rows.viewers(product) };
        // Keys of products are hashes already.
        let at = usize::try_from(product.route() & (SLOTS as u64 - 1)).expect("a slot's number is small");
        let slot = &mut self.slots[at];
        if slot.product != product || slot.version != version {
            *slot = Slot { product, version, viewers: rows.viewers(product) };
        }
        slot.viewers
    }
}
