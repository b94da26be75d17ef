//! The token a write is answered with: the positions that cover it, opaque to clients.
//!
//! `hex(version byte, bincode of [(stream, partition, next)])`.

use std::fmt::Write;

use bincode::Options;
use dataflow::feed::Position;

const VERSION: u8 = 1;

/// More partitions than one request can have written to.
const POSITIONS_MAX: usize = 1024;

fn coding() -> impl Options {
    bincode::DefaultOptions::new().with_limit(64 << 10)
}

/// The token for `positions`; of several in one partition the furthest counts.
pub(crate) fn encode(mut positions: Vec<Position>) -> String {
    positions.sort_unstable_by(|a, b| (&a.stream, a.partition, b.next).cmp(&(&b.stream, b.partition, a.next)));
    positions.dedup_by(|later, kept| (&later.stream, later.partition) == (&kept.stream, kept.partition));
    let rows: Vec<(&str, i32, i64)> = positions.iter().map(|at| (&*at.stream, at.partition, at.next)).collect();
    let mut bytes = vec![VERSION];
    coding().serialize_into(&mut bytes, &rows).expect("a few positions fit in the limit");
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

/// The positions a token stands for; `None` when it is not one of ours.
pub(crate) fn decode(token: &str) -> Option<Vec<Position>> {
    let digits = token.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(nibble(pair[0])? << 4 | nibble(pair[1])?).ok();
    let bytes: Vec<u8> = digits.chunks_exact(2).map(byte).collect::<Option<_>>()?;
    let (version, rows) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
    let rows: Vec<(String, i32, i64)> = coding().deserialize(rows).ok()?;
    if rows.is_empty() || rows.len() > POSITIONS_MAX {
        return None;
    }
    Some(
        rows.into_iter()
            .map(|(stream, partition, next)| Position { stream: stream.into(), partition, next, fingerprint: None })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stream: &str, partition: i32, next: i64) -> Position {
        Position { stream: stream.into(), partition, next, fingerprint: None }
    }

    #[test]
    fn there_and_back_keeping_the_furthest() {
        let token = encode(vec![at("views", 1, 7), at("views", 0, 3), at("views", 1, 9), at("b", 1, 1)]);
        assert_eq!(decode(&token).unwrap(), [at("b", 1, 1), at("views", 0, 3), at("views", 1, 9)]);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let token = encode(vec![at("views", 0, 3)]);
        assert!(decode(&token).is_some());
        for cut in 0..token.len() {
            assert!(decode(&token[..cut]).is_none(), "cut at {cut}");
        }
        assert!(decode(&format!("{token}00")).is_none(), "trailing bytes");
        assert!(decode(&format!("02{}", &token[2..])).is_none(), "another version");
        assert!(decode("zz").is_none());
        assert!(decode("ü").is_none());
        assert!(decode("0100").is_none(), "no positions");
        assert!(decode("01fdffffffffffffffff").is_none(), "a length beyond all bounds");
    }
}
