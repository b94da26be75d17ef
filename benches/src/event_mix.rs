//! The events of a topic: views alone, or events of all types.

use vitrine::generate::{Shop, View};

/// How long a session lasts.
const SESSION_MS: u64 = 30 * 60_000;

const DEVICES: [&str; 3] = ["mobile", "desktop", "tablet"];

/// Which events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventMix {
    /// Views, in the shape of the topic `views`.
    Views,
    /// Of a hundred events 70 views, half of them in the shape of the topic `views`, 15 clicks, 7 additions to the cart, 3 searches,
    /// 3 purchases of two products, and 2 removals from the cart. Except for half of the views, each is of a session and names a
    /// device.
    AllTypes,
}

impl EventMix {
    /// The event with that number: that of the user, the product and the time of a view.
    pub(crate) fn json(self, shop: &Shop, view: &View, number: u64) -> String {
        let clickstream = |kind: &str, about: &str| {
            let (user, session) = (shop.user_id(view.user), view.at / SESSION_MS);
            let (id, at, device) = (view.message_id(), view.at, DEVICES[number as usize % DEVICES.len()]);
            format!(
                r#"{{"event_type":"{kind}","event_id":"{id}","user_id":"{user}",{about}"session_id":"{user}-{session}","metadata":{{"device":"{device}"}},"timestamp":{at}}}"#
            )
        };
        let product = || format!(r#""product_id":"{}","#, shop.product_id(view.product));
        // As good as random, so that every partition has all types.
        let place = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 100;
        match (self, place) {
            (EventMix::Views, _) | (EventMix::AllTypes, 0..35) => view.json(shop),
            (_, 35..70) => clickstream("view", &product()),
            (_, 70..85) => clickstream("click", &product()),
            (_, 85..92) => clickstream("add_to_cart", &product()),
            (_, 92..95) => clickstream("search", ""),
            (_, 95..98) => {
                let items = [view.product, view.product / 2]
                    .map(|product| format!(r#"{{"product_id":"{}"}}"#, shop.product_id(product)));
                clickstream("purchase", &format!(r#""items":[{}],"#, items.join(",")))
            }
            _ => clickstream("remove_from_cart", &product()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shop::shop;

    #[test]
    fn all_types_are_there_in_every_partition() {
        let shop = shop(4000);
        let kind = |json: String| {
            let event: serde_json::Value = serde_json::from_str(&json).unwrap();
            event["event_type"].as_str().unwrap_or("ProductView").to_owned()
        };
        for partition in 0..4 {
            let events = shop.views().enumerate().filter(|(number, _)| number % 4 == partition);
            let events = events.map(|(number, view)| kind(EventMix::AllTypes.json(&shop, &view, number as u64)));
            let kinds: std::collections::BTreeSet<String> = events.collect();
            assert_eq!(kinds.len(), 7, "{kinds:?}");
        }
        let views = shop.views().enumerate().map(|(number, view)| EventMix::Views.json(&shop, &view, number as u64));
        assert!(views.map(kind).all(|kind| kind == "ProductView"));
    }
}
