//! The changes that events make in the graph's inputs: views and removals change a history, purchases may count, and while
//! features are on, every event changes the features of its user. Merchandising rules change the rule set, and an erasure
//! takes out the rows of a user.

use dataflow::dictionary::{Collision, KeyCache};
use dataflow::ids::{IdentityKey, OrderKey, ProductKey, UserKey};
use dataflow::inputs::Inputs;
use dataflow::merchandising::{RuleId, RuleVersion};
use dataflow::rules::EventUse;
use dataflow::sessions::is_late;
use dataflow::source_status::{EventObserver, ReadEvent, Signal, SourceStatus};
use dataflow::tables::{EventPurchaseRow, Interaction, MerchRules, SessionEvent};
use dataflow::time::{Millis, Time};

use crate::metadata_values::{KeyValue, values};
use crate::{DeadLetter, Event, EventKind, Malformed, RawRecord, RecordTime};

/// A change of one user's rows, in keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EventChange {
    user: UserKey,
    /// [`ProductKey::NONE`] for an event without a product.
    product: ProductKey,
    at: Millis,
    kind: EventKind,
    time_on_page_ms: Option<u64>,
    /// The order of a purchase that counts.
    order: Option<OrderKey>,
}

/// The changes that one event makes: mostly one, and several for a purchase of several products.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventChanges {
    first: Option<EventChange>,
    more: Vec<EventChange>,
    /// By which repeats of the event are recognised, and the time of its record.
    identity: Option<(IdentityKey, Millis)>,
    /// The event as one of a session, if it names one.
    session: Option<SessionEvent>,
    /// The values in its metadata that are counted.
    metadata: Vec<KeyValue>,
    /// A version of a merchandising rule. Boxed, because it is rare and large.
    rule: Option<Box<(RuleId, RuleVersion)>>,
}

impl EventChanges {
    /// The changes that a decoded record makes. An event that is not used changes nothing, and is counted by its kind.
    ///
    /// # Errors
    /// The dead letter of a record that is malformed, or of which a product has the key of another product; it is counted
    /// by its reason.
    pub fn of(
        record: &RawRecord<'_>,
        event: Result<Event<'_>, Malformed>,
        used: &EventUse,
        keys: &mut KeyCache,
        status: &SourceStatus,
    ) -> Result<EventChanges, Box<DeadLetter>> {
        let refused = |collision: Collision| record.count_refused(collision, status);
        let event = event.map_err(|malformed| record.count_refused(malformed, status))?;
        if let Some(rule) = &event.rule {
            let version = rule.version(event.at, keys).map_err(refused)?;
            return Ok(EventChanges::of_rule(rule.id, version));
        }
        if let Some(observer) = status.observer() {
            observe(observer, &event, keys);
        }
        let counts = used.purchases && event.kind == EventKind::Purchase;
        if !used.features && !counts && !is_always_used(event.kind) {
            status.ignored(event.kind.name());
            return Ok(EventChanges::default());
        }
        let Event { kind, at, time_on_page_ms, .. } = event;
        if kind == EventKind::Erasure {
            // The id is not remembered.
            let (user, product) = (keys.dictionary().find_user(&event.user), ProductKey::NONE);
            let erasure = EventChange { user, product, at, kind, time_on_page_ms, order: None };
            return Ok(EventChanges { first: Some(erasure), ..EventChanges::default() });
        }
        let may_repeat = used.identities && kind != EventKind::Removal;
        let identity = if may_repeat { identity(record, &event, keys) } else { None };
        let (user, order) = (keys.user(&event.user), counts.then(|| order(&event, keys)));
        let recorded = record.time.map_or(at, RecordTime::at).max(at);
        let session = event.session.as_deref().filter(|_| used.features);
        let session = session.map(|id| keys.dictionary().row([id.as_bytes()]));
        let session = session.map(|session| SessionEvent { session, at, recorded, page: ProductKey::NONE });
        let change = |product| EventChange { user, product, at, kind, time_on_page_ms, order };
        let mut key = |id: &str| keys.product(id).map_err(refused);
        let metadata = values(event.metadata, &used.metadata);
        let of_one = EventChanges { identity, session, metadata, ..EventChanges::default() };
        if let Some(product) = &event.product {
            let first = change(key(product)?);
            let session = session.map(|session| SessionEvent { page: first.opened_page(), ..session });
            return Ok(EventChanges { first: Some(first), session, ..of_one });
        }
        let [first, rest @ ..] = event.items.as_slice() else {
            return Ok(EventChanges { first: Some(change(ProductKey::NONE)), ..of_one });
        };
        let first = Some(change(key(&first.product)?));
        let more = rest.iter().map(|item| Ok(change(key(&item.product)?))).collect::<Result<_, Box<DeadLetter>>>()?;
        Ok(EventChanges { first, more, ..of_one })
    }

    /// The change that a version of a merchandising rule makes.
    pub(crate) fn of_rule(rule: RuleId, version: RuleVersion) -> EventChanges {
        EventChanges { rule: Some(Box::new((rule, version))), ..EventChanges::default() }
    }

