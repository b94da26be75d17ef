//! A key as its owner has it: `vt_<id>_<secret>`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use settings::Secret;
use sha2::{Digest, Sha256};

use super::KeyId;

const PREFIX: &[u8] = b"vt_";

/// Where the id ends: at an underscore.
const ID_END: usize = PREFIX.len() + 8;

/// The bytes of every key. With SHA-256's own padding this is one block, so a digest costs least.
const BYTES: usize = ID_END + 1 + 43;

/// A new key. Its text is shown once, to its owner, and kept nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token(Secret);

impl Token {
    /// The key of this id whose secret part is 256 random bits.
    #[must_use]
    pub fn new(id: KeyId, secret: &[u8; 32]) -> Token {
        Token(Secret::new(format!("vt_{id}_{}", BASE64_URL_SAFE_NO_PAD.encode(secret))))
    }

    /// The key itself, for its owner.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// The SHA-256 of the whole key.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        digest(self.expose().as_bytes())
    }
}

/// The SHA-256 of a key.
pub(super) fn digest(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The id in a key as a request presents it; none if it has not the form of a key.
pub(super) fn id(key: &[u8]) -> Option<KeyId> {
    let has_form = key.len() == BYTES && key.starts_with(PREFIX) && key[ID_END] == b'_';
    has_form.then(|| KeyId::read(&key[PREFIX.len()..ID_END])).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_form_and_is_hidden() {
        let token = Token::new(KeyId(0x1a2b), &[255; 32]);
        assert_eq!(token.expose(), "vt_00001a2b___________________________________________8");
        assert_eq!(id(token.expose().as_bytes()), Some(KeyId(0x1a2b)));
        assert!(!format!("{token:?}").contains("1a2b"));
        for wrong in ["", "vt_", "vt_00001A2B___________________________________________8", &token.expose()[1..]] {
            assert_eq!(id(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(id(&[b"vt_00001a2b".as_slice(), &[b'-'; 44]].concat()), None);
    }
}
