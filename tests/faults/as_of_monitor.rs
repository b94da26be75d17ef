//! A client that sends requests all the time: the `as_of` of a kind of list must never go back, even after the program
//! was killed and restarted.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::load::user;
use crate::running_program::Launcher;

/// From one question to the next.
const EVERY: Duration = Duration::from_millis(3);

/// The client at work; ended when dropped.
pub(crate) struct AsOfMonitor {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    seen: Arc<Mutex<Observed>>,
}

/// What it saw.
#[derive(Default)]
struct Observed {
    /// By kind of list: those of a source that is away are older than others.
    as_of: [String; 2],
    answers: u64,
    wrong: Vec<String>,
}

impl AsOfMonitor {
    pub(crate) fn start(start: &Launcher) -> AsOfMonitor {
        let (stop, stopped) = channel();
        let seen = Arc::new(Mutex::new(Observed::default()));
        let (asked, found) = (start.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            let mut number = 0;
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                number += 1;
                // Users of all workers, and lists that every worker has a part in.
                let path = match number % 2 {
                    0 => "/v1/bestsellers?limit=1".to_owned(),
                    _ => format!("/v1/users/{}/history", user(number)),
                };
                // Nobody answers there for a while after a kill.
                let Ok(answer) = asked.get(&path) else { continue };
                let mut seen = found.lock().expect("no holder of this lock panics");
                match answer.status {
                    200 => seen.take(&path, serde_json::from_slice(&answer.body).unwrap_or_default()),
                    503 => {}
                    status => seen.wrong.push(format!("{path} answered {status}: {}", answer.text())),
                }
            }
        });
        AsOfMonitor { stop: Some(stop), thread: Some(thread), seen }
    }

    /// What was wrong since the last call, and how many answers there have been.
    pub(crate) fn take_wrong(&self) -> (Vec<String>, u64) {
        let mut seen = self.seen.lock().expect("no holder of this lock panics");
        (std::mem::take(&mut seen.wrong), seen.answers)
    }
}

impl Observed {
    fn take(&mut self, path: &str, answer: Value) {
        self.answers += 1;
        // Always of the same form, so that the order of the texts is that of the times.
        let as_of = answer["as_of"].as_str().unwrap_or_default();
        let before = &mut self.as_of[usize::from(path.ends_with("/history"))];
        if as_of.is_empty() || as_of < before.as_str() {
            self.wrong.push(format!("as_of went back from {before} to {as_of} at {path}"));
        }
        *before = as_of.to_owned();
    }
}

impl Drop for AsOfMonitor {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It panics only after a panic of ours.
            let _ = thread.join();
        }
    }
}
