//! Clients that send requests without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use harness::http;

const CLIENTS: usize = 4;

/// Clients at work, each on a new connection for every request.
pub(crate) struct RequestLoad {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Vec<u16>>>,
}

impl RequestLoad {
    pub(crate) fn on(url: String) -> RequestLoad {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (url, stop, answered) = (url.clone(), stop.clone(), answered.clone());
            std::thread::spawn(move || {
                let mut statuses = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    // No connection any more: the server has gone.
                    let Ok(answer) = http::try_request("GET", &url, &[], b"") else { break };
                    statuses.push(answer.status);
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                statuses
            })
        };
        let clients = (0..CLIENTS).map(client).collect();
        RequestLoad { stop, answered, clients }
    }

    /// Answers so far.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Stops, and returns the statuses of all answers.
    pub(crate) fn stop(self) -> Vec<u16> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().expect("a client does not panic")).collect()
    }
}
