//! Refused records: where each one was, why it was refused, and its payload; and the bounded channel to their writer.

use std::str;
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use dataflow::dictionary::Collision;
use serde::Serialize;

use crate::Malformed;

/// The largest part of a payload that is written, in bytes.
const WRITTEN_BYTES_MAX: usize = 64 * 1024;

/// The largest part of a payload that a letter holds, in bytes: one byte more than is written shows that the payload
/// was longer.
pub const LETTER_PAYLOAD_BYTES_MAX: usize = WRITTEN_BYTES_MAX + 1;

/// How soon a full channel is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(5);

/// Takes refused records. When it is full, a source keeps its letter and pauses: none is dropped.
pub type DeadLetterSender = SyncSender<DeadLetter>;

/// Sends a letter; while the channel is full, calls `wait` before each further attempt. If nobody receives letters any
/// more, the letter is dropped: its sender has counted it.
///
/// # Errors
/// Errors of `wait`.
pub fn send<E>(
    letters: &DeadLetterSender,
    mut letter: DeadLetter,
    wait: impl Fn(Duration) -> Result<(), E>,
) -> Result<(), E> {
    while let Err(TrySendError::Full(unsent)) = letters.try_send(letter) {
        letter = unsent;
        wait(RETRY_AFTER)?;
    }
    Ok(())
}

/// Why a record or a row is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable name of the fault, fit for a metric label.
    pub reason: &'static str,
    /// The fault in words, without content of the payload.
    pub detail: String,
}

impl From<Malformed> for Refusal {
    fn from(malformed: Malformed) -> Self {
        Refusal { reason: malformed.reason(), detail: malformed.to_string() }
    }
}

impl From<Collision> for Refusal {
    fn from(collision: Collision) -> Self {
        Refusal { reason: "id_collision", detail: collision.to_string() }
    }
}

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Topic or file it came from.
    pub stream: String,
    /// Partition of that stream.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// Stable name of the fault.
    pub reason: &'static str,
    /// The fault in words, without content of the payload.
    pub detail: String,
    /// The payload, or the beginning of a long one.
    pub payload: Vec<u8>,
}

impl DeadLetter {
    /// The letter of a record. Copies at most [`LETTER_PAYLOAD_BYTES_MAX`] of the payload.
    #[must_use]
    pub fn new(stream: &str, partition: i32, offset: i64, refusal: Refusal, payload: &[u8]) -> Self {
        let Refusal { reason, detail } = refusal;
        let payload = payload[..payload.len().min(LETTER_PAYLOAD_BYTES_MAX)].to_vec();
        DeadLetter { stream: stream.to_owned(), partition, offset, reason, detail, payload }
    }

    /// One JSON object, without a line end. The first 64 KiB of the payload stand in `payload` if they are UTF-8 and else
    /// in `payload_base64`; `truncated` says whether there was more.
    pub fn to_json(&self) -> String {
        let truncated = self.payload.len() > WRITTEN_BYTES_MAX;
        let written = &self.payload[..self.payload.len().min(WRITTEN_BYTES_MAX)];
        let (payload, payload_base64) = match str::from_utf8(written) {
            Ok(text) => (Some(text), None),
            // The payload is UTF-8, but the cut split a character.
            Err(error) if truncated && error.error_len().is_none() => {
                (str::from_utf8(&written[..error.valid_up_to()]).ok(), None)
            }
            Err(_) => (None, Some(BASE64_STANDARD.encode(written))),
        };
        let DeadLetter { stream, partition, offset, reason, detail, .. } = self;
        let (partition, offset) = (*partition, *offset);
        let json = LetterJson { stream, partition, offset, reason, detail, payload, payload_base64, truncated };
        serde_json::to_string(&json).expect("texts and integers always serialise")
    }
}

#[derive(Serialize)]
struct LetterJson<'a> {
    stream: &'a str,
    partition: i32,
    offset: i64,
    reason: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    truncated: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn written(payload: &[u8]) -> Value {
        let letter = DeadLetter::new("views", 3, 42, Malformed::MissingField("user_id").into(), payload);
        serde_json::from_str(&letter.to_json()).expect("a dead letter is JSON")
    }

    #[test]
    fn text_is_kept_as_text() {
        let expected = json!({
            "stream": "views", "partition": 3, "offset": 42,
            "reason": "missing_field", "detail": "`user_id` is missing",
            "payload": "{\"a\":\"é\u{0}\"}", "truncated": false,
        });
        assert_eq!(written("{\"a\":\"é\u{0}\"}".as_bytes()), expected);
        assert_eq!(written(b"")["payload"], "");
    }

    #[test]
    fn other_bytes_are_kept_as_base64() {
        let letter = written(b"\xff\x00ab");
        assert_eq!((&letter["payload_base64"], &letter["truncated"]), (&json!("/wBhYg=="), &json!(false)));
        assert_eq!(letter.get("payload"), None);
        assert_eq!(written(b"caf\xc3").get("payload"), None);
    }

    #[test]
    fn base64_is_standard_with_padding() {
        for (bytes, text) in [(&b"\xff"[..], "/w=="), (b"\xfb\xff\xfe", "+//+"), (b"\xffo", "/28=")] {
            assert_eq!(written(bytes)["payload_base64"], text);
        }
    }

    #[test]
    fn long_payload_is_cut_between_characters() {
        let whole = "x".repeat(WRITTEN_BYTES_MAX);
        assert_eq!(
            (&written(whole.as_bytes())["payload"], &written(whole.as_bytes())["truncated"]),
            (&json!(whole), &json!(false))
        );
        let longer = written(format!("{whole}y").as_bytes());
        assert_eq!((&longer["payload"], &longer["truncated"]), (&json!(whole), &json!(true)));
        let astride = written(format!("{}é tail", &whole[1..]).as_bytes());
        assert_eq!((&astride["payload"], &astride["truncated"]), (&json!(whole[1..]), &json!(true)));
        let binary = written(&vec![0xff; WRITTEN_BYTES_MAX * 3]);
        let length = binary["payload_base64"].as_str().map(str::len);
        assert_eq!((length, &binary["truncated"]), (Some(WRITTEN_BYTES_MAX.div_ceil(3) * 4), &json!(true)));
    }
}
