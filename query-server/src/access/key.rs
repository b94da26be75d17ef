//! A key as the server knows it: its digest and what it allows.

use std::fmt;
use std::str::FromStr;

use super::Rate;
use crate::scope::ScopeSet;

/// The public part of a key, which names it in files, logs and commands: eight hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(pub u32);

impl fmt::Display for KeyId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:08x}", self.0)
    }
}

/// The text is not the id of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a key has eight hexadecimal digits in lower case")]
pub struct NoKeyId;

impl FromStr for KeyId {
    type Err = NoKeyId;

    fn from_str(text: &str) -> Result<Self, NoKeyId> {
        KeyId::read(text.as_bytes()).ok_or(NoKeyId)
    }
}

impl KeyId {
    /// The id with these digits. Every id has one form only, so upper case is none.
    pub(super) fn read(digits: &[u8]) -> Option<KeyId> {
        if digits.len() != 8 {
            return None;
        }
        let value = |digit: &u8| match digit {
            b'0'..=b'9' => Some(u32::from(digit - b'0')),
            b'a'..=b'f' => Some(u32::from(digit - b'a') + 10),
            _ => None,
        };
        digits.iter().try_fold(0, |id, digit| Some(id << 4 | value(digit)?)).map(KeyId)
    }
}

/// A key, without its secret part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// The public part.
    pub id: KeyId,
    /// The SHA-256 of the whole key: see [`Token::digest`](super::Token::digest).
    pub digest: [u8; 32],
    /// What it allows.
    pub scopes: ScopeSet,
    /// The origins of the browsers' pages that may use it, such as `https://shop.example`; empty: everyone may.
    pub origins: Vec<String>,
    /// How often it may be used; `None`: as often as the caller likes.
    pub rate: Option<Rate>,
}
