//! The wire shapes of events: bytes in, a small borrowed [`Event`] out, and the same shapes written by ourselves.
//!
//! ```text
//! payload ─▶ size, UTF-8 ─▶ Raw (one pass over the JSON) ─▶ kind ─▶ ids ─▶ time ─▶ Event
//!                                  any step may say Malformed ─▶ DeadLetter
//! ```
//! Two shapes are read, both on every stream. They are told apart by the field that names the event:
//! - `{"event":"ProductView"|"ProductRemoved","userid":…,"properties":{"productid":…},"timestamp":…}`
//! - `{"event_type":"view"|"click"|"add_to_cart"|"purchase","user_id":…,"product_id":…,"timestamp":…}`
//!
//! Further fields are ignored, whatever they hold, and so are their names. Of a field given twice the last one counts, and
//! `null` is the same as not there. A byte order mark before the JSON text is passed over.

mod bounds;
mod dead_letter;
mod event;
mod id;
mod malformed;
mod record_time;
mod restamp;
mod shape;
mod slot;
mod time;
mod write;

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;

pub use bounds::TimeBounds;
pub use dead_letter::DeadLetter;
pub use event::{Event, Kind};
pub use malformed::Malformed;
pub use record_time::RecordTime;
pub use restamp::restamp;
pub(crate) use time::from_text as time_from_text;
pub use write::{removal_json, view_json};

use dataflow::time::Millis;
use shape::Raw;

/// The largest payload that is looked at, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// The mark that some editors and programs of Windows put before a text: RFC 8259 lets a reader pass over it.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads one event of either shape. Ids are borrowed from the payload where its text allows it (no escapes, no integer).
///
/// `record_time` is when the record was appended to its stream, in milliseconds since the epoch: it stands in for a
/// missing time and is an upper limit to the time of everything but a removal, so that a fast client clock cannot put a
/// view ahead of what comes later. A removal keeps its own time: it was set to cover the views it removes.
///
/// # Errors
/// [`Malformed`] says what is wrong and with which field. The record is wrong for good: retrying cannot help.
pub fn decode<'a>(payload: &'a [u8], record_time: Option<Millis>, bounds: &TimeBounds) -> Result<Event<'a>, Malformed> {
    decode_record(payload, record_time.map(RecordTime::from), bounds)
}

/// As [`decode`], for a record whose time may be known to the second only.
///
/// # Errors
/// As those of [`decode`].
pub fn decode_record<'a>(
    payload: &'a [u8],
    record_time: Option<RecordTime>,
    bounds: &TimeBounds,
) -> Result<Event<'a>, Malformed> {
    let mut raw = Raw::parse(payload)?;
    let (shape, kind) = raw.kind()?;
    let stated = time::read(&raw.timestamp)?;
    let at = bounds.settle(kind, stated, record_time)?;
    let (user, product) = raw.take_ids(shape);
    Ok(Event {
        kind,
        user: id::read(user, shape.user_field())?,
        product: id::read(product, shape.product_field())?,
        at,
        dated: stated.is_some(),
    })
}
