//! The events of the simulated shop, and their JSON.

use dataflow::merchandising::{RuleId, RuleText};
use dataflow::time::Millis;
use events::{erasure_json, removal_json, rule_json, view_json};

use crate::world;

/// The event that a page of the shop, or the service, sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) user: usize,
    pub(crate) product: usize,
    pub(crate) at: Millis,
    pub(crate) body: EventBody,
}

/// What an event says, besides its user, product and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventBody {
    /// Looked at the product.
    View,
    /// Looked at the product, for so long.
    TimedView {
        /// The time on the page.
        on_page_ms: Millis,
    },
    /// Clicked on the product.
    Click,
    /// Put it into the cart.
    AddToCart,
    /// Took it out of the cart.
    RemoveFromCart,
    /// Searched, which names no product.
    Search,
    /// Bought the product and another one.
    Purchase {
        /// The other product.
        other: usize,
    },
    /// Took the product out of the history.
    Removal,
    /// Asked to be forgotten.
    Erasure,
    /// A version of a merchandising rule about the product. It is of no user.
    Rule {
        /// The rule.
        rule: usize,
        /// Whether it hides the product; otherwise the rule is deleted.
        hides: bool,
        /// When it ends; none if it does not.
        until: Option<Millis>,
    },
}

impl EventBody {
    /// Whether the service writes it, to the topic of removals.
    pub(crate) fn is_of_service(self) -> bool {
        matches!(self, EventBody::Removal | EventBody::Erasure | EventBody::Rule { .. })
    }
}

impl Event {
    /// The bytes of its record.
    pub(crate) fn payload(&self, id: &str) -> String {
        let Event { at, body, .. } = *self;
        let (user, product) = (world::user(self.user), world::product(self.product));
        match body {
            EventBody::View => view_json(&user, &product, at, id, "simulation"),
            EventBody::TimedView { on_page_ms } => {
                self.clickstream("view", id, &format!(r#","metadata":{{"time_on_page_ms":{on_page_ms}}}"#))
            }
            EventBody::Click => self.clickstream("click", id, ""),
            EventBody::AddToCart => self.clickstream("add_to_cart", id, ""),
            EventBody::RemoveFromCart => self.clickstream("remove_from_cart", id, ""),
            EventBody::Search => {
                format!(r#"{{"event_type":"search","event_id":"{id}","user_id":"{user}","timestamp":{at}}}"#)
            }
            EventBody::Purchase { other } => format!(
                r#"{{"event_type":"purchase","event_id":"{id}","user_id":"{user}","timestamp":{at},"items":[{{"product_id":"{product}"}},{{"product_id":"{}"}}]}}"#,
                world::product(other)
            ),
            EventBody::Removal => removal_json(&user, &product, at, id),
            EventBody::Erasure => erasure_json(&user, at, id),
            EventBody::Rule { rule, hides, until } => {
                let text = RuleText { rule: "hide".into(), product: Some(product), until, ..RuleText::default() };
                rule_json(rule_id(&world::rule(rule)), hides.then_some(&text), at, id)
            }
        }
    }

    fn clickstream(&self, kind: &str, id: &str, more: &str) -> String {
        let (user, product, at) = (world::user(self.user), world::product(self.product), self.at);
        format!(
            r#"{{"event_type":"{kind}","event_id":"{id}","user_id":"{user}","product_id":"{product}","timestamp":{at}{more}}}"#
        )
    }

    /// For planted bugs: a record in its place that changes nothing, the deletion of a rule that never was.
    pub(crate) fn nothing(&self, id: &str) -> String {
        rule_json(rule_id("never"), None, self.at, id)
    }
}

fn rule_id(text: &str) -> RuleId {
    RuleId::of(text).expect("it is short, of letters and digits")
}
