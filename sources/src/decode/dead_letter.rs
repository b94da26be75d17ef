//! A refused record as it is kept: where it was, why it was refused, and its payload.

use std::str;

use dataflow::dictionary::Collision;
use serde::Serialize;

use super::Malformed;
use crate::fault::Fault;

/// The most of a payload that is kept, in bytes.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A record that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Topic or file it came from.
    pub stream: String,
    /// Partition in that stream.
    pub partition: i32,
    /// Offset in that partition.
    pub offset: i64,
    /// Stable name of the fault.
    pub reason: &'static str,
    /// The fault in words, without anything the payload said.
    pub detail: String,
    /// The payload, or the beginning of a long one.
    pub payload: Vec<u8>,
}

impl DeadLetter {
    /// Of a record that is no event.
    pub fn new(stream: &str, partition: i32, offset: i64, malformed: &Malformed, payload: &[u8]) -> Self {
        DeadLetter::because(stream, partition, offset, (malformed.reason(), malformed.to_string()), payload)
    }

    /// Of an event whose product cannot be told from another one.
    pub(crate) fn colliding(stream: &str, partition: i32, offset: i64, collision: Collision, payload: &[u8]) -> Self {
        let fault = Fault::from(collision);
        DeadLetter::because(stream, partition, offset, (fault.reason(), fault.to_string()), payload)
    }

    /// Copies of the payload no more than can be kept, and one byte as the mark that there was more.
    fn because(
        stream: &str,
        partition: i32,
        offset: i64,
        (reason, detail): (&'static str, String),
        payload: &[u8],
    ) -> Self {
        DeadLetter {
            stream: stream.to_owned(),
            partition,
            offset,
            reason,
            detail,
            payload: payload[..payload.len().min(KEPT_BYTES_MAX + 1)].to_vec(),
        }
    }

    /// One JSON object, without a line end. The first 64 KiB of the payload stand in `payload` if they are UTF-8 and else
    /// in `payload_base64`; `truncated` says whether there was more.
    pub fn to_json(&self) -> String {
        let truncated = self.payload.len() > KEPT_BYTES_MAX;
        let kept = &self.payload[..self.payload.len().min(KEPT_BYTES_MAX)];
        let (payload, payload_base64) = match str::from_utf8(kept) {
            Ok(text) => (Some(text), None),
            // Only the cut went through a character.
            Err(error) if truncated && error.error_len().is_none() => {
                (str::from_utf8(&kept[..error.valid_up_to()]).ok(), None)
            }
            Err(_) => (None, Some(base64(kept))),
        };
        let line = Line {
            stream: &self.stream,
            partition: self.partition,
            offset: self.offset,
            reason: self.reason,
            detail: &self.detail,
            payload,
            payload_base64,
            truncated,
        };
        serde_json::to_string(&line).expect("texts and integers always serialise")
    }
}

#[derive(Serialize)]
struct Line<'a> {
    stream: &'a str,
    partition: i32,
    offset: i64,
    reason: &'static str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    truncated: bool,
}

/// Base64 with the standard alphabet and padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let [first, second, third] = [0, 1, 2].map(|index| u32::from(group.get(index).copied().unwrap_or(0)));
        let bits = first << 16 | second << 8 | third;
        for index in 0..4 {
            let digit = (bits >> (18 - 6 * index)) & 63;
            text.push(if index <= group.len() { char::from(ALPHABET[digit as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn written(payload: &[u8]) -> Value {
        let malformed = Malformed::MissingField { field: "user_id" };
        let letter = DeadLetter::new("views", 3, 42, &malformed, payload);
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
    fn base64_pads_as_in_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn long_payload_is_cut_between_characters() {
        let whole = "x".repeat(KEPT_BYTES_MAX);
        assert_eq!(
            (&written(whole.as_bytes())["payload"], &written(whole.as_bytes())["truncated"]),
            (&json!(whole), &json!(false))
        );
        let longer = written(format!("{whole}y").as_bytes());
        assert_eq!((&longer["payload"], &longer["truncated"]), (&json!(whole), &json!(true)));
        let astride = written(format!("{}é tail", &whole[1..]).as_bytes());
        assert_eq!((&astride["payload"], &astride["truncated"]), (&json!(whole[1..]), &json!(true)));
        let binary = written(&vec![0xff; KEPT_BYTES_MAX * 3]);
        let length = binary["payload_base64"].as_str().map(str::len);
        assert_eq!((length, &binary["truncated"]), (Some(KEPT_BYTES_MAX.div_ceil(3) * 4), &json!(true)));
    }
}
