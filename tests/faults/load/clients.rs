//! Clients over HTTP that post views and remove products from histories, and remember the acknowledged writes.

use std::sync::{Arc, Mutex};

use harness::{Dice, http};
use serde_json::Value;

use super::{Acknowledged, Work, product, user, view};
use crate::running_program::Launcher;

const POSTED_MAX: usize = 3;

/// One client.
pub(super) struct Client {
    start: Launcher,
    rng: Dice,
    acknowledged: Arc<Mutex<Acknowledged>>,
    name: String,
    posted: usize,
}

impl Client {
    pub(super) fn new(start: Launcher, rng: Dice, acknowledged: Arc<Mutex<Acknowledged>>, name: String) -> Client {
        Client { start, rng, acknowledged, name, posted: 0 }
    }

    fn post(&mut self) {
        let mut messages = Vec::new();
        let mut events = Vec::new();
        for _ in 0..=self.rng.below(POSTED_MAX) {
            self.posted += 1;
            let message = format!("{}-{}", self.name, self.posted);
            events.push(view(&user(self.number()), &product(self.number()), &message));
            messages.push(message);
        }
        let body = Value::from(events).to_string();
        let json = [("content-type", "application/json")];
        // Without an answer nothing is known.
        let Ok(answer) = http::try_request("POST", &self.start.url("/v1/events"), &json, body.as_bytes()) else {
            return;
        };
        let mut acknowledged = self.acknowledged.lock().expect("no holder of this lock panics");
        match answer.status {
            202 => acknowledged.posts.extend(messages),
            503 => {}
            status => acknowledged.wrong.push(format!("a POST was answered {status}: {}", answer.text())),
        }
    }

    fn remove(&mut self) {
        let user = user(self.number());
        let Ok(answer) = self.start.get(&format!("/v1/users/{user}/history")) else { return };
        let history: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let products = history["products"].as_array().map(Vec::as_slice).unwrap_or_default();
        if products.is_empty() {
            return;
        }
        let product = self.rng.pick(products).as_str().unwrap_or_default().to_owned();
        let url = self.start.url(&format!("/v1/users/{user}/history/{product}"));
        let Ok(answer) = http::try_request("DELETE", &url, &[], b"") else { return };
        let mut acknowledged = self.acknowledged.lock().expect("no holder of this lock panics");
        match answer.status {
            204 => *acknowledged.removals.entry((user, product)).or_default() += 1,
            // Removed by another client in between, or pushed out.
            404 | 503 => {}
            status => acknowledged.wrong.push(format!("a DELETE was answered {status}: {}", answer.text())),
        }
    }

    fn number(&mut self) -> usize {
        self.rng.below(1_000_000)
    }
}

impl Work for Client {
    fn once(&mut self) {
        if self.rng.below(3) == 0 { self.remove() } else { self.post() }
    }
}
