//! What happens, at random, and the sources that give it to the graph.

use super::plain::categories;
use super::*;

/// What happens; each is of a user, whose number is the first field.
#[derive(Clone, Debug)]
pub(super) enum What {
    Event(usize, Event),
    /// An event says that the order has a product.
    Bought(usize, usize),
    /// The table gets an order with these products; it loses it at the time behind them.
    Order(usize, Vec<usize>, Time),
    Erased(usize),
    /// A product gets into another category.
    Moved(usize, usize),
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) kind: u8,
    pub(super) product: Option<usize>,
    pub(super) at: Time,
    pub(super) spent: Option<u64>,
    pub(super) session: Option<usize>,
    pub(super) device: Option<usize>,
}

/// When it counts from.
pub(super) type Given = (Time, What);

/// An order is always of the same user.
pub(super) fn user_of(order: usize) -> usize {
    order % USERS
}

pub(super) fn time() -> impl Strategy<Value = Time> {
    (0..6u64, 0..7u64, 0..3u64).prop_map(|(days, parts, ms)| START + days * DAY_MS + parts * 20 * MINUTE + ms)
}

pub(super) fn given() -> impl Strategy<Value = Given> {
    let late = prop_oneof![5 => Just(0u64), 2 => (0..6u64).prop_map(|parts| parts * 17 * MINUTE), 1 => 0..3 * DAY_MS];
    let product = prop_oneof![6 => (0..PRODUCTS).prop_map(Some), 1 => Just(None)];
    let some = |most: usize| prop_oneof![1 => Just(None), 2 => (0..most).prop_map(Some)];
    let spent = prop_oneof![2 => Just(None), 1 => (0..40 * MINUTE).prop_map(Some)];
    (time(), 0..20u8, (0..USERS, 0..6usize), (product, late, spent, some(2), some(4)), time()).prop_map(
        |(given, what, (user, order), (product, late, spent, session, device), later)| {
            let known = product.unwrap_or(0);
            let what = match what {
                0..14 => {
                    let kind = if product.is_some() { what % 4 } else { 3 };
                    let spent = spent.filter(|_| kind == 0);
                    What::Event(user, Event { kind, product, at: given - late, spent, session, device })
                }
                14 | 15 => What::Bought(order, known),
                16 | 17 => What::Order(order, vec![known, order % PRODUCTS], later),
                18 => What::Moved(known, order),
                _ => What::Erased(user),
            };
            (given, what)
        },
    )
}

/// The keys of everything.
pub(super) struct Keys(pub(super) Arc<Dictionary>);

impl Keys {
    pub(super) fn user(&self, user: usize) -> UserKey {
        self.0.user(&format!("user {user}"))
    }

    pub(super) fn product(&self, product: Option<usize>) -> ProductKey {
        let key = |product: usize| self.0.product(&format!("product {product}")).expect("few ids do not collide");
        product.map_or(ProductKey::NONE, key)
    }

    pub(super) fn category(&self, category: usize) -> CategoryKey {
        self.0.category(&format!("category {category}")).expect("few ids do not collide")
    }

    /// The event in its session, if it is in time.
    pub(super) fn session_event(&self, event: &Event, given: Time) -> Option<SessionEvent> {
        let session = self.0.row([&[event.session? as u8][..]]);
        let opens = event.kind == 0 && event.spent.is_none();
        let page = self.product(event.product.filter(|_| opens));
        (event.at + HELD >= given).then_some(SessionEvent { session, at: event.at, recorded: given, page })
    }
}

/// A time and what is done at it.
type Todo = (Time, Box<dyn Fn(&mut Inputs)>);

/// Gives its part of what happens.
pub(super) struct Source {
    /// In the order of times.
    todo: Vec<Todo>,
    next: usize,
}

impl Source {
    pub(super) fn new(given: Vec<Given>, dictionary: &Arc<Dictionary>) -> Self {
        let mut todo: Vec<Todo> = Vec::new();
        for (at, what) in given {
            let keys = Keys(dictionary.clone());
            match what {
                What::Event(user, event) => {
                    todo.push((at, Box::new(move |inputs| give_event(&keys, user, &event, at, inputs))));
                }
                What::Bought(order, product) => todo.push((
                    at,
                    Box::new(move |inputs| {
                        let (user, product) = (keys.user(user_of(order)), keys.product(Some(product)));
                        let order = keys.0.order(&order.to_string());
                        inputs.event_purchase(EventPurchaseRow { order, user, product, at });
                    }),
                )),
                What::Order(order, products, until) => {
                    let rows = move |inputs: &mut Inputs, diff| {
                        let (order, user) = (keys.0.order(&order.to_string()), keys.user(user_of(order)));
                        inputs.update::<Orders>(OrderRow { order, user, placed: Placed::new(at, true) }, diff);
                        for product in &products {
                            let product = keys.product(Some(*product));
                            inputs.update::<Lines>(LineRow { order, product, row: RowKey::NONE }, diff);
                        }
                    };
                    let rows = Arc::new(rows);
                    let again = rows.clone();
                    todo.push((at, Box::new(move |inputs| rows(inputs, 1))));
                    if until > at {
                        todo.push((until, Box::new(move |inputs| again(inputs, -1))));
                    }
                }
                What::Erased(user) => {
                    todo.push((at, Box::new(move |inputs| inputs.erasure(keys.user(user), at))));
                }
                What::Moved(..) => {}
            }
        }
        todo.sort_by_key(|(at, _)| *at);
        Source { todo, next: 0 }
    }

    /// The categories of products: each product has one at a time.
    pub(super) fn of_catalogue(given: &[Given], dictionary: &Arc<Dictionary>) -> Self {
        let mut todo: Vec<Todo> = Vec::new();
        for product in 0..PRODUCTS {
            let mut before = None;
            for (at, category) in categories(given, product) {
                let (keys, old) = (Keys(dictionary.clone()), before.replace(category));
                todo.push((
                    at,
                    Box::new(move |inputs| {
                        let product = keys.product(Some(product));
                        let row = |category| CatalogueRow { product, category: keys.category(category) };
                        inputs.update::<Catalogue>(row(category), 1);
                        old.into_iter().for_each(|old| inputs.update::<Catalogue>(row(old), -1));
                    }),
                ));
            }
        }
        todo.sort_by_key(|(at, _)| *at);
        Source { todo, next: 0 }
    }
}

pub(super) fn give_event(keys: &Keys, user: usize, event: &Event, given: Time, inputs: &mut Inputs) {
    let (of, product) = (keys.user(user), keys.product(event.product));
    let interaction = match event.kind {
        0 => Interaction::View { time_on_page_ms: event.spent },
        1 => Interaction::Click,
        2 => Interaction::AddToCart,
        _ => Interaction::Other,
    };
    if let Some(session) = keys.session_event(event, given) {
        inputs.session_event(of, session);
    }
    if let Some(device) = event.device {
        inputs.metadata(of, (ShortText::of("device"), ShortText::of(&device.to_string())), event.at);
    }
    if event.kind == 0 {
        inputs.view(of, product, event.at);
    }
    inputs.interaction(of, product, interaction, event.at);
}

impl ReplaySource for Source {
    fn feed(&mut self, inputs: &mut Inputs, step: Time, budget: usize) -> Result<Went, Failure> {
        let from = self.next;
        while self.next - from < budget && self.todo.get(self.next).is_some_and(|(at, _)| *at <= step) {
            (self.todo[self.next].1)(inputs);
            self.next += 1;
        }
        let reached = self.todo.get(self.next).is_none_or(|(at, _)| *at > step);
        Ok(Went { records: self.next - from, reached })
    }
}
