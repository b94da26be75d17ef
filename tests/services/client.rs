//! A client of one running server.

use harness::http::{self, Answer};

/// Asks the server at one URL.
pub(crate) struct Client {
    base: String,
}

impl Client {
    pub(crate) fn new(base: &str) -> Client {
        Client { base: base.to_owned() }
    }

    /// The server's address: host and port.
    pub(crate) fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        http::get(&self.url(path))
    }

    /// The products of a list.
    #[track_caller]
    pub(crate) fn products(&self, path: &str) -> Vec<String> {
        products(path, &self.get(path))
    }

    /// The time of the last complete checkpoint that this process knows, in milliseconds.
    pub(crate) fn checkpoint_ms(&self) -> Option<u64> {
        let status = http::try_request("GET", &self.url("/v1/status"), &[], b"").ok()?;
        status.json()["checkpoint"]["as_of_ms"].as_u64()
    }

    /// Whether it is ready, and shows a state that is newer than this time.
    pub(crate) fn is_ready(&self, after_ms: u64) -> bool {
        let ask = |path| http::try_request("GET", &self.url(path), &[], b"").ok().filter(|answer| answer.status == 200);
        let as_of_ms = || ask("/v1/status")?.json()["as_of_ms"].as_u64();
        ask("/readyz").is_some() && as_of_ms().is_some_and(|as_of_ms| as_of_ms > after_ms)
    }
}

/// The products of an answer.
#[track_caller]
pub(crate) fn products(path: &str, answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let answer = answer.json();
    let products = answer["products"].as_array().unwrap_or_else(|| panic!("no products: {answer}"));
    products.iter().map(|product| product.as_str().expect("an id is text").to_owned()).collect()
}
