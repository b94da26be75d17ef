//! The modes of TLS, and what each of them asks of a connection.

use std::fmt;

/// `sslmode`, from the weakest to the strongest. Source: the documentation of libpq, "SSL Support".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS only if the server refuses a connection without it.
    Allow,
    /// TLS if the server speaks it. The default.
    Prefer,
    /// TLS, with any certificate if no root certificate is given.
    Require,
    /// TLS, and the certificate leads to a root certificate.
    VerifyCa,
    /// The same, and the certificate is for the host.
    VerifyFull,
}

const WORDS: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

/// What one attempt to connect asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// No TLS.
    Plain,
    /// TLS if the server speaks it.
    TlsIfSpoken,
    /// TLS.
    Tls,
}

impl SslMode {
    /// The mode of this word, if it is one.
    #[must_use]
    pub fn of(word: &str) -> Option<SslMode> {
        WORDS.into_iter().find_map(|(known, mode)| (known == word).then_some(mode))
    }

    /// The attempts to make, one after the other.
    #[must_use]
    pub fn attempts(self) -> &'static [Demand] {
        match self {
            SslMode::Disable => &[Demand::Plain],
            SslMode::Allow => &[Demand::Plain, Demand::Tls],
            SslMode::Prefer => &[Demand::TlsIfSpoken, Demand::Plain],
            SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => &[Demand::Tls],
        }
    }

    /// Whether the certificate must lead to a root certificate, so that one must be given.
    #[must_use]
    pub fn verifies(self) -> bool {
        self >= SslMode::VerifyCa
    }
}

impl fmt::Display for SslMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = WORDS.iter().find_map(|(word, mode)| (mode == self).then_some(*word));
        f.write_str(word.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_require_on_no_attempt_is_without_tls() {
        for (word, mode) in WORDS {
            assert_eq!((SslMode::of(word), mode.to_string()), (Some(mode), word.to_owned()));
            let may_be_plain = mode.attempts().iter().any(|demand| *demand != Demand::Tls);
            assert_eq!(may_be_plain, mode < SslMode::Require, "{word}");
        }
        assert_eq!(SslMode::of("verify_full"), None);
    }
}
