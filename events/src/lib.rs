//! Events: bytes in, a small borrowed [`Event`] out, and its changes in the graph's inputs; Kafka, files, replay and
//! HTTP all use this crate.
//!
//! ```text
//! RawRecord ─▶ size, UTF-8 ─▶ RawFields (one pass over the JSON) ─▶ kind, ids, time ─▶ Event ─▶ EventChanges ─▶ Inputs
//!                                └── Malformed ──────────────────────────┴── Collision ──┴─▶ DeadLetter
//! ```
//! Two shapes are read, both on every stream. The field that names the event distinguishes them:
//! - `{"event":"ProductView","messageid":…,"userid":…,"properties":{"productid":…},"timestamp":…}`, where `event` may also
//!   be `ProductRemoved`, `ProductClick`, `AddToCart` or `Purchase`, and Vitrine itself writes `MerchandisingRule` and
//!   `UserErased`;
//! - `{"event_type":"view","user_id":…,"product_id":…,"timestamp":…}`, where `event_type` may also be `click`,
//!   `add_to_cart`, `remove_from_cart`, `purchase` or `search`.
//!
//! A search and an erasure name no product. A purchase may name several, in `"items":[{"product_id":…,"quantity":…}]`.
//! `messageid`, `message_id` and `event_id` are three names of one field, the event's identity.
//!
//! `"metadata"` is an object, of at most 64 KiB and 8 levels, of which `time_on_page_ms`, `order_id` and `answer_id` are read, and
//! the keys whose values are counted.
//! `answer_id`, there or beside it, names the recommendation that led to the event; `context.source` names a device.
//!
//! Merchandising rules may also be the records of a topic of their own, one rule each.
//!
//! Further fields are ignored, with their names and values. If a field is given twice, the last one counts. `null` is the
//! same as a missing field. A byte order mark before the JSON text is skipped.

mod bounds;
mod change;
mod dead_letter;
mod event;
mod id;
mod malformed;
mod metadata_values;
mod record;
mod record_time;
mod restamp;
mod rule;
mod rule_record;
mod scalar;
mod shape;
mod time;
mod words;
mod write;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

pub use bounds::TimeBounds;
pub use change::EventChanges;
pub use dead_letter::{DeadLetter, DeadLetterSender, LETTER_PAYLOAD_BYTES_MAX, Refusal, send};
pub use event::{Event, EventCore, EventKind, PurchasedItem};
pub use malformed::Malformed;
pub use record::RawRecord;
pub use record_time::RecordTime;
pub use restamp::restamp;
pub use rule::{RuleChange, rule_json};
pub use rule_record::TopicRules;
pub use shape::Decoder;
pub use time::from_text as time_from_text;
pub use write::{erasure_json, removal_json, view_json};

use std::borrow::Cow;

use scalar::Scalar;
use shape::{Field, RawFields};

/// The largest payload that is decoded, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// The mark that some editors and programs of Windows put before a text. RFC 8259 lets a reader skip it.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Decodes one event of either shape. Ids are borrowed from the payload unless they have escapes.
///
/// `record_time` is when the record was appended to its stream. It is the time of an event that states none, and an upper
/// limit for all events but removals: a fast client clock cannot date a view after later views. A removal keeps its own
/// time, which was set to cover the views it removes.
///
/// # Errors
/// [`Malformed`] names the fault and its field. The record stays wrong: a retry cannot help.
pub fn decode<'a>(
    payload: &'a [u8],
    record_time: Option<RecordTime>,
    bounds: &TimeBounds,
) -> Result<Event<'a>, Malformed> {
    event_of(&RawFields::parse(payload)?, record_time, bounds)
}

/// The event that a payload's fields state.
fn event_of<'a>(
    fields: &RawFields<'a>,
    record_time: Option<RecordTime>,
    bounds: &TimeBounds,
) -> Result<Event<'a>, Malformed> {
    let EventCore { kind, user, product, items, rule, at, stated, session, metadata } =
        core_of(fields, record_time, bounds)?;
    let order =
        if kind == EventKind::Purchase { id::read(fields.get(Field::OrderId), "metadata.order_id").ok() } else { None };
    let id = id::identity(fields.get(Field::EventId));
    // No user changes a rule.
    let has_user = kind != EventKind::Rule;
    let of_user = |json| if has_user { id::identity(json) } else { None };
    let (answer, device) = (of_user(fields.answer()), of_user(fields.get(Field::Source)));
    let time_on_page_ms = if has_user { time_on_page_ms(fields.get(Field::TimeOnPage)) } else { None };
    Ok(Event {
        kind,
        id,
        user,
        product,
        items,
        at,
        stated,
        session,
        time_on_page_ms,
        metadata,
        order,
        answer,
        device,
        rule,
    })
}

/// The core of the event that a payload's fields state. All that can be wrong with an event is in it.
#[inline]
fn core_of<'a>(
    fields: &RawFields<'a>,
    record_time: Option<RecordTime>,
    bounds: &TimeBounds,
) -> Result<EventCore<'a>, Malformed> {
    let (shape, kind) = fields.kind()?;
    let stated = time::read(&Scalar::of(fields.get(Field::Timestamp)))?;
    let at = bounds.settle(kind, stated, record_time)?;
    let metadata = fields.metadata;
    if kind == EventKind::Rule {
        let rule = Some(Box::new(RuleChange::read(fields.get(Field::Rule))?));
        let (user, product, items, session) = (Cow::Borrowed(""), None, Vec::new(), None);
        return Ok(EventCore { kind, user, product, items, rule, at, stated, session, metadata });
    }
    let (user, product) = fields.ids(shape);
    let user = id::read(user, shape.user_field())?;
    let items = if kind == EventKind::Purchase { fields.items()? } else { Vec::new() };
    let product = match kind {
        EventKind::Search | EventKind::Erasure => None,
        EventKind::Purchase if !items.is_empty() => None,
        _ => Some(id::read(product, shape.product_field())?),
    };
    let session = id::identity(fields.get(Field::SessionId));
    Ok(EventCore { kind, user, product, items, rule: None, at, stated, session, metadata })
}

/// A time on a page in whole milliseconds, if it is a number and not negative.
#[inline]
fn time_on_page_ms(json: &str) -> Option<u64> {
    match Scalar::of(json) {
        Scalar::Unsigned(ms) => Some(ms),
        Scalar::Float(ms) if ms >= 0.0 => Some(ms as u64),
        _ => None,
    }
}
