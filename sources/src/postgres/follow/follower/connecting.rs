//! From a new connection to the log: the server is recognised, the slot is judged, and where the log does not lead on from
//! the rows held, the tables are read again.

use dataflow::time::Millis;

use super::{Examined, FollowStep, Follower, SessionState};
use crate::postgres::NAME;
use crate::postgres::context::CHECK_AGAIN;
use crate::postgres::follow::resume::{ResumeDecision, ServerFindings, ServerOrigin, SyncedAt};
use crate::postgres::follow::slot::Slot;
use crate::postgres::handover::{FeedBatch, ReadingInfo};
use crate::postgres::names::SourceTable;
use crate::postgres::rows::table_cache::ChangeSet;
use crate::postgres::schema::schema_check::{self, SchemaCheck};
use crate::postgres::session::error::Error;
use crate::postgres::session::lsn::Lsn;
use crate::postgres::session::replication::ServerIdentity;

impl Follower {
    pub(crate) fn connected(&mut self, examined: Examined) -> Result<(), Error> {
        let Examined { mut check, refused } = examined;
        self.leave_out_missed_lines(&mut check);
        self.steps.clear();
        self.stream = None;
        if self.resume.held.is_none() && !check.findings.is_empty() {
            return Err(Error::Layout(check.all().into_iter().chain(refused).collect()));
        }
        self.recognise(&check);
        self.session = SessionState { check: Some(check), ..SessionState::default() };
        self.steps.push_back(FollowStep::CheckSlot);
        Ok(())
    }

    /// While lines were passed over, they can be read only with their orders.
    pub(crate) fn leave_out_missed_lines(&self, check: &mut SchemaCheck) {
        if self.resume.has_missed(SourceTable::OrderItems) {
            check.leave_out_lines(&self.settings.tables);
        }
    }

    /// Whether the tables are those that the rows held came from.
    fn recognise(&mut self, check: &SchemaCheck) {
        for which in SourceTable::ALL {
            let Some(identity) = check.identity(which) else { continue };
            let now = identity.fingerprint();
            match self.definitions.0[which as usize].replace(now) {
                Some(before) if before == now => {}
                Some(_) => self.spoil(schema_check::another(self.settings.tables.name(which))),
                // A checkpoint of a version that wrote ids otherwise has none.
                None if self.resume.held.is_some() => {
                    let table = self.settings.tables.name(which);
                    self.spoil(format!("it is not known what table {table} was when it was read"));
                }
                None => {}
            }
        }
    }

    pub(crate) fn slot_checked(&mut self, slot: Slot) {
        let known = if let Slot::At(confirmed) = slot { confirmed } else { Lsn(0) };
        let confirmed = self.resume.confirmed(self.kept(), known);
        self.session.slot = Some(slot);
        self.session.floor = confirmed;
        self.steps.push_back(FollowStep::OpenSession { from: self.resume.place(), confirmed });
    }

    pub(crate) fn identified(&mut self, server: ServerIdentity, adopted: bool) -> Result<(), Error> {
        let origin = self.resume.origin(&server, adopted && !self.session.has_read);
        self.session.server = Some(server);
        if self.session.has_read {
            if origin != ServerOrigin::Same {
                return Err(Error::Resync("another server answers than the one whose tables were read".to_owned()));
            }
            self.steps.push_back(FollowStep::Stream);
            return Ok(());
        }
        match origin {
            ServerOrigin::Same => {}
            ServerOrigin::Successor(reason) => self.spoil(reason),
            ServerOrigin::Unknown(held) => return Err(stranger(&self.place, &server, held)),
        }
        self.steps.push_back(FollowStep::CheckPublication);
        Ok(())
    }

    pub(crate) fn publication_checked(&mut self, needed: Option<String>) -> Result<(), Error> {
        let (Some(check), Some(server), Some(slot)) =
            (&self.session.check, self.session.server, self.session.slot.take())
        else {
            return Err(out_of_order());
        };
        let reason = match self.resume.decide(&ServerFindings {
            slot: (&slot, &self.settings.slot),
            end: server.end,
            altered: needed.is_some(),
            broken: check.all_broken(),
        }) {
            ResumeDecision::GoOn => {
                self.steps.push_back(FollowStep::Stream);
                return Ok(());
            }
            ResumeDecision::Wait(finding) => return Err(Error::Busy(finding)),
            ResumeDecision::Mend(finding) => return Err(Error::Layout(vec![finding])),
            ResumeDecision::Resync(reason) => reason,
        };
        self.session.reason.clone_from(&reason);
        self.spoil(reason);
        self.steps.push_back(FollowStep::Prepare { slot, publication: needed });
        Ok(())
    }

    pub(crate) fn prepared(&mut self) -> Result<(), Error> {
        let Some(check) = &mut self.session.check else { return Err(out_of_order()) };
        check.leave_out_lines(&self.settings.tables);
        let without = check.all_broken();
        if without == [true; 3] {
            return Err(Error::Layout(check.all()));
        }
        let key = check.identity(SourceTable::OrderItems).map(|identity| identity.key.clone()).unwrap_or_default();
        self.steps.push_back(FollowStep::ReadTables { key, without });
        Ok(())
    }

    pub(crate) fn tables_read(&mut self, place: Lsn, change: ChangeSet, as_of: Millis) -> Result<(), Error> {
        let (Some(check), Some(server)) = (&self.session.check, self.session.server) else {
            return Err(out_of_order());
        };
        let broken = check.all_broken();
        if let Some(held) = self.resume.held {
            let (from, to, reason) = (held.place, place, &self.session.reason);
            tracing::warn!(
                source = NAME, %from, %to, reason,
                "the log does not tell the changes in this range: the tables were read, what differs shows in one tick"
            );
        }
        let held = self.resume.read(place, &server);
        self.swept = as_of;
        let reading = Some(ReadingInfo { spoils: self.progress.spoils(), definitions: self.definitions });
        for which in SourceTable::ALL.into_iter().filter(|which| broken[*which as usize]) {
            self.miss(which);
        }
        (self.session.floor, self.session.has_read) = (place, true);
        let fingerprint = Some(held.fingerprint());
        self.steps.push_back(FollowStep::Feed(FeedBatch {
            change,
            next: place.0,
            fingerprint,
            reached: None,
            reading,
        }));
        self.steps.push_back(FollowStep::OpenSession { from: place, confirmed: place });
        Ok(())
    }
}

/// An event came that nothing has asked for.
pub(crate) fn out_of_order() -> Error {
    Error::Protocol("an answer to a question that was not asked".to_owned())
}

/// No person has adopted this server.
fn stranger(place: &str, server: &ServerIdentity, held: SyncedAt) -> Error {
    let system = server.system;
    Error::OtherServer(format!(
        "this is another server than the rows came from, or an earlier copy of it: system {system}, timeline {} here, \
         system {}, timeline {} there. If it is to take that server's place (a restore, pg_upgrade), confirm it: run \
         vitrine postgres adopt, or set [postgres] adopt = \"{system}\"; the tables are then read anew as a difference, \
         histories and checkpoints stay. If not, set [postgres] url to that server ({place} is not). It is looked at again \
         every {} s",
        server.timeline,
        held.system,
        held.timeline,
        CHECK_AGAIN.as_secs()
    ))
}
