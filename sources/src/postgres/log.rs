//! Following the server's log: where to go on, reading everything when the log does not say, and then change by change.
//!
//! ```text
//! connect ─▶ same server? ─▶ tables, publication, slot ─┬─ the log goes on where we are ──────────────┐
//!                                                       └─ it does not ─▶ new slot, its snapshot read ┤
//!                                       (the difference to the rows held is one step) ◀───────────────┘
//!                                                                                       ▼
//!                                                                                    stream
//! ```

use dataflow::feed::Proof;
use postgres::Client;

use super::connection::{Target, Who};
use super::error::Error;
use super::memory::Memory;
use super::names::Which;
use super::reader::{Health, Reader, Step};
use super::session::{Server, Session};
use super::slot::{self, Lsn, Slot};
use super::snapshot::How;
use super::stream::{self, Stream};
use super::survey::{self, Survey};
use super::{Resumed, publication, sql};
use crate::side_thread::Stop;

/// What is known from following the log so far.
pub(super) struct Log {
    pub(super) memory: Memory,
    /// Where the rows held stand; none before the first reading.
    pub(super) held: Option<Held>,
    /// Why the rows held cannot be gone on from, if so.
    stale: Option<String>,
    /// When the window was swept last.
    pub(super) swept: u64,
    /// Everything there was at the start has come.
    pub(super) live: bool,
}

/// Rows of one place in one server's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    /// Everything before is among the rows.
    pub(super) place: Lsn,
    system: u64,
    timeline: i64,
}

impl Held {
    fn new(place: Lsn, server: &Server) -> Held {
        Held { place, system: server.system, timeline: server.timeline }
    }

    /// What the rows can be known to belong to.
    pub(super) fn proof(&self) -> Proof {
        Proof { at: self.timeline, hash: self.system }
    }
}

impl Log {
    pub(super) fn new(resumed: Option<Resumed>) -> Self {
        let memory = Memory::of_log(resumed.as_ref());
        let held = resumed.and_then(|rows| {
            let Proof { at, hash } = rows.proof?;
            Some(Held { place: Lsn(rows.lsn), system: hash, timeline: at })
        });
        let stale = held
            .filter(|held| held.place == Lsn(0))
            .map(|_| "a table could not be followed when the rows were kept".to_owned());
        Log { memory, held, stale, swept: 0, live: false }
    }

    /// Connects and follows, until something fails.
    pub(super) fn turn(&mut self, reader: &Reader, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        let done = self.follow(reader, health, stop);
        match &done {
            Err(Error::Anew(reason)) => self.spoil(reader, reason.clone()),
            // The log before us is to be read as of a time when there was no such publication.
            Err(Error::Said(words)) if words.contains("publication") && words.contains("42704") => {
                self.spoil(reader, "the publication was removed and made again".to_owned());
            }
            _ => {}
        }
        done
    }

    /// From here on the log does not tell what becomes of the rows held.
    pub(super) fn spoil(&mut self, reader: &Reader, reason: String) {
        self.stale.get_or_insert(reason);
        reader.flow.stale();
    }

    fn follow(&mut self, reader: &Reader, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        let settings = &reader.settings;
        reader.pulse.ask();
        let mut client = reader.target.connect()?;
        stop.check()?;
        client.batch_execute(&sql::session(settings.statement_timeout))?;
        let who = Target::who(&mut client)?;
        let findings = survey::server(&mut client, settings)?;
        if !findings.is_empty() {
            return Err(Error::Layout(findings));
        }
        let survey = Survey::read(&mut client, &settings.tables)?;
        let place = self.held.map_or(Lsn(0), |held| held.place);
        let mut session = Session::open(settings, &reader.target, &who, place, place)?;
        let server = session.identify(stop)?;
        self.known(reader, &server)?;
        let mut floor = place;
        let (anew, slot) = self.settle(reader, &survey, &mut client)?;
        if let Some(reason) = anew {
            if !survey.findings.is_empty() {
                return Err(Error::Layout(survey.all()));
            }
            if slot != Slot::Missing {
                slot::remove(&mut client, &settings.slot)?;
            }
            floor = self.read(reader, &reason, &survey, &server, &mut client, &mut session, stop)?;
            session = self.reopen(reader, &who, floor, stop)?;
        } else if let Slot::At(confirmed) = slot {
            // Older servers would go back with the slot if they were told less.
            floor = confirmed.max(Lsn(reader.flow.acknowledged()).min(place));
        }
        let target = session.identify(stop)?.end;
        session.start(stop)?;
        reader.pulse.rest();
        Stream::new(reader, self, survey, client, session, stream::Ends { floor, target }).run(health, stop)
    }

