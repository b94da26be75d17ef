//! The token in the answer to a write: the positions that cover the write, opaque to clients.
//!
//! `base64url(version byte, bincode of [(stream, partition, next)])`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bincode::Options;
use dataflow::feed::Position;

const VERSION: u8 = 1;

/// More partitions than one request can have written to.
const POSITIONS_MAX: usize = 1024;

fn coding() -> impl Options {
    bincode::DefaultOptions::new().with_limit(64 << 10)
}

/// The token for `positions`. Of several positions in one partition the furthest counts.
pub(crate) fn encode(mut positions: Vec<Position>) -> String {
    positions.sort_unstable_by(|a, b| (&a.stream, a.partition, b.next).cmp(&(&b.stream, b.partition, a.next)));
    positions.dedup_by(|later, kept| (&later.stream, later.partition) == (&kept.stream, kept.partition));
    let rows: Vec<(&str, i32, i64)> = positions.iter().map(|at| (&*at.stream, at.partition, at.next)).collect();
    let mut bytes = vec![VERSION];
    coding().serialize_into(&mut bytes, &rows).expect("a few positions fit in the limit");
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The positions of a token; `None` when `encode` did not make it.
pub(crate) fn decode(token: &str) -> Option<Vec<Position>> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    let (version, rows) = bytes.split_first()?;
    if *version != VERSION {
        return None;
    }
    let rows: Vec<(String, i32, i64)> = coding().deserialize(rows).ok()?;
    if rows.is_empty() || rows.len() > POSITIONS_MAX {
        return None;
    }
    let position = |(stream, partition, next): (String, i32, i64)| Position::new(stream, partition, next);
    Some(rows.into_iter().map(position).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(stream: &str, partition: i32, next: i64) -> Position {
        Position::new(stream, partition, next)
    }

    #[test]
    fn there_and_back_keeping_the_furthest() {
        let token = encode(vec![at("views", 1, 7), at("views", 0, 3), at("views", 1, 9), at("b", 1, 1)]);
        assert_eq!(decode(&token).unwrap(), [at("b", 1, 1), at("views", 0, 3), at("views", 1, 9)]);
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "fit for a query");
    }

    #[test]
    fn the_tokens_in_the_documents_are_tokens() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let documents = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let documents = documents.filter(|path| path.extension().is_some_and(|end| end == "md"));
        let mut tokens = 0;
        for path in documents.chain([root.join("README.md")]) {
            let text = std::fs::read_to_string(&path).unwrap();
            for before in ["\"token\":\"", "?after=", "&after=", "vitrine-token: "] {
                for (at, _) in text.match_indices(before) {
                    let rest = &text[at + before.len()..];
                    let is_of_token = |sign: char| sign.is_ascii_alphanumeric() || "-_".contains(sign);
                    let token = &rest[..rest.find(|sign| !is_of_token(sign)).unwrap_or(rest.len())];
                    assert!(decode(token).is_some(), "{}: {before}{token}", path.display());
                    tokens += 1;
                }
            }
        }
        assert!(tokens >= 6, "{tokens}");
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let token = encode(vec![at("views", 0, 3)]);
        let changed = |change: fn(&mut Vec<u8>)| {
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
            change(&mut bytes);
            decode(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
        };
        assert!(changed(|_| {}).is_some());
        for cut in 0..token.len() {
            assert!(decode(&token[..cut]).is_none(), "cut at {cut}");
        }
        assert!(changed(|bytes| bytes.push(0)).is_none(), "trailing bytes");
        assert!(changed(|bytes| bytes[0] = 2).is_none(), "another version");
        assert!(changed(|bytes| *bytes = vec![1, 0]).is_none(), "no positions");
        assert!(changed(|bytes| *bytes = [&[1, 253][..], &[255; 8]].concat()).is_none(), "a length beyond all bounds");
        assert!(decode("zz").is_none());
        assert!(decode("ü").is_none());
        assert!(decode(&format!("{token}=")).is_none(), "padding");
    }
}
