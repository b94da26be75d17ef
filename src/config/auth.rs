//! `[auth]`: the keys of the API.

use std::net::SocketAddr;
use std::path::PathBuf;

use settings::{Kind, Value, whole};

/// `auth.required`.
const REQUIRED: Kind =
    Kind::Scalar { allowed: "\"auto\", true or false", takes: |text| ["auto", "true", "false"].contains(&text) };

settings::section! {
    /// Keys of the API: see docs/security.md. `vitrine key` makes, lists and revokes them.
    pub struct Auth in "auth" {
        /// File with the keys. It is read again within a second when it has changed. "": there are no keys.
        keys: Option<PathBuf> = "", "file", Kind::Path { empty: true };
        /// Whether requests need a key. "auto": unless the server listens on loopback and no file with keys is named. With
        /// false, everyone who can reach the port may do everything.
        required as "required": Option<bool> = "auto", "word", REQUIRED => required;
        /// Requests per second of a key that has no rate of its own. 0: no limit. Each process of a cluster counts for
        /// itself.
        requests_per_s: u64 = 0, "requests", whole(0, 1_000_000);
        /// Requests of such a key at once after a pause.
        burst: u64 = 100, "requests", whole(1, 1_000_000);
    }
}

fn required(word: &Value) -> Option<bool> {
    word.text().parse().ok()
}

impl Auth {
    /// Whether requests to a server that listens on `listen` need a key.
    #[must_use]
    pub fn needs_keys(&self, listen: SocketAddr) -> bool {
        self.required.unwrap_or(self.keys.is_some() || !listen.ip().to_canonical().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_needed_beyond_loopback_unless_it_is_spelled_out() {
        let auth = |keys: Option<&str>, required| Auth { keys: keys.map(Into::into), required, ..Auth::default() };
        let needs = |auth: &Auth, listen: &str| auth.needs_keys(listen.parse().unwrap());
        let none = auth(None, None);
        for loopback in ["127.0.0.1:80", "127.8.8.8:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(!needs(&none, loopback), "{loopback}");
            assert!(needs(&auth(Some("keys"), None), loopback) && needs(&auth(None, Some(true)), loopback));
        }
        for other in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80"] {
            assert!(needs(&none, other) && !needs(&auth(Some("keys"), Some(false)), other), "{other}");
        }
    }
}
