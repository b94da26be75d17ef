//! Product ids as JSON strings, kept ready by each serving thread.
//!
//! An answer names ten products. The dictionary, shared by all threads and as large as the catalogue, costs several
//! cache misses per name, which took a quarter of the time of an answer. Here a name that was written recently costs one
//! cache miss. A key keeps its id until the dictionary forgets the id; so the names are dropped whenever it has forgotten any.

use dataflow::dictionary::Dictionary;
use dataflow::ids::ProductKey;

use super::json::{comma, string};

/// How many names a thread keeps at first and at most. Each takes a cache line, so that is 32 KiB to 8 MiB. The cache
/// grows fourfold; both numbers are powers of two.
const PLACES_MIN: usize = 1 << 9;
const PLACES_MAX: usize = 1 << 17;

/// The longest name, with its quotes, that fits beside its key in one cache line; longer names are not kept.
const TEXT_MAX: usize = 55;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct NameSlot {
    key: ProductKey,
    /// 0 while the entry is free.
    len: u8,
    text: [u8; TEXT_MAX],
}

impl NameSlot {
    fn holds(&self, key: ProductKey) -> bool {
        self.key == key && self.len > 0
    }

    fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }
}

/// A thread's names: pairs of places, each key belonging to one pair, where the latest displaces the one before last.
pub(crate) struct NameCache {
    places: Vec<NameSlot>,
    /// Names displaced since the last growth.
    displaced: usize,
    /// How many names the dictionary had forgotten when the first of these was written.
    forgotten: u64,
}

impl Default for NameCache {
    fn default() -> Self {
        NameCache { places: free(PLACES_MIN), displaced: 0, forgotten: 0 }
    }
}

fn free(places: usize) -> Vec<NameSlot> {
    vec![NameSlot { key: ProductKey::default(), len: 0, text: [0; TEXT_MAX] }; places]
}

impl NameCache {
    /// Writes one item per row: `open`, the name of the row's product, and what `close` adds. A row whose product has no
    /// name is passed over.
    pub(crate) fn list<R>(
        &mut self,
        out: &mut Vec<u8>,
        dictionary: &Dictionary,
        rows: &[R],
        product: impl Fn(&R) -> ProductKey,
        open: &[u8],
        mut close: impl FnMut(&mut Vec<u8>, usize, &R),
    ) {
        let forgotten = dictionary.products_forgotten();
        if forgotten != self.forgotten {
            (self.places, self.displaced, self.forgotten) = (free(PLACES_MIN), 0, forgotten);
        }
        // All entries are read before the first is used, so that the processor waits for all of them at once.
        let missing = rows.iter().fold(0, |missing, row| missing + usize::from(self.find(product(row)).is_none()));
        for (place, row) in rows.iter().enumerate() {
            let before = out.len();
            comma(out);
            out.extend_from_slice(open);
            let key = product(row);
            let known = match self.find(key) {
                Some(at) => {
                    out.extend_from_slice(self.places[at].text());
                    true
                }
                None => self.write_and_cache(out, dictionary, key),
            };
            if known {
                close(out, place, row);
            } else {
                out.truncate(before);
            }
        }
        if missing > 0 && self.displaced > self.places.len() && self.places.len() < PLACES_MAX {
            self.grow();
        }
    }

    /// The first of the two places for `key`.
    fn pair(&self, key: ProductKey) -> usize {
        // The number of pairs is a power of two, and a key is a hash: its low bits are as good as a remainder.
        let mask = self.places.len() as u64 / 2 - 1;
        usize::try_from(key.route() & mask).expect("a place's number is small") * 2
    }

    fn find(&self, key: ProductKey) -> Option<usize> {
        let at = self.pair(key);
        if self.places[at].holds(key) { Some(at) } else { self.places[at + 1].holds(key).then_some(at + 1) }
    }

    /// Writes the name as the dictionary has it, and keeps it; false, and nothing written, when it has none.
    fn write_and_cache(&mut self, out: &mut Vec<u8>, dictionary: &Dictionary, key: ProductKey) -> bool {
        let start = out.len();
        dictionary.product_names([key], |_, name| string(out, name));
        let text = &out[start..];
        if let (1..=TEXT_MAX, Ok(len)) = (text.len(), u8::try_from(text.len())) {
            let mut place = NameSlot { key, len, text: [0; TEXT_MAX] };
            place.text[..text.len()].copy_from_slice(text);
            self.keep(place);
        }
        !text.is_empty()
    }

    fn keep(&mut self, place: NameSlot) {
        let at = self.pair(place.key);
        self.displaced += usize::from(self.places[at + 1].len > 0);
        self.places[at + 1] = self.places[at];
        self.places[at] = place;
    }

    fn grow(&mut self) {
        let larger = free(self.places.len() * 4);
        let old = std::mem::replace(&mut self.places, larger);
        old.into_iter().filter(|place| place.len > 0).for_each(|place| self.keep(place));
        self.displaced = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::ids::Ids;

    #[test]
    fn names_are_the_dictionary_s_however_many_there_are() {
        let dictionary = Dictionary::new(Ids::new([7; 16]));
        let ids: Vec<String> = (0..6 * PLACES_MIN).map(|n| format!("{}\"{n}", "x".repeat(n % 70))).collect();
        let keys: Vec<ProductKey> = ids.iter().map(|id| dictionary.product(id).unwrap()).collect();
        let mut names = NameCache::default();
        for round in 0..9 {
            for (id, key) in ids.iter().zip(&keys) {
                let mut out = vec![b'['];
                names.list(&mut out, &dictionary, &[*key, *key], |key| *key, b"", |out, _, _| out.push(b' '));
                out.push(b']');
                assert_eq!(serde_json::from_slice::<[String; 2]>(&out).unwrap(), [&**id, &**id], "round {round}");
            }
        }
        assert!((PLACES_MIN + 1..=PLACES_MAX).contains(&names.places.len()), "it has grown, and within bounds");
        let unnamed = Dictionary::new(Ids::new([8; 16])).product("elsewhere").unwrap();
        let mut out = vec![b'['];
        names.list(&mut out, &dictionary, &[unnamed, keys[0]], |key| *key, b"", |_, _, _| {});
        assert_eq!(out, b"[\"\\\"0\"");
    }
}
