//! The two shapes of an event: which fields they use, and one pass over the JSON that collects the fields of both.

mod fields;
mod quick;

use std::mem::take;
use std::str;

use serde::de::Deserializer;
use serde_json::error::Category;

use super::slot::Slot;
use super::{BYTE_ORDER_MARK, Kind, Malformed, PAYLOAD_BYTES_MAX};
use fields::Fields;

/// Which of the two shapes a record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `event`, `userid`, `properties.productid`: time written as seconds with a fraction.
    Product,
    /// `event_type`, `user_id`, `product_id`: time written as RFC 3339.
    Clickstream,
}

impl Shape {
    pub(super) fn user_field(self) -> &'static str {
        match self {
            Shape::Product => "userid",
            Shape::Clickstream => "user_id",
        }
    }

    pub(super) fn product_field(self) -> &'static str {
        match self {
            Shape::Product => "properties.productid",
            Shape::Clickstream => "product_id",
        }
    }
}

/// The fields of both shapes as the JSON had them, not yet judged: which ones count is known only at the end.
#[derive(Debug, Default)]
pub(super) struct Raw<'a> {
    event: Slot<'a>,
    event_type: Slot<'a>,
    userid: Slot<'a>,
    user_id: Slot<'a>,
    productid: Slot<'a>,
    product_id: Slot<'a>,
    pub(super) timestamp: Slot<'a>,
}

impl<'a> Raw<'a> {
    #[inline]
    pub(super) fn parse(payload: &'a [u8]) -> Result<Self, Malformed> {
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Malformed::TooLarge { bytes: payload.len() });
        }
        // Checked once for the whole payload, which is faster than string by string and covers the skipped ones too.
        let text = str::from_utf8(payload).map_err(|error| Malformed::NotUtf8 { offset: error.valid_up_to() })?;
        let mut raw = Raw::default();
        if quick::read(text, &mut raw).is_some() {
            return Ok(raw);
        }
        Raw::parse_any(text)
    }

    /// What the text means, whatever it is. The quick pass is a shortcut to the same answer.
    pub(super) fn parse_any(text: &'a str) -> Result<Self, Malformed> {
        // Looked for only here: no plain line begins with it.
        let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        match Raw::pass::<true>(text) {
            Err(Malformed::NotJson { .. }) => Raw::pass::<false>(text),
            read => read,
        }
    }

    /// One pass, see [`fields`].
    pub(super) fn pass<const STRICT: bool>(text: &'a str) -> Result<Self, Malformed> {
        let mut raw = Raw::default();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = deserializer.deserialize_map(Fields::<STRICT>(&mut raw)).and_then(|()| deserializer.end());
        match read {
            Ok(()) => Ok(raw),
            // Every field takes any value, so only the outermost value can have the wrong type.
            Err(error) if error.classify() == Category::Data => Err(Malformed::NotAnObject),
            Err(error) => Err(Malformed::NotJson { line: error.line(), column: error.column() }),
        }
    }

    /// The shape and what the event is. A known `event` decides; else it is `event_type` if there is one.
    #[inline]
    pub(super) fn kind(&self) -> Result<(Shape, Kind), Malformed> {
        match &self.event {
            Slot::Text(name) if name == "ProductView" => return Ok((Shape::Product, Kind::View)),
            Slot::Text(name) if name == "ProductRemoved" => return Ok((Shape::Product, Kind::Removal)),
            _ => {}
        }
        let kind = match &self.event_type {
            Slot::Text(name) => match name.as_ref() {
                "view" => Kind::View,
                "click" => Kind::Click,
                "add_to_cart" => Kind::AddToCart,
                "purchase" => Kind::Purchase,
                _ => return Err(Malformed::UnknownEvent { field: "event_type" }),
            },
            Slot::Missing => return Err(self.no_known_event()),
            Slot::HalfPair => return Err(Malformed::UnknownEvent { field: "event_type" }),
            _ => return Err(Malformed::WrongType { field: "event_type" }),
        };
        Ok((Shape::Clickstream, kind))
    }

    fn no_known_event(&self) -> Malformed {
        match self.event {
            Slot::Missing => Malformed::MissingField { field: "event" },
            Slot::Text(_) | Slot::HalfPair => Malformed::UnknownEvent { field: "event" },
            _ => Malformed::WrongType { field: "event" },
        }
    }

    /// Takes out user and product of the given shape.
    #[inline]
    pub(super) fn take_ids(&mut self, shape: Shape) -> (Slot<'a>, Slot<'a>) {
        let (user, product) = match shape {
            Shape::Product => (&mut self.userid, &mut self.productid),
            Shape::Clickstream => (&mut self.user_id, &mut self.product_id),
        };
        (take(user), take(product))
    }
}
