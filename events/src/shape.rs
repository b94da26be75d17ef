//! The two shapes of an event: which fields they use, and one pass over the JSON that collects the fields of both.

mod decoder;
mod field;
mod members;
mod metadata;
mod quick;
mod template;

use std::str;

use serde_json::value::RawValue;

use crate::scalar::Scalar;
use crate::{BYTE_ORDER_MARK, EventKind, Malformed, PAYLOAD_BYTES_MAX, PurchasedItem, id};

pub use decoder::Decoder;
pub(super) use members::members;

pub(super) use field::Field;

/// Which of the two shapes a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventShape {
    /// `event`, `userid`, `properties.productid`: time written as seconds with a fraction.
    Product,
    /// `event_type`, `user_id`, `product_id`: time written as RFC 3339.
    Clickstream,
}

impl EventShape {
    pub(super) fn user_field(self) -> &'static str {
        match self {
            EventShape::Product => "userid",
            EventShape::Clickstream => "user_id",
        }
    }

    pub(super) fn product_field(self) -> &'static str {
        match self {
            EventShape::Product => "properties.productid",
            EventShape::Clickstream => "product_id",
        }
    }
}

/// The fields of both shapes as the JSON text of their values, not yet judged: only at the end is it known which ones
/// count. An empty text is a missing field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawFields<'a> {
    /// By [`Field`].
    values: [&'a str; Field::COUNT],
    /// The whole object.
    pub(super) metadata: &'a str,
}

impl Default for RawFields<'_> {
    #[inline]
    fn default() -> Self {
        RawFields { values: [""; Field::COUNT], metadata: "" }
    }
}

/// Stands in for the product if `properties` is no object: a value of a type that no id has.
const NO_ID: &str = "false";

impl<'a> RawFields<'a> {
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        RawFields::of(RawFields::text(payload)?)
    }

    /// A payload as text.
    #[inline]
    pub(super) fn text(payload: &'a [u8]) -> Result<&'a str, Malformed> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Malformed::TooLarge(payload.len()));
        }
        // Checked once for the whole payload: that is faster than string by string, and covers the skipped ones too.
        str::from_utf8(payload).map_err(|error| Malformed::NotUtf8(error.valid_up_to()))
    }

    /// The fields of a text.
    #[inline]
    pub(super) fn of(text: &'a str) -> Result<Self, Malformed> {
        let mut fields = RawFields::default();
        match quick::read(text, &mut fields) {
            Some(()) => Ok(fields),
            None => RawFields::parse_any(text),
        }
    }

    /// The fields of any text. The quick pass is a shortcut to the same result.
    pub(super) fn parse_any(text: &'a str) -> Result<Self, Malformed> {
        // Looked for only here: no plain line begins with it.
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        let (mut fields, mut metadata) = (RawFields::default(), Ok(()));
        members(text, |name, value| match name {
            "properties" => *fields.field(Field::Productid) = product_in(value),
            "metadata" => metadata = fields.set_metadata(value),
            "context" => *fields.field(Field::Source) = source_in(value),
            _ => fields.set(name.as_bytes(), value),
        })?;
        metadata.map(|()| fields)
    }

    #[inline]
    fn set(&mut self, name: &[u8], value: &'a str) {
        if let Some(field) = Field::named(name) {
            *self.field(field) = value;
        }
    }

    #[inline]
    fn field(&mut self, field: Field) -> &mut &'a str {
        &mut self.values[field as usize]
    }

    /// The JSON text of a field; empty if it is missing.
    #[inline]
    pub(super) fn get(&self, field: Field) -> &'a str {
        self.values[field as usize]
    }

    /// The shape and the kind of the event. A known `event` decides, else `event_type` if there is one.
    #[inline]
    pub(super) fn kind(&self) -> Result<(EventShape, EventKind), Malformed> {
        let event = Scalar::of(self.get(Field::Event));
        if let Scalar::Text(name) = &event
            && let Some(kind) = named_by_event(name)
        {
            return Ok((EventShape::Product, kind));
        }
        match (Scalar::of(self.get(Field::EventType)), event) {
            (Scalar::Text(name), _) => {
                let kind = named_by_event_type(&name).ok_or(Malformed::UnknownEvent("event_type"))?;
                Ok((EventShape::Clickstream, kind))
            }
            (Scalar::HalfPair, _) => Err(Malformed::UnknownEvent("event_type")),
            (Scalar::Missing, Scalar::Missing) => Err(Malformed::MissingField("event")),
            (Scalar::Missing, Scalar::Text(_) | Scalar::HalfPair) => Err(Malformed::UnknownEvent("event")),
            (Scalar::Missing, _) => Err(Malformed::WrongType("event")),
            _ => Err(Malformed::WrongType("event_type")),
        }
    }

    /// User and product of the given shape.
    #[inline]
    pub(super) fn ids(&self, shape: EventShape) -> (&'a str, &'a str) {
        match shape {
            EventShape::Product => (self.get(Field::Userid), self.get(Field::Productid)),
            EventShape::Clickstream => (self.get(Field::UserId), self.get(Field::ProductId)),
        }
    }

    /// The recommendation that led to the event; in `metadata` if it is not beside it.
    #[inline]
    pub(super) fn answer(&self) -> &'a str {
        let answer = self.get(Field::AnswerId);
        if answer.is_empty() { self.get(Field::AnswerIdInMetadata) } else { answer }
    }

    /// The items of a purchase.
    pub(super) fn items(&self) -> Result<Vec<PurchasedItem<'a>>, Malformed> {
        let items = self.get(Field::Items);
        if let Scalar::Missing = Scalar::of(items) {
            return Ok(Vec::new());
        }
        let items: Vec<&RawValue> = serde_json::from_str(items).map_err(|_| Malformed::WrongType("items"))?;
        items.into_iter().map(|item| purchased_item(item.get())).collect()
    }
}

