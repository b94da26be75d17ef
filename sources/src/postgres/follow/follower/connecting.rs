//! From a new connection to the log: the server is recognised, the slot is checked, and the tables are read again if the log
//! does not continue from the rows held.

use super::{Examined, Follower, LogServer, OpenedSession, TablesRead};
use crate::postgres::NAME;
use crate::postgres::context::CHECK_AGAIN;
use crate::postgres::follow::resume::{ResumeDecision, ServerFindings, ServerOrigin, SyncedAt};
use crate::postgres::follow::slot::Slot;
use crate::postgres::handover::{FeedBatch, ReadingInfo};
use crate::postgres::names::SourceTable;
use crate::postgres::schema::schema_check::{self, SchemaCheck};
use crate::postgres::session::error::Error;
use crate::postgres::session::lsn::Lsn;
use crate::postgres::session::replication::ServerIdentity;

impl Follower {
    /// Brings a new connection to the point where the log comes.
    pub(crate) fn connect(&mut self, server: &mut dyn LogServer) -> Result<(), Error> {
        self.stream = None;
        let Examined { mut check, refused } = server.examine()?;
        self.leave_out_missed_lines(&mut check);
        if self.resume.held.is_none() && !check.findings.is_empty() {
            return Err(Error::Layout(check.all().into_iter().chain(refused).collect()));
        }
        self.recognise(&check);
        let slot = server.slot()?;
        let known = if let Slot::At(confirmed) = slot { confirmed } else { Lsn(0) };
        let floor = self.resume.confirmed(self.kept(), known);
        let OpenedSession { server: identity, adopted } =
            server.open_session(&check.layout, self.resume.place(), floor)?;
        match self.resume.origin(&identity, adopted) {
            ServerOrigin::Same => {}
            ServerOrigin::Successor(reason) => self.spoil(reason),
            ServerOrigin::Unknown(held) => return Err(stranger(&self.place, &identity, held)),
        }
        let publication = server.publication(&check)?;
        match self.resume.decide(&ServerFindings {
            slot: (&slot, &self.settings.slot),
            end: identity.end,
            altered: publication.is_some(),
            broken: check.all_broken(),
        }) {
            ResumeDecision::GoOn => self.start(server, check, identity.end, floor),
            ResumeDecision::Wait(finding) => Err(Error::Busy(finding)),
            ResumeDecision::Mend(finding) => Err(Error::Layout(vec![finding])),
            ResumeDecision::Resync(reason) => {
                self.spoil(reason.clone());
                server.prepare(&slot, publication.as_deref())?;
                check.leave_out_lines(&self.settings.tables);
                let place = self.read_tables(server, &check, &identity, &reason)?;
                let OpenedSession { server: identity, .. } = server.open_session(&check.layout, place, place)?;
                if self.resume.origin(&identity, false) != ServerOrigin::Same {
                    return Err(Error::Resync("another server answers than the one whose tables were read".to_owned()));
                }
                self.start(server, check, identity.end, place)
            }
        }
    }

    /// Lines that were skipped can only be read together with their orders.
    pub(crate) fn leave_out_missed_lines(&self, check: &mut SchemaCheck) {
        if self.resume.has_missed(SourceTable::OrderItems) {
            check.leave_out_lines(&self.settings.tables);
        }
    }

    /// Compares the tables with those that the rows held came from.
    fn recognise(&mut self, check: &SchemaCheck) {
        for which in SourceTable::ALL {
            let Some(identity) = check.identity(which) else { continue };
            let now = identity.fingerprint();
            match self.definitions.tables[which as usize].replace(now) {
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
        let kept_ms = self.settings.kept_ms;
        let before = self.definitions.kept_ms.replace(kept_ms);
        if self.resume.held.is_some() && before.is_none_or(|before| before < kept_ms) {
            self.spoil("orders are kept for longer than they were when the tables were read".to_owned());
        }
    }

    /// Reads the tables that can be read and feeds the difference; returns the place of the reading.
    fn read_tables(
        &mut self,
        server: &mut dyn LogServer,
        check: &SchemaCheck,
        identity: &ServerIdentity,
        reason: &str,
    ) -> Result<Lsn, Error> {
        let broken = check.all_broken();
        if broken == [true; 3] {
            return Err(Error::Layout(check.all()));
        }
        let key = check.identity(SourceTable::OrderItems).map(|identity| identity.key.clone()).unwrap_or_default();
        let held = Some(self.dictionary.hold());
        let TablesRead { place, change, as_of } = server.read_tables(&mut self.cache, &key, broken)?;
        if let Some(held) = self.resume.held {
            let (from, to) = (held.place, place);
            tracing::warn!(
                source = NAME, %from, %to, reason,
                "the log does not hold the changes of this range: the tables were read, and the difference is one tick"
            );
        }
        let fingerprint = Some(self.resume.read(place, identity).fingerprint());
        self.swept = as_of;
        self.has_fetched(server.now());
        let reading = Some(ReadingInfo { spoils: self.progress.spoils(), definitions: self.definitions });
        for which in SourceTable::ALL.into_iter().filter(|which| broken[*which as usize]) {
            self.miss(which);
        }
        server.feed(FeedBatch { change, next: place.0, fingerprint, reached: None, reading, held })?;
        Ok(place)
    }
}

/// The error of a server that no operator has adopted.
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
