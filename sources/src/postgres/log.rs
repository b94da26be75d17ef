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

/// A server that answers, and what was found there.
struct Reached {
    client: Client,
    session: Session,
    server: Server,
    survey: Survey,
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
        let findings = survey::server(&mut client, settings)?;
        if !findings.is_empty() {
            return Err(Error::Layout(findings));
        }
        let survey = Survey::read(&mut client, &settings.tables)?;
        if self.held.is_none() && !survey.findings.is_empty() {
            return Err(Error::Layout(survey.all()));
        }
        let slot = slot::look(&mut client, &settings.slot)?;
        let place = self.held.map_or(Lsn(0), |held| held.place);
        // Older servers would go back with the slot if they were told less than they know.
        let kept = Lsn(reader.kept());
        let mut floor = if let Slot::At(confirmed) = slot { kept.max(confirmed) } else { kept };
        let who = Target::who(&mut client)?;
        let (session, server) = self.open(reader, &who, place, floor, stop)?;
        let mut reached = Reached { client, session, server, survey };
        if let Some(reason) = self.settle(reader, &mut reached, &slot)? {
            if !reached.survey.findings.is_empty() {
                return Err(Error::Layout(reached.survey.all()));
            }
            if slot != Slot::Missing {
                slot::remove(&mut reached.client, &settings.slot)?;
            }
            floor = self.read(reader, &mut reached, &reason, stop)?;
            (reached.session, reached.server) = self.open(reader, &who, floor, floor, stop)?;
        }
        let Reached { client, mut session, server, survey } = reached;
        session.start(stop)?;
        reader.pulse.rest();
        Stream::new(reader, self, survey, client, session, stream::Ends { floor, target: server.end }).run(health, stop)
    }

    /// Why everything has to be read anew, if it has to.
    fn settle(&self, reader: &Reader, reached: &mut Reached, slot: &Slot) -> Result<Option<String>, Error> {
        let settings = &reader.settings;
        let name = &settings.slot;
        if let Slot::Refused(finding) | Slot::Busy(finding) = slot {
            return Err(Error::Layout(vec![finding.clone()]));
        }
        // Before a slot is made: it does not tell of changes from before there was a publication.
        let needed = reached.survey.needed(&mut reached.client, settings)?;
        if let Some(sql) = &needed
            && let Err(finding) = publication::make(&mut reached.client, sql)?
        {
            return Err(Error::Layout(vec![finding]));
        }
        Ok(match (slot, self.held) {
            (_, None) => Some("nothing was kept".to_owned()),
            (Slot::Missing, _) => Some(format!("the replication slot {name} is gone")),
            (Slot::Lost, _) => Some(format!("the server has not kept its log for the replication slot {name}")),
            (Slot::At(place), Some(held)) if *place > held.place && self.stale.is_none() => {
                Some(format!("the replication slot {name} was moved on to {place}"))
            }
            (Slot::At(place), Some(held)) if *place > held.place => self.stale.clone(),
            _ if needed.is_some() => Some(format!("the publication {} did not have all tables", settings.publication)),
            // While a table cannot be read, the others are gone on with.
            _ => self.stale.clone().filter(|_| reached.survey.findings.is_empty()),
        })
    }

    /// Reads all tables as of a new slot's place, which is returned.
    fn read(&mut self, reader: &Reader, reached: &mut Reached, reason: &str, stop: &Stop) -> Result<Lsn, Error> {
        let Reached { client, session, server, survey } = reached;
        let (place, snapshot) = session.make_slot(&reader.settings.slot, stop)?;
        let key = survey.identity(Which::OrderItems).map(|identity| &*identity.key).unwrap_or_default();
        let how = How::Log { snapshot: &snapshot, key };
        let scan = &mut reader.scan(place.0, stop);
        let now = reader.clock.now();
        let change = self.memory.read(client, &reader.settings, &reader.dictionary, now, &how, scan)?;
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

    /// A session that goes on at `place` with everything before `kept` confirmed, on the server the rows came from.
    fn open(&self, reader: &Reader, who: &Who, place: Lsn, kept: Lsn, stop: &Stop) -> Result<(Session, Server), Error> {
        let mut session = Session::open(&reader.settings, &reader.target, who, place, kept)?;
        let server = session.identify(stop)?;
        self.known(reader, &server)?;
        Ok((session, server))
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
