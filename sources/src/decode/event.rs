//! What one record says, free of the shape it came in.

use std::borrow::Cow;

use dataflow::time::Millis;

/// What a visitor did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Looked at a product: enters the history.
    View,
    /// Took a product out of the history.
    Removal,
    /// Clicked on a product.
    Click,
    /// Put a product into the cart.
    AddToCart,
    /// Bought a product, as the shop front saw it; orders themselves come from the database.
    Purchase,
}

impl Kind {
    /// A stable lower-case name, fit for a metric label.
    pub fn name(self) -> &'static str {
        match self {
            Kind::View => "view",
            Kind::Removal => "removal",
            Kind::Click => "click",
            Kind::AddToCart => "add_to_cart",
            Kind::Purchase => "purchase",
        }
    }
}

/// One event that passed every check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What was done.
    pub kind: Kind,
    /// Who did it: 1 to 256 bytes.
    pub user: Cow<'a, str>,
    /// To which product: 1 to 256 bytes.
    pub product: Cow<'a, str>,
    /// When, in milliseconds since the epoch: within the bounds, and unless it is a removal not after its record.
    pub at: Millis,
    /// Whether it states a time. If not, `at` is its record's.
    pub dated: bool,
}
