//! The load generator, which is the same for the product and for the bare hyper that it is compared with.
//!
//! [`saturate()`] keeps a number of connections busy from one thread and counts the answers; [`pace()`] sends requests
//! at a steady rate and times each answer from the moment its request was due.

mod answers;
mod pace;
mod saturate;

use std::sync::Arc;

pub(crate) use answers::Connection;
pub(crate) use pace::pace;
pub(crate) use saturate::saturate;

/// Requests to choose from, each as it goes over the wire.
#[derive(Clone)]
pub(crate) struct Requests {
    texts: Arc<[Box<[u8]>]>,
}

impl Requests {
    /// A GET of each path.
    pub(crate) fn gets(paths: impl Iterator<Item = String>) -> Requests {
        Requests::gets_with(paths, "")
    }

    /// A GET of each path with further header fields, each of which ends its line.
    pub(crate) fn gets_with(paths: impl Iterator<Item = String>, fields: &str) -> Requests {
        let text = |path: String| format!("GET {path} HTTP/1.1\r\nhost: vitrine\r\n{fields}\r\n").into_bytes().into();
        Requests { texts: paths.map(text).collect() }
    }

    /// A POST of each body, which is JSON, to this path.
    pub(crate) fn posts(path: &str, bodies: impl Iterator<Item = String>) -> Requests {
        let text = |body: String| {
            let length = body.len();
            format!(
                "POST {path} HTTP/1.1\r\nhost: vitrine\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .into_bytes()
            .into()
        };
        Requests { texts: bodies.map(text).collect() }
    }

    /// The request with that number, starting again from the first after the last.
    fn get(&self, number: usize) -> &[u8] {
        &self.texts[number % self.texts.len()]
    }
}
