//! The input of a run: a small set of ids, and updates tick by tick.

use std::sync::Arc;

use dataflow::dictionary::Dictionary;
use dataflow::ids::{CategoryKey, Ids, OrderKey, ProductKey, RowKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::rules::Rules;
use dataflow::short_text::ShortText;
use dataflow::tables::{
    Catalogue, CatalogueRow, EventPurchaseRow, Interaction, LineRow, Lines, OrderRow, Orders, Placed, SessionEvent,
};
use dataflow::time::{Diff, Millis, Time};

use crate::merchandising::Version;

/// How many of each there are. Small numbers, so that everything collides.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Domain {
    pub(crate) users: usize,
    pub(crate) products: usize,
    pub(crate) categories: usize,
    pub(crate) orders: usize,
}

/// The keys of a domain; the last user, product and category of each list are never given to the graph.
pub(crate) struct World {
    pub(crate) dictionary: Arc<Dictionary>,
    pub(crate) users: Vec<UserKey>,
    pub(crate) products: Vec<ProductKey>,
    pub(crate) categories: Vec<CategoryKey>,
    pub(crate) orders: Vec<OrderKey>,
}

impl World {
    pub(crate) fn new(domain: Domain) -> Self {
        let dictionary = Arc::new(Dictionary::new(Ids::new([3; 16])));
        let product = |n| dictionary.product(&format!("product {n}")).expect("few ids do not collide");
        let category = |n| dictionary.category(&format!("category {n}")).expect("few ids do not collide");
        World {
            users: (0..=domain.users).map(|n| dictionary.user(&format!("user {n}"))).collect(),
            products: (0..=domain.products).map(product).collect(),
            categories: (0..=domain.categories).map(category).collect(),
            orders: (0..domain.orders).map(|n| dictionary.order(&format!("order {n}"))).collect(),
            dictionary,
        }
    }

    /// The category in a row of the catalogue.
    pub(crate) fn category(&self, category: In) -> CategoryKey {
        match category {
            In::Category(category) => self.categories[category],
            In::None => CategoryKey::NONE,
            In::Deleted => CategoryKey::DELETED,
            In::Unavailable => CategoryKey::UNAVAILABLE,
        }
    }

    /// The product of an event, if it has one.
    pub(crate) fn product(&self, product: Option<usize>) -> ProductKey {
        product.map_or(ProductKey::NONE, |product| self.products[product])
    }

    /// The row of a purchase that an event states.
    pub(crate) fn event_purchase(&self, order: usize, user: usize, product: usize, at: Millis) -> EventPurchaseRow {
        let (order, user, product) = (self.orders[order], self.users[user], self.products[product]);
        EventPurchaseRow { order, user, product, at }
    }

    /// The row of an event of a session.
    pub(crate) fn session_event(
        &self,
        session: usize,
        page: Option<usize>,
        at: Millis,
        recorded: Millis,
    ) -> SessionEvent {
        let session = self.dictionary.row([&session.to_le_bytes()[..]]);
        SessionEvent { session, at, recorded, page: self.product(page) }
    }

    /// Gives an update to a worker's inputs.
    pub(crate) fn give(&self, update: Update, inputs: &mut Inputs) {
        match update {
            Update::View { user, product, at } => inputs.view(self.users[user], self.products[product], at),
            Update::Removal { user, product, at } => inputs.removal(self.users[user], self.products[product], at),
            Update::Interaction { user, product, interaction, at } => {
                inputs.interaction(self.users[user], self.product(product), interaction, at);
            }
            Update::Session { user, session, page, at, recorded } => {
                let event = self.session_event(session, page, at, recorded);
                assert!(inputs.session_event(self.users[user], event), "all times are within an hour");
            }
            Update::Metadata { user, key, value, at } => {
                inputs.metadata(self.users[user], metadata_of(key, value), at);
            }
            Update::EventPurchase { order, user, product, at } => {
                inputs.event_purchase(self.event_purchase(order, user, product, at));
            }
            Update::Order { order, user, placed, diff } => {
                let row = OrderRow { order: self.orders[order], user: self.users[user], placed };
                inputs.update::<Orders>(row, diff);
            }
            Update::Line { order, product, diff } => {
                inputs.update::<Lines>(
                    LineRow { order: self.orders[order], product: self.products[product], row: RowKey::NONE },
                    diff,
                );
            }
            Update::Catalogue { product, category, diff } => {
                inputs.update::<Catalogue>(
                    CatalogueRow { product: self.products[product], category: self.category(category) },
                    diff,
                );
            }
            Update::Rule(version) => version.give(self, inputs),
            Update::Erasure { user, at } => inputs.erasure(self.users[user], at),
            Update::TickEnd { .. } => {}
        }
    }
}

/// The keys of metadata.
pub(crate) const METADATA: [&str; 2] = ["device", "referrer"];

/// A key of metadata, and a value under it.
pub(crate) fn metadata_of(key: usize, value: usize) -> (ShortText, ShortText) {
    (ShortText::of(METADATA[key]), ShortText::of(&metadata_value(value)))
}

