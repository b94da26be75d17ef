//! Ids of answers: 128 bits that nobody can guess, as 22 characters that fit into a URL.

use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// The id of one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerId([u8; 22]);

impl AnswerId {
    /// The id as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base64 is ASCII")
    }
}

/// Makes the ids of one thread's answers: two keyed hashes of a counter. The keys come from the operating system's random
/// numbers, so that ids of all threads and processes differ.
#[derive(Default)]
pub(crate) struct AnswerIds {
    keys: [RandomState; 2],
    next: u64,
}

impl AnswerIds {
    /// The id of the next answer.
    pub(crate) fn next(&mut self) -> AnswerId {
        self.next += 1;
        let mut bits = [0; 16];
        for (half, key) in bits.chunks_exact_mut(8).zip(&self.keys) {
            half.copy_from_slice(&key.hash_one(self.next).to_le_bytes());
        }
        let mut text = [0; 22];
        BASE64_URL_SAFE_NO_PAD.encode_slice(bits, &mut text).expect("16 bytes make 22 characters");
        AnswerId(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_answer_of_every_thread_has_an_id_of_its_own() {
        let ids = || {
            let mut ids = AnswerIds::default();
            (0..1000).map(|_| ids.next().text().to_owned()).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(ids)).collect();
        let mut all: HashSet<String> = ids().into_iter().collect();
        all.extend(threads.into_iter().flat_map(|thread| thread.join().unwrap()));
        assert_eq!(all.len(), 4000);
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(all.iter().all(|id| id.len() == 22 && id.bytes().all(is_allowed)));
    }
}