    /// Whether the event changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.rule.is_none()
    }

    /// For a replay, which closes few ticks: leaves the event out of its session if it is too late for it at this time,
    /// whatever the tick in which it will be given.
    pub fn leave_session_if_late(&mut self, now: Time, status: &SourceStatus) {
        if self.session.take_if(|event| is_late(event.at, now)).is_some() {
            status.ignored(LATE_FOR_SESSION);
        }
    }

    /// Gives the changes to the inputs, unless the event is a repeat, which is counted as such; whether it did.
    pub fn apply(self, inputs: &mut Inputs, status: &SourceStatus) -> bool {
        if self.identity.is_some_and(|(identity, at)| inputs.is_repeat(identity, at)) {
            status.ignored(REPEAT);
            return false;
        }
        if let (Some(EventChange { user, .. }), Some(event)) = (self.first, self.session)
            && !inputs.session_event(user, event)
        {
            status.ignored(LATE_FOR_SESSION);
        }
        if let Some(EventChange { user, at, .. }) = self.first {
            self.metadata.into_iter().for_each(|value| inputs.metadata(user, value, at));
        }
        self.first.into_iter().chain(self.more).for_each(|change| change.apply(inputs));
        if let Some(rule) = self.rule {
            inputs.update::<MerchRules>((rule.0, ()), rule.1);
        }
        true
    }
}

/// Whether events of this kind change something whichever events are used.
fn is_always_used(kind: EventKind) -> bool {
    matches!(kind, EventKind::View | EventKind::Removal | EventKind::Erasure)
}

/// Shows an event to the observer, if a user did something with products or is to be forgotten.
fn observe(observer: &dyn EventObserver, event: &Event<'_>, keys: &KeyCache) {
    let signal = match event.kind {
        EventKind::View | EventKind::Click | EventKind::AddToCart => Signal::Interest,
        EventKind::Purchase => Signal::Purchase,
        EventKind::Erasure => return observer.erased(keys.dictionary().find_user(&event.user)),
        EventKind::Removal | EventKind::RemoveFromCart | EventKind::Search | EventKind::Rule => return,
    };
    let dictionary = keys.dictionary();
    let ids = event.product.iter().chain(event.items.iter().map(|item| &item.product));
    let products: Vec<ProductKey> = ids.filter_map(|id| dictionary.find_product(id)).collect();
    let (answer, device) = (event.answer.as_deref(), event.device.as_deref());
    let (user, order) = (dictionary.find_user(&event.user), (signal == Signal::Purchase).then(|| order(event, keys)));
    observer.read(&ReadEvent { user, products: &products, signal, at: event.at, order, answer, device });
}

/// The kind under which repeats of events are counted.
const REPEAT: &str = "repeat";

/// The kind under which events are counted that came too late for their session. They count as events.
const LATE_FOR_SESSION: &str = "late_for_session";

/// The identity of an event within its partition; none for an event that states neither an id nor a time.
fn identity(record: &RawRecord<'_>, event: &Event<'_>, keys: &KeyCache) -> Option<(IdentityKey, Millis)> {
    let (partition, kind) = (record.partition.to_le_bytes(), event.kind.name());
    let place = [record.stream.as_bytes(), &partition];
    let dictionary = keys.dictionary();
    let identity = match (&event.id, event.stated) {
        (Some(id), _) => dictionary.identity(place.into_iter().chain([id.as_bytes()])),
        (None, Some(stated)) => {
            let (stated, session) = (stated.to_le_bytes(), event.session.as_deref().unwrap_or_default());
            let products = event.product.iter().chain(event.items.iter().map(|item| &item.product));
            let parts = place.into_iter().chain([event.user.as_bytes(), kind.as_bytes(), &stated, session.as_bytes()]);
            dictionary.identity(parts.chain(products.map(|product| product.as_bytes())))
        }
        (None, None) => return None,
    };
    Some((identity, record.time.map_or(event.at, RecordTime::at)))
}

/// The order of a purchase: the one it names, or one of its own.
fn order(event: &Event<'_>, keys: &KeyCache) -> OrderKey {
    let dictionary = keys.dictionary();
    match (&event.order, &event.id) {
        (Some(order), _) => dictionary.order(order),
        (None, Some(id)) => dictionary.order_of_event([b"id", id.as_bytes()]),
        (None, None) => {
            let at = event.at.to_le_bytes();
            let products = event.product.iter().chain(event.items.iter().map(|item| &item.product));
            let parts = [event.user.as_bytes(), &at].into_iter().chain(products.map(|product| product.as_bytes()));
            dictionary.order_of_event(parts)
        }
    }
}

impl EventChange {
    /// The product whose page the event opened without saying for how long.
    fn opened_page(&self) -> ProductKey {
        let opens = self.kind == EventKind::View && self.time_on_page_ms.is_none();
        if opens { self.product } else { ProductKey::NONE }
    }

    /// Gives the change to the inputs.
    fn apply(self, inputs: &mut Inputs) {
        let EventChange { user, product, at, kind, time_on_page_ms, order } = self;
        match kind {
            EventKind::View => inputs.view(user, product, at),
            EventKind::Removal => inputs.removal(user, product, at),
            EventKind::Erasure => return inputs.erasure(user, at),
            _ => {}
        }
        let interaction = match kind {
            EventKind::View => Interaction::View { time_on_page_ms },
            EventKind::Click => Interaction::Click,
            EventKind::AddToCart => Interaction::AddToCart,
            EventKind::Removal | EventKind::RemoveFromCart | EventKind::Purchase
            | EventKind::Search
            // These are no interactions of a user.
            | EventKind::Rule | EventKind::Erasure => Interaction::Other,
        };
        inputs.interaction(user, product, interaction, at);
        if let Some(order) = order {
            inputs.event_purchase(EventPurchaseRow { order, user, product, at });
        }
    }
}

#[cfg(test)]
mod tests;
