//! One view: a user looks at a product.

use events::view_json;

use super::Shop;
use super::rng::Rng;

/// One view in this many arrives late.
const LATE_ONE_IN: u32 = 100;
/// How late, at most, in milliseconds.
const LATE_MS_MAX: u32 = 600_000;

const SOURCES: &[&str] = &["mobile-app", "web", "mobile-web"];

/// A view event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Number of the user, from 0.
    pub user: u32,
    /// Number of the product, from 0.
    pub product: u32,
    /// When, in milliseconds since the epoch.
    pub at: u64,
    /// Identity of the message.
    pub message: u128,
    /// Where the view was made.
    pub source: &'static str,
}

impl View {
    /// The event as one line of JSON, without a line end.
    pub fn json(&self, shop: &Shop) -> String {
        view_json(&shop.user_id(self.user), &shop.product_id(self.product), self.at, &self.message_id(), self.source)
    }

    /// The identity in the form of a UUID.
    pub fn message_id(&self) -> String {
        // Version 4 and the usual variant, so that it also passes where UUIDs are checked.
        let bits = self.message & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let (high, low) = ((bits >> 64) as u64, bits as u64);
        let (first, second, third) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        format!("{first:08x}-{second:04x}-{third:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }
}

pub(super) fn view(shop: &Shop, at: u64, rng: &mut Rng) -> View {
    let user = shop.taste.user(rng);
    let product = shop.taste.product(user, rng);
    let late_ms = if rng.one_in(LATE_ONE_IN) { u64::from(rng.below(LATE_MS_MAX)) } else { 0 };
    let message = u128::from(rng.next()) << 64 | u128::from(rng.next());
    let source = SOURCES[rng.below(SOURCES.len() as u32) as usize];
    View { user, product, at: at.saturating_sub(late_ms), message, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_ids_are_uuids_of_version_4() {
        let id = |message| View { user: 0, product: 0, at: 0, message, source: "web" }.message_id();
        assert_eq!(id(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(id(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
