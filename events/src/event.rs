//! The event of one record, independent of its shape.

use std::borrow::Cow;

use dataflow::time::Millis;

use crate::RuleChange;

/// The action of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Looked at a product: enters the history.
    View,
    /// Took a product out of the history.
    Removal,
    /// Clicked on a product.
    Click,
    /// Put a product into the cart.
    AddToCart,
    /// Took a product out of the cart.
    RemoveFromCart,
    /// Bought products, as the shop front saw it; orders themselves come from the database.
    Purchase,
    /// Searched.
    Search,
    /// Changed a merchandising rule. Vitrine writes these events itself.
    Rule,
    /// Asked to be forgotten. Vitrine writes these events itself.
    Erasure,
}

impl EventKind {
    /// A stable lower-case name, fit for a metric label.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::View => "view",
            EventKind::Removal => "removal",
            EventKind::Click => "click",
            EventKind::AddToCart => "add_to_cart",
            EventKind::RemoveFromCart => "remove_from_cart",
            EventKind::Purchase => "purchase",
            EventKind::Search => "search",
            EventKind::Rule => "rule",
            EventKind::Erasure => "erasure",
        }
    }

    /// Whether the event keeps the time that it states: the service has set it, to be later than what the event replaces.
    pub fn keeps_its_time(self) -> bool {
        matches!(self, EventKind::Removal | EventKind::Rule | EventKind::Erasure)
    }
}

/// One event that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The action.
    pub kind: EventKind,
    /// The identity that the producer gave it, if any: repeats of an event have the same one.
    pub id: Option<Cow<'a, str>>,
    /// The user: 1 to 256 bytes; empty for a merchandising rule.
    pub user: Cow<'a, str>,
    /// The product: 1 to 256 bytes. None for a search, a merchandising rule, an erasure, and a purchase that
    /// lists its items.
    pub product: Option<Cow<'a, str>>,
    /// The items of a purchase, if it lists them.
    pub items: Vec<PurchasedItem<'a>>,
    /// The change of a merchandising rule.
    pub rule: Option<Box<RuleChange>>,
    /// When, in milliseconds since the epoch: within the bounds, and not after its record unless it is a removal.
    pub at: Millis,
    /// The time that it states, in milliseconds since the epoch. If it states none, `at` is its record's.
    pub stated: Option<Millis>,
    /// The session that it states, if any.
    pub session: Option<Cow<'a, str>>,
    /// How long the user was on the page, in milliseconds: `metadata.time_on_page_ms`, if that is a number and not negative.
    pub time_on_page_ms: Option<u64>,
    /// The object `metadata` as JSON; empty if there is none.
    pub metadata: &'a str,
    /// The order of a purchase: `metadata.order_id`, if that is an id.
    pub order: Option<Cow<'a, str>>,
    /// The recommendation that led to the event: `answer_id`, or `metadata.answer_id`.
    pub answer: Option<Cow<'a, str>>,
    /// The device or program of the user: `context.source`.
    pub device: Option<Cow<'a, str>>,
}

/// Who did what and when: the part of an [`Event`] of the same names that decides whether its record can be used. It is decoded in
/// less time than the whole event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCore<'a> {
    /// See [`Event::kind`].
    pub kind: EventKind,
    /// See [`Event::user`].
    pub user: Cow<'a, str>,
    /// See [`Event::product`].
    pub product: Option<Cow<'a, str>>,
    /// See [`Event::items`].
    pub items: Vec<PurchasedItem<'a>>,
    /// See [`Event::rule`].
    pub rule: Option<Box<RuleChange>>,
    /// See [`Event::at`].
    pub at: Millis,
    /// See [`Event::stated`].
    pub stated: Option<Millis>,
    /// See [`Event::session`].
    pub session: Option<Cow<'a, str>>,
    /// See [`Event::metadata`].
    pub metadata: &'a str,
}

/// One product of a purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchasedItem<'a> {
    /// The product: 1 to 256 bytes.
    pub product: Cow<'a, str>,
    /// How many of it; 1 if nothing is stated.
    pub quantity: u64,
}
