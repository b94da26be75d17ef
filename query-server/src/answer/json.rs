//! JSON by hand, for the most frequent answers.

use std::io::Write;

/// Bytes that a JSON string cannot hold as they are.
const ESCAPED: [bool; 256] = {
    let mut escaped = [false; 256];
    let mut byte = 0;
    while byte < 0x20 {
        escaped[byte] = true;
        byte += 1;
    }
    escaped[b'"' as usize] = true;
    escaped[b'\\' as usize] = true;
    escaped
};

/// Writes `text` as a JSON string.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    in_string(out, text);
    out.push(b'"');
}

/// Writes `text` as a part of a JSON string.
pub(crate) fn in_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if ESCAPED[usize::from(*byte)] {
            out.extend_from_slice(&bytes[written..at]);
            escape(out, *byte);
            written = at + 1;
        }
    }
    out.extend_from_slice(&bytes[written..]);
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' => out.extend_from_slice(b"\\\""),
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => write!(out, "\\u{byte:04x}").expect("a Vec takes everything"),
    }
}

/// The digits of the largest number.
const DIGITS_MAX: usize = 20;

/// Writes a whole number.
pub(crate) fn number(out: &mut Vec<u8>, number: u64) {
    let (mut digits, mut from, mut left) = ([0; DIGITS_MAX], DIGITS_MAX, number);
    loop {
        from -= 1;
        digits[from] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            return out.extend_from_slice(&digits[from..]);
        }
    }
}

/// Writes a number that is finite.
pub(crate) fn decimal(out: &mut Vec<u8>, number: f32) {
    write!(out, "{number}").expect("a Vec takes everything");
}

/// Writes the comma before every item but the first.
pub(crate) fn comma(out: &mut Vec<u8>) {
    if !matches!(out.last(), Some(b'[' | b'{')) {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_comes_back() {
        let mut text: String = (0..0x250).filter_map(char::from_u32).collect();
        text.push_str("\u{2028}😀\"\\");
        let mut out = Vec::new();
        string(&mut out, &text);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }

    #[test]
    fn numbers_are_their_digits() {
        for exponent in 0..20 {
            for found in [10_u64.pow(exponent), 10_u64.pow(exponent) - 1, u64::MAX - 10_u64.pow(exponent)] {
                let mut out = Vec::new();
                number(&mut out, found);
                assert_eq!(String::from_utf8(out).unwrap(), found.to_string());
            }
        }
    }
}