/// The text of a value. One value is named `other`, like the sum of the values that are not shown.
pub(crate) fn metadata_value(value: usize) -> String {
    if value == 0 { "other".to_owned() } else { format!("value {value}") }
}

/// What a row of the catalogue says of its product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum In {
    Category(usize),
    /// It is there, in no category.
    None,
    /// It was there: the only row of such a product.
    Deleted,
    /// It cannot be bought, wherever it is.
    Unavailable,
}

/// One event or one change of a row; ids are numbers within the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Update {
    View {
        user: usize,
        product: usize,
        at: Millis,
    },
    Removal {
        user: usize,
        product: usize,
        at: Millis,
    },
    Interaction {
        user: usize,
        product: Option<usize>,
        interaction: Interaction,
        at: Millis,
    },
    /// An event of a session, which opened the page of a product or none.
    Session {
        user: usize,
        session: usize,
        page: Option<usize>,
        at: Millis,
        recorded: Millis,
    },
    /// An event had a value under a key of its metadata.
    Metadata {
        user: usize,
        key: usize,
        value: usize,
        at: Millis,
    },
    EventPurchase {
        order: usize,
        user: usize,
        product: usize,
        at: Millis,
    },
    Order {
        order: usize,
        user: usize,
        placed: Placed,
        diff: Diff,
    },
    Line {
        order: usize,
        product: usize,
        diff: Diff,
    },
    Catalogue {
        product: usize,
        category: In,
        diff: Diff,
    },
    Rule(Version),
    /// Nothing of the user counts that was at this time or before.
    Erasure {
        user: usize,
        at: Millis,
    },
    /// The updates before it were given in an earlier tick than those after it, whose tick was opened at `next`. It is nothing in
    /// itself.
    TickEnd {
        next: Time,
    },
}

/// An update and which worker is handed it (modulo their number).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handed {
    pub(crate) hand: usize,
    pub(crate) update: Update,
}

/// What is given while one tick is open, and the tick opened next. It shows as of `next - 1`.
#[derive(Clone, Debug)]
pub(crate) struct Tick {
    pub(crate) given: Vec<Handed>,
    pub(crate) next: Time,
}

impl Tick {
    /// The time as of which the tick shows.
    pub(crate) fn as_of(&self) -> Time {
        self.next - 1
    }
}

/// A whole run's input. In every prefix no row has been taken away more often than it was added.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) domain: Domain,
    pub(crate) rules: Rules,
    pub(crate) ticks: Vec<Tick>,
}

impl History {
    /// The time as of which everything shows.
    pub(crate) fn as_of(&self) -> Time {
        self.ticks.last().map_or(0, Tick::as_of)
    }

    /// Everything that shows as of `as_of`.
    pub(crate) fn shown(&self, as_of: Time) -> impl Iterator<Item = Update> {
        let closed = self.ticks.iter().take_while(move |tick| tick.as_of() <= as_of);
        closed
            .flat_map(|tick| tick.given.iter().map(|handed| handed.update).chain([Update::TickEnd { next: tick.next }]))
    }

    /// Everything that was given in ticks opened by `time`. The graph dates an update by the opening of its tick.
    pub(crate) fn dated_by(&self, time: Time) -> impl Iterator<Item = Update> {
        // The first tick that is ever open is 1.
        let opened = std::iter::once(1).chain(self.ticks.iter().map(|tick| tick.next));
        let by_then = opened.zip(&self.ticks).take_while(move |(opened, _)| *opened <= time);
        by_then.flat_map(|(_, tick)| &tick.given).map(|handed| handed.update)
    }

    /// The same, and then nothing until a period of co-views has ended: the counts are then those of all updates, however
    /// they are cut into ticks.
    pub(crate) fn until_a_period_ends(mut self) -> History {
        let end = (self.as_of() + 1).next_multiple_of(self.rules.co_views.every_ms.max(1));
        self.ticks.push(Tick { given: Vec::new(), next: end + 1 });
        self
    }

    /// The same updates in the same order, cut into other ticks that end at the same time, each handed to another worker.
    pub(crate) fn resplit(&self, mut cuts: Vec<usize>) -> History {
        let updates: Vec<Update> =
            self.shown(self.as_of()).filter(|update| !matches!(update, Update::TickEnd { .. })).collect();
        cuts.iter_mut().for_each(|cut| *cut %= updates.len() + 1);
        cuts.sort_unstable();
        cuts.push(updates.len());
        let last = cuts.len() as u64;
        let (mut from, mut ticks) = (0, Vec::new());
        for (nth, &to) in (1..).zip(&cuts) {
            let given = updates[from..to].iter().map(|&update| Handed { hand: from + to, update }).collect();
            // Earlier ticks are spread over all the time there is, so that lines are live, or not yet, or no more.
            ticks.push(Tick { given, next: 1 + self.as_of() * nth / last });
            from = to;
        }
        ticks.dedup_by(|later, earlier| {
            let same = later.next == earlier.next;
            if same {
                earlier.given.append(&mut later.given);
            }
            same
        });
        History { ticks, ..*self }
    }
}
