//! What happens in the shop of the tests: the records of its log.

use std::time::{SystemTime, UNIX_EPOCH};

use dataflow::ids::{CategoryKey, ProductKey, RowKey};
use dataflow::inputs::Inputs;
use dataflow::merchandising::{RuleId, RuleText, RuleVersion};
use dataflow::short_text::ShortText;
use dataflow::tables::{Catalogue, CatalogueRow, Interaction, LineRow, Lines, MerchRules, OrderRow, Orders, Placed};
use dataflow::time::Millis;

/// One record of the log.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    View {
        user: String,
        product: String,
        at: Millis,
    },
    Removal {
        user: String,
        product: String,
        at: Millis,
    },
    /// Nothing of the user counts that was at this time or before.
    Erasure {
        user: String,
        at: Millis,
    },
    /// An event of another kind, or a view that states its time on the page.
    Did {
        user: String,
        product: Option<String>,
        interaction: Interaction,
        at: Millis,
    },
    /// An event had this value under a key of its metadata.
    Had {
        user: String,
        key: String,
        value: String,
        at: Millis,
    },
    Order {
        order: String,
        user: String,
        product: String,
        at: Millis,
    },
    /// An order that does not count.
    CancelledOrder {
        order: String,
        user: String,
        product: String,
        at: Millis,
    },
    Product {
        product: String,
        category: String,
    },
    /// A version of a merchandising rule; without a text it is deleted.
    Rule {
        rule: RuleId,
        text: Option<RuleText>,
        at: Millis,
    },
    /// The product has lost its last row in the catalogue.
    Deleted {
        product: String,
    },
    /// The product cannot be bought from now on.
    Unavailable {
        product: String,
    },
}

/// Puts a record into the graph.
pub(crate) fn feed_one(inputs: &mut Inputs, record: &Record) {
    let ids = inputs.dictionary().clone();
    match record {
        Record::View { user, product, at } => {
            let (user, product) = (ids.user(user), ids.product(product).unwrap());
            inputs.view(user, product, *at);
            inputs.interaction(user, product, Interaction::View { time_on_page_ms: None }, *at);
        }
        Record::Did { user, product, interaction, at } => {
            let product = product.as_ref().map_or(ProductKey::NONE, |product| ids.product(product).unwrap());
            inputs.interaction(ids.user(user), product, *interaction, *at);
        }
        Record::Had { user, key, value, at } => {
            inputs.metadata(ids.user(user), (ShortText::of(key), ShortText::of(value)), *at);
        }
        Record::Removal { user, product, at } => inputs.removal(ids.user(user), ids.product(product).unwrap(), *at),
        Record::Erasure { user, at } => inputs.erasure(ids.find_user(user), *at),
        Record::Order { order, user, product, at } => {
            let (order, product) = (ids.order(order), ids.product(product).unwrap());
            inputs.update::<Orders>(OrderRow::counting(order, ids.user(user), *at), 1);
            inputs.update::<Lines>(LineRow { order, product, row: RowKey::NONE }, 1);
        }
        Record::CancelledOrder { order, user, product, at } => {
            let (order, product) = (ids.order(order), ids.product(product).unwrap());
            inputs.update::<Orders>(OrderRow { order, user: ids.user(user), placed: Placed::new(*at, false) }, 1);
            inputs.update::<Lines>(LineRow { order, product, row: RowKey::NONE }, 1);
        }
        Record::Product { product, category } => {
            let row =
                CatalogueRow { product: ids.product(product).unwrap(), category: ids.category(category).unwrap() };
            inputs.update::<Catalogue>(row, 1);
        }
        Record::Rule { rule, text, at } => {
            let keyed = |text: &RuleText| text.keyed(|id| ids.product(id), |id| ids.category(id)).unwrap();
            inputs.update::<MerchRules>((*rule, ()), RuleVersion { at: *at, rule: text.as_ref().map(keyed) });
        }
        Record::Deleted { product } => {
            let row = CatalogueRow { product: ids.product(product).unwrap(), category: CategoryKey::DELETED };
            inputs.update::<Catalogue>(row, 1);
        }
        Record::Unavailable { product } => {
            let row = CatalogueRow { product: ids.product(product).unwrap(), category: CategoryKey::UNAVAILABLE };
            inputs.update::<Catalogue>(row, 1);
        }
    }
}

pub(crate) fn viewed(user: &str, product: &str, at: Millis) -> Record {
    Record::View { user: user.into(), product: product.into(), at }
}

pub(crate) fn product(product: &str, category: &str) -> Record {
    Record::Product { product: product.into(), category: category.into() }
}

/// `buyers` users each buy `product` now.
pub(crate) fn bought(product: &str, buyers: usize) -> impl Iterator<Item = Record> + '_ {
    (0..buyers).map(move |buyer| Record::Order {
        order: format!("order-{product}-{buyer}"),
        user: format!("buyer-{buyer}"),
        product: product.into(),
        at: now_ms(),
    })
}

pub(crate) fn now_ms() -> Millis {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
