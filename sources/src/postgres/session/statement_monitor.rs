//! Monitors a statement during a long silence: a second session asks whether the server still works on it. While it does, the
//! wait continues, and the transactions that block the statement are reported.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::postgres::NAME;
use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::session::blockers::{self, SessionActivity};
use crate::postgres::session::connection::{ConnectFailure, Connection, Target};
use crate::postgres::session::hosts::HostAddress;
use crate::postgres::session::wait_limits::WaitLimits;

/// Time between two checks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Called at each check of a server that works, with the transactions that block it.
pub(crate) type BlockerReport = Arc<dyn Fn(Option<Diagnostic>) + Send + Sync>;

/// The monitor of one session.
#[derive(Clone)]
pub(crate) struct StatementMonitor {
    pub(crate) target: Target,
    /// The address of the silent server, and the process that serves the session there.
    pub(crate) place: HostAddress,
    pub(crate) pid: i32,
    /// The purpose of the statement, in words.
    pub(crate) doing: &'static str,
    pub(crate) tell: BlockerReport,
}

impl StatementMonitor {
    /// Starts to check, in a thread that ends with the silence.
    pub(crate) fn open(&self, limits: Arc<WaitLimits>) {
        let case = self.clone();
        let started = thread::Builder::new().name("postgres-look".into()).spawn(move || case.look(&limits));
        if let Err(error) = started {
            tracing::warn!(source = NAME, %error, "the thread that asks what a silent server does cannot be started");
        }
    }

    fn look(&self, limits: &WaitLimits) {
        let mut beside = None;
        loop {
            let until = Instant::now() + LOOK_EVERY;
            let Some(found) = self.ask(&mut beside, limits) else { return };
            if !limits.confirm_progress(|| (self.tell)(found)) {
                return;
            }
            thread::park_timeout(until.saturating_duration_since(Instant::now()));
        }
    }

    /// The transactions that block the statement while the server works on it; none if the server does not seem to work.
    fn ask(&self, beside: &mut Option<Connection>, limits: &WaitLimits) -> Option<Option<Diagnostic>> {
        let beside = match beside {
            Some(beside) => beside,
            None => match self.target.open_beside(&self.place, limits.stop()) {
                Ok(opened) => beside.insert(opened),
                // The server answers, but has no room for another session.
                Err(ConnectFailure::Driver(error)) => return error.as_db_error().map(|_| None),
                Err(_) => return None,
            },
        };
        match blockers::of(&mut **beside, self.pid, self.doing) {
            Ok(SessionActivity::Busy(found)) => Some(found),
            // The answer is lost, or the session has ended.
            Ok(SessionActivity::Gone | SessionActivity::Idle) | Err(_) => None,
        }
    }
}

impl Connection {
    /// A statement may now take this long, and the server may be silent while it works. The server's own limit is set
    /// elsewhere.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn allow(&mut self, statement_max: Duration) -> Result<(), postgres::Error> {
        self.allow_reporting(statement_max, "the statement", Arc::new(|_| ()))
    }

    /// The same; meanwhile `tell` is called at intervals with the transactions that block the statement.
    pub(crate) fn allow_reporting(
        &mut self,
        statement_max: Duration,
        doing: &'static str,
        tell: BlockerReport,
    ) -> Result<(), postgres::Error> {
        let pid = self.client.query_typed("SELECT pg_backend_pid()", &[])?.first().map_or(0, |row| row.get(0));
        let case = StatementMonitor { target: self.target.clone(), place: self.place.clone(), pid, doing, tell };
        self.limits.allow(statement_max, Box::new(move |limits| case.open(limits)));
        Ok(())
    }
}
