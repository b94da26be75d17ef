//! The fields of both shapes by the names that they have in JSON.

/// A field that an event can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Event,
    EventType,
    EventId,
    Userid,
    UserId,
    /// In `properties`.
    Productid,
    ProductId,
    Timestamp,
    Items,
    SessionId,
    /// In `metadata`.
    TimeOnPage,
    /// In `metadata`.
    OrderId,
    AnswerId,
    /// In `metadata`.
    AnswerIdInMetadata,
    /// In `context`.
    Source,
    Rule,
}

impl Field {
    /// The number of fields. The last one is named here.
    pub(super) const COUNT: usize = Field::Rule as usize + 1;

    /// The field that a member of the outermost object is.
    #[inline]
    pub(super) fn named(name: &[u8]) -> Option<Field> {
        Some(match name {
            b"event" => Field::Event,
            b"event_type" => Field::EventType,
            b"messageid" | b"message_id" | b"event_id" => Field::EventId,
            b"userid" => Field::Userid,
            b"user_id" => Field::UserId,
            b"product_id" => Field::ProductId,
            b"timestamp" => Field::Timestamp,
            b"items" => Field::Items,
            b"session_id" => Field::SessionId,
            b"rule" => Field::Rule,
            b"answer_id" => Field::AnswerId,
            _ => return None,
        })
    }

    /// The field that a member of `properties` is.
    #[inline]
    pub(super) fn named_in_properties(name: &[u8]) -> Option<Field> {
        (name == b"productid").then_some(Field::Productid)
    }

    /// The field that a member of `context` is.
    #[inline]
    pub(super) fn named_in_context(name: &[u8]) -> Option<Field> {
        (name == b"source").then_some(Field::Source)
    }

    /// The field that a member of `metadata` is.
    #[inline]
    pub(super) fn named_in_metadata(name: &[u8]) -> Option<Field> {
        match name {
            b"time_on_page_ms" => Some(Field::TimeOnPage),
            b"order_id" => Some(Field::OrderId),
            b"answer_id" => Some(Field::AnswerIdInMetadata),
            _ => None,
        }
    }
}
