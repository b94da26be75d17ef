//! Beside a statement that is silent for long: another session asks whether the server is still at work on it. As long as
//! it is, the statement is waited for; whom it waits for is told, so that a person can act.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::NAME;
use super::blockers::{self, Activity};
use super::connection::{Connection, Target};
use super::diagnostic::Diagnostic;
use super::guard::Patience;
use super::places::Place;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Is told at each look that the server is at work, and whom it waits for, if it does.
pub(super) type Tell = Arc<dyn Fn(Option<Diagnostic>) + Send + Sync>;

/// What a witness needs to know.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) target: Target,
    /// Where the silent server is, and the process that serves the session there.
    pub(super) place: Place,
    pub(super) pid: i32,
    /// What the session is there for.
    pub(super) doing: &'static str,
    pub(super) tell: Tell,
}

impl Case {
    /// Starts to look, in a thread of its own that ends with the silence.
    pub(super) fn open(&self, patience: Arc<Patience>) {
        let case = self.clone();
        let started = thread::Builder::new().name("postgres-look".into()).spawn(move || case.look(&patience));
        if let Err(error) = started {
            tracing::warn!(source = NAME, %error, "no thread to look at a silent server");
        }
    }

    fn look(&self, patience: &Patience) {
        let mut beside = None;
        loop {
            let until = Instant::now() + LOOK_EVERY;
            let Some(found) = self.ask(&mut beside, patience) else { return };
            if !patience.vouch(|| (self.tell)(found)) {
                return;
            }
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Whom the server waits for while it is at work; none where it is not, as far as anybody can see.
    fn ask(&self, beside: &mut Option<Connection>, patience: &Patience) -> Option<Option<Diagnostic>> {
        let beside = match beside {
            Some(beside) => beside,
            None => match self.target.open_beside(&self.place, patience.stop()) {
                Ok(opened) => beside.insert(opened),
                // It has no room for another session, but words.
                Err(error) => return error.as_db_error().map(|_| None),
            },
        };
        match blockers::of(&mut **beside, self.pid, self.doing) {
            Ok(Activity::Busy(found)) => Some(found),
            // It has answered, and the answer is lost; or there is nobody who could.
            Ok(Activity::Gone | Activity::Idle) | Err(_) => None,
        }
    }
}