#[inline]
fn named_by_event(name: &str) -> Option<EventKind> {
    match name {
        "ProductView" => Some(EventKind::View),
        "ProductRemoved" => Some(EventKind::Removal),
        "ProductClick" => Some(EventKind::Click),
        "AddToCart" => Some(EventKind::AddToCart),
        "Purchase" => Some(EventKind::Purchase),
        "MerchandisingRule" => Some(EventKind::Rule),
        "UserErased" => Some(EventKind::Erasure),
        _ => None,
    }
}

#[inline]
fn named_by_event_type(name: &str) -> Option<EventKind> {
    match name {
        "view" => Some(EventKind::View),
        "click" => Some(EventKind::Click),
        "add_to_cart" => Some(EventKind::AddToCart),
        "remove_from_cart" => Some(EventKind::RemoveFromCart),
        "purchase" => Some(EventKind::Purchase),
        "search" => Some(EventKind::Search),
        _ => None,
    }
}

/// The product in the value of `properties`; missing if that is null.
fn product_in(properties: &str) -> &str {
    let mut product = "";
    let read = members(properties, |name, value| {
        if name == "productid" {
            product = value;
        }
    });
    if read.is_ok() || properties == "null" { product } else { NO_ID }
}

/// The source in the value of `context`; missing if that is no object.
fn source_in(context: &str) -> &str {
    let mut source = "";
    let read = members(context, |name, value| {
        if Field::named_in_context(name.as_bytes()).is_some() {
            source = value;
        }
    });
    if read.is_ok() { source } else { "" }
}

fn purchased_item(json: &str) -> Result<PurchasedItem<'_>, Malformed> {
    let (mut product, mut quantity) = ("", "");
    let read = members(json, |name, value| match name {
        "product_id" => product = value,
        "quantity" => quantity = value,
        _ => {}
    });
    read.map_err(|_| Malformed::WrongType("items"))?;
    let quantity = match Scalar::of(quantity) {
        Scalar::Missing => 1,
        Scalar::Unsigned(quantity) => quantity,
        _ => return Err(Malformed::WrongType("items.quantity")),
    };
    Ok(PurchasedItem { product: id::read(product, "items.product_id")?, quantity })
}
