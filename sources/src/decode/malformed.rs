//! Why a record is refused: definite errors, which never hold anything the record said.

use thiserror::Error;

use super::PAYLOAD_BYTES_MAX;

/// What is wrong with a record. Retrying cannot help: it is counted, kept as a dead letter, and the stream goes on.
///
/// The text (`Display`) names places and fields but repeats nothing of the payload, which may hold personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The payload is above the limit.
    #[error("the payload of {bytes} bytes is above the limit of {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge {
        /// Size of the payload.
        bytes: usize,
    },
    /// The payload is not UTF-8.
    #[error("the payload is not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// Number of valid bytes before the first bad one.
        offset: usize,
    },
    /// The payload is not one JSON text.
    #[error("the payload is not JSON: line {line}, column {column}")]
    NotJson {
        /// Line of the first fault, from 1 (0 when the payload is empty).
        line: usize,
        /// Column of the first fault, in bytes from 1.
        column: usize,
    },
    /// The payload begins with a JSON value that is not an object.
    #[error("the payload is not a JSON object")]
    NotAnObject,
    /// A field the shape needs is not there, or is null.
    #[error("`{field}` is missing")]
    MissingField {
        /// Path of the field.
        field: &'static str,
    },
    /// A field holds a value of a type it cannot have.
    #[error("`{field}` has the wrong type")]
    WrongType {
        /// Path of the field.
        field: &'static str,
    },
    /// The name of the event is none of the known ones.
    #[error("`{field}` names an unknown event")]
    UnknownEvent {
        /// Path of the field.
        field: &'static str,
    },
    /// An id is the empty string.
    #[error("`{field}` is empty")]
    EmptyId {
        /// Path of the field.
        field: &'static str,
    },
    /// An id holds half of a surrogate pair.
    #[error("`{field}` holds half of a surrogate pair, which stands for no character")]
    HalfPair {
        /// Path of the field.
        field: &'static str,
    },
    /// An id is longer than an id may be.
    #[error("`{field}` has {bytes} bytes, an id has at most {max}", max = dataflow::ids::ID_BYTES_MAX)]
    IdTooLong {
        /// Path of the field.
        field: &'static str,
        /// Length of the id.
        bytes: usize,
    },
    /// A time given as text is neither RFC 3339 nor a number.
    #[error("`{field}` is neither a number nor RFC 3339")]
    UnreadableTime {
        /// Path of the field.
        field: &'static str,
    },
    /// The time is negative, too far in the past, or too far in the future.
    #[error("`{field}` is out of bounds")]
    TimeOutOfBounds {
        /// Path of the field.
        field: &'static str,
    },
    /// The time of the record is too far from the present, or from what its event states.
    #[error("the record's own time is out of bounds; no field of the event is at fault")]
    RecordTimeOutOfBounds,
}

impl Malformed {
    /// A stable name of the kind of fault, fit for a metric label: no part of it comes from the record.
    pub fn reason(&self) -> &'static str {
        match self {
            Malformed::TooLarge { .. } => "too_large",
            Malformed::NotUtf8 { .. } => "not_utf8",
            Malformed::NotJson { .. } => "not_json",
            Malformed::NotAnObject => "not_an_object",
            Malformed::MissingField { .. } => "missing_field",
            Malformed::WrongType { .. } => "wrong_type",
            Malformed::UnknownEvent { .. } => "unknown_event",
            Malformed::EmptyId { .. } => "empty_id",
            Malformed::HalfPair { .. } => "half_surrogate_pair",
            Malformed::IdTooLong { .. } => "id_too_long",
            Malformed::UnreadableTime { .. } => "unreadable_time",
            Malformed::TimeOutOfBounds { .. } => "time_out_of_bounds",
            Malformed::RecordTimeOutOfBounds => "record_time_out_of_bounds",
        }
    }

    /// Path of the field that is wrong, as the record's own shape writes it; none when it is the payload as a whole
    /// or the record around it.
    pub fn field(&self) -> Option<&'static str> {
        match *self {
            Malformed::MissingField { field }
            | Malformed::WrongType { field }
            | Malformed::UnknownEvent { field }
            | Malformed::EmptyId { field }
            | Malformed::HalfPair { field }
            | Malformed::IdTooLong { field, .. }
            | Malformed::UnreadableTime { field }
            | Malformed::TimeOutOfBounds { field } => Some(field),
            Malformed::TooLarge { .. }
            | Malformed::NotUtf8 { .. }
            | Malformed::NotJson { .. }
            | Malformed::NotAnObject
            | Malformed::RecordTimeOutOfBounds => None,
        }
    }
}
