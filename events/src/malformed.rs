//! Why a record is refused: definite errors, which never repeat anything of the record.

use dataflow::ids::ID_BYTES_MAX;
use thiserror::Error;

use super::PAYLOAD_BYTES_MAX;

/// The fault of a record. Retrying cannot help: the record is counted, kept as a dead letter, and the stream goes on.
///
/// The text (`Display`) names places and fields but repeats nothing of the payload, which may hold personal data. A
/// variant with a name holds the path of the field that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The payload is above the limit. Holds its size.
    #[error("the payload of {0} bytes is above the limit of {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge(usize),
    /// The payload is not UTF-8. Holds the number of valid bytes before the first bad one.
    #[error("the payload is not UTF-8 from byte {0} on")]
    NotUtf8(usize),
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
    /// A field the shape needs is missing or null.
    #[error("`{0}` is missing")]
    MissingField(&'static str),
    /// A field holds a value of a type it cannot have.
    #[error("`{0}` has the wrong type")]
    WrongType(&'static str),
    /// The name of the event is none of the known ones.
    #[error("`{0}` names an unknown event")]
    UnknownEvent(&'static str),
    /// An id is the empty string.
    #[error("`{0}` is empty")]
    EmptyId(&'static str),
    /// An id holds half of a surrogate pair.
    #[error("`{0}` holds half of a surrogate pair, which stands for no character")]
    HalfPair(&'static str),
    /// An id is longer than an id may be. Holds its length, too.
    #[error("`{0}` has {1} bytes, an id has at most {ID_BYTES_MAX}")]
    IdTooLong(&'static str, usize),
    /// A time given as text is neither RFC 3339 nor a number.
    #[error("`{0}` is neither a number nor RFC 3339")]
    UnreadableTime(&'static str),
    /// The time is negative, too far in the past, or too far in the future.
    #[error("`{0}` is out of bounds")]
    TimeOutOfBounds(&'static str),
    /// `metadata` is no object.
    #[error("`metadata` is not an object")]
    MetadataNoObject,
    /// `metadata` has more objects and arrays one within another than are read.
    #[error("`metadata` has objects or arrays more than 8 deep")]
    MetadataTooDeep,
    /// `metadata` is above the limit. Holds its size.
    #[error("`metadata` of {0} bytes is above the limit of 64 KiB")]
    MetadataTooLarge(usize),
    /// The time of the record is too far from the present, or from what its event states.
    #[error("the record's own time is out of bounds; no field of the event is at fault")]
    RecordTimeOutOfBounds,
}

impl Malformed {
    /// A stable name of the kind of fault, fit for a metric label: no part of it comes from the record.
    pub fn reason(&self) -> &'static str {
        match self {
            Malformed::TooLarge(_) => "too_large",
            Malformed::NotUtf8(_) => "not_utf8",
            Malformed::NotJson { .. } => "not_json",
            Malformed::NotAnObject => "not_an_object",
            Malformed::MissingField(_) => "missing_field",
            Malformed::WrongType(_) => "wrong_type",
            Malformed::UnknownEvent(_) => "unknown_event",
            Malformed::EmptyId(_) => "empty_id",
            Malformed::HalfPair(_) => "half_surrogate_pair",
            Malformed::IdTooLong(..) => "id_too_long",
            Malformed::UnreadableTime(_) => "unreadable_time",
            Malformed::TimeOutOfBounds(_) => "time_out_of_bounds",
            Malformed::MetadataNoObject => "metadata_no_object",
            Malformed::MetadataTooDeep => "metadata_too_deep",
            Malformed::MetadataTooLarge(_) => "metadata_too_large",
            Malformed::RecordTimeOutOfBounds => "record_time_out_of_bounds",
        }
    }

    /// Path of the field that is wrong, as the record's own shape writes it; none if the whole payload or the record
    /// around it is wrong.
    pub fn field(&self) -> Option<&'static str> {
        match *self {
            Malformed::MissingField(field)
            | Malformed::WrongType(field)
            | Malformed::UnknownEvent(field)
            | Malformed::EmptyId(field)
            | Malformed::HalfPair(field)
            | Malformed::IdTooLong(field, _)
            | Malformed::UnreadableTime(field)
            | Malformed::TimeOutOfBounds(field) => Some(field),
            Malformed::MetadataNoObject | Malformed::MetadataTooDeep | Malformed::MetadataTooLarge(_) => {
                Some("metadata")
            }
            _ => None,
        }
    }
}