    /// Why everything has to be read anew, if it has to, and what has become of the slot.
    fn settle(
        &mut self,
        reader: &Reader,
        survey: &Survey,
        client: &mut Client,
    ) -> Result<(Option<String>, Slot), Error> {
        let settings = &reader.settings;
        let mut reason = None;
        // The publication first: a slot does not tell of changes made before there was one.
        if let Some(sql) = survey.needed(client, settings)? {
            if let Err(finding) = publication::make(client, &sql)? {
                return Err(Error::Layout(vec![finding]));
            }
            reason = Some(format!("the publication {} did not have all tables", settings.publication));
        }
        let name = &settings.slot;
        let slot = slot::look(client, name)?;
        match (&slot, self.held) {
            (Slot::Refused(finding) | Slot::Busy(finding), _) => return Err(Error::Layout(vec![finding.clone()])),
            (_, None) => reason = Some("nothing was kept".to_owned()),
            (Slot::Missing, Some(_)) => reason = Some(format!("the replication slot {name} is gone")),
            (Slot::Lost, Some(_)) => {
                reason = Some(format!("the server has not kept its log for the replication slot {name}"));
            }
            (Slot::At(place), Some(held)) if *place > held.place => {
                reason = Some(format!("the replication slot {name} was moved on to {place}"));
            }
            (Slot::At(_), Some(_)) => {}
        }
        // While a table cannot be read, the others are gone on with.
        let stale = self.stale.clone().filter(|_| survey.findings.is_empty());
        Ok((reason.or(stale), slot))
    }

    /// Reads all tables as of a new slot's place, which is returned.
    #[allow(clippy::too_many_arguments, reason = "it is one step of its only caller, with a name of its own")]
    fn read(
        &mut self,
        reader: &Reader,
        reason: &str,
        survey: &Survey,
        server: &Server,
        client: &mut Client,
        session: &mut Session,
        stop: &Stop,
    ) -> Result<Lsn, Error> {
        let settings = &reader.settings;
        let (place, snapshot) = session.make_slot(&settings.slot, stop)?;
        let key = survey.identity(Which::OrderItems).map(|identity| &*identity.key).unwrap_or_default();
        let how = How::Log { snapshot: &snapshot, key };
        let scan = &mut reader.scan(place.0, stop);
        let now = reader.clock.now();
        let change = self.memory.read(client, settings, &reader.dictionary, now, &how, scan)?;
        reader.pulse.rest();
        if let Some(held) = self.held {
            let (from, to) = (held.place, place);
            tracing::warn!(
                source = super::NAME, %from, %to, reason,
                "the log does not tell the changes in this range: all tables were read, what differs shows in one tick"
            );
        }
        let held = Held::new(place, server);
        self.held = Some(held);
        self.stale = None;
        self.swept = now;
        let step = Step { change, next: place.0, proof: Some(held.proof()), reached: None, whole: true };
        stream::hand(reader, session, step, stop)?;
        Ok(place)
    }

    /// A session that goes on at `place`, on the same server.
    fn reopen(&self, reader: &Reader, who: &Who, place: Lsn, stop: &Stop) -> Result<Session, Error> {
        let mut session = Session::open(&reader.settings, &reader.target, who, place, place)?;
        let server = session.identify(stop)?;
        self.known(reader, &server)?;
        Ok(session)
    }

    /// Whether it is the server that the rows came from.
    fn known(&self, reader: &Reader, server: &Server) -> Result<(), Error> {
        match self.held {
            Some(held) if (held.system, held.timeline) != (server.system, server.timeline) => {
                Err(Error::OtherServer(format!(
                    "this is another server than the rows came from: system {}, timeline {} here, system {}, timeline {} \
                     there; set [postgres] url to that server ({} is not), or let everything be read anew: start with an \
                     empty [checkpoint] dir",
                    server.system,
                    server.timeline,
                    held.system,
                    held.timeline,
                    reader.target.place()
                )))
            }
            _ => Ok(()),
        }
    }
}
