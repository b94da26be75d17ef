//! Creates a slot. The server waits for the end of all open transactions; meanwhile the source's state names them. When the
//! creation is given up, its session is ended on the server too, and with it the incomplete slot.

use std::time::{Duration, Instant};

use dataflow::source_status::State;

use crate::postgres::NAME;
use crate::postgres::context::ReaderContext;
use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::session::blockers::{self, SessionActivity};
use crate::postgres::session::connection::Connection;
use crate::postgres::session::error::Error;
use crate::postgres::session::error_text::error_text;
use crate::postgres::session::lsn::Lsn;
use crate::postgres::session::replication::ReplicationSession;
use crate::side_thread::Stop;

/// How often the blocking transactions are read.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the end of the session on the server may take.
const PARTING_MAX: Duration = Duration::from_secs(2);

/// Creates the slot in this session; returns its place and the name of the snapshot.
pub(crate) fn make(
    context: &ReaderContext,
    client: &mut Connection,
    session: &mut ReplicationSession,
    stop: &Stop,
) -> Result<(Lsn, String), Error> {
    let signal = stop.signal();
    let pid = session.is_beside(client, &signal)?;
    let mut watch = SlotCreationWatch { context, pid, named: None, lost_since: None };
    let made = session.make_slot(&context.settings.slot, LOOK_EVERY, &signal, || watch.look(client));
    if made.is_err() {
        client.part(PARTING_MAX);
        if let Err(error) = blockers::end(&mut **client, pid) {
            tracing::debug!(source = NAME, reason = error_text(&error), "the session is not ended by hand");
        }
    } else if watch.named.is_some() {
        context.status.state(0, State::CatchingUp);
    }
    made
}

/// Watches the session from a second one.
struct SlotCreationWatch<'a> {
    context: &'a ReaderContext,
    pid: i32,
    /// The last finding that was logged, without its ages.
    named: Option<String>,
    /// Since when the server reports the session as ended or answered.
    lost_since: Option<Instant>,
}

impl SlotCreationWatch<'_> {
    fn look(&mut self, client: &mut Connection) -> Result<(), Error> {
        // This query proves that the server is alive.
        self.context.liveness.ask();
        let doing = format!("the making of the replication slot {}", self.context.settings.slot);
        match blockers::of(&mut **client, self.pid, &doing)? {
            SessionActivity::Busy(found) => {
                self.lost_since = None;
                if let Some(finding) = found {
                    self.name(&finding);
                }
                Ok(())
            }
            // The answer may be under way.
            SessionActivity::Gone | SessionActivity::Idle => {
                let since = self.lost_since.get_or_insert_with(Instant::now);
                let limit = self.context.settings.answer_max;
                if since.elapsed() >= limit { Err(Error::NoAnswer(limit)) } else { Ok(()) }
            }
        }
    }

    fn name(&mut self, finding: &Diagnostic) {
        let text = format!("PostgreSQL at {}: {finding}", self.context.target.place());
        if self.named.as_ref() != Some(&finding.mend) {
            tracing::warn!(source = NAME, reason = text, "the server does not make the slot yet");
            self.named = Some(finding.mend.clone());
        }
        self.context.status.state(0, State::Retrying(text));
    }
}
