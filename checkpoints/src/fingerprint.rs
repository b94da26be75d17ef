//! The fingerprint by which a checkpoint recognises the id key without storing it.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use siphasher::sip::SipHasher24;

/// The text that is hashed under the key; it never changes.
const TEXT: &[u8] = b"vitrine: the key of the ids";

/// A number that distinguishes id keys and reveals nothing about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of `[dataflow] id_key`.
    #[must_use]
    pub fn of(id_key: &[u8; 16]) -> Self {
        let mut hasher = SipHasher24::new_with_key(id_key);
        hasher.write(TEXT);
        Fingerprint(hasher.finish())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Fingerprint)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_in_every_release() {
        assert_eq!(Fingerprint::of(&[7; 16]).to_string(), "6e7dafb07f7a6268");
        assert_eq!("6e7dafb07f7a6268".parse(), Ok(Fingerprint::of(&[7; 16])));
        assert_ne!(Fingerprint::of(&[7; 16]), Fingerprint::of(&[8; 16]));
    }
}
