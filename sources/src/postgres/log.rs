//! Following the server's log: where to go on, reading everything when the log does not say, and then change by change.
//!
//! ```text
//! connect ─▶ same server, or one that may take its place? ─▶ tables, publication, slot ─┬─ the log goes on where we are ──────────────┐
//!                                                       └─ it does not ─▶ new slot, its snapshot read ┤
//!                                       (the difference to the rows held is one step) ◀───────────────┘
//!                                                                                       ▼
//!                                                                                    stream
//! ```

use postgres::Client;

use super::connection::{Target, Who};
use super::error::Error;
use super::memory::Memory;
use super::names::{Tables, Which};
use super::reader::{Health, LOOK_AGAIN, Reader, Reading, Step};
use super::resume::{Decision, Found, Held, Origin, Standing};
use super::session::{Server, Session};
use super::slot::{self, Lsn, Slot};
use super::snapshot::How;
use super::stream::{self, Stream};
use super::survey::{self, Survey};
use super::unblock::unblock;
use super::{Definitions, Resumed, publication, sql};
use crate::side_thread::Stop;

/// What is known from following the log so far.
pub(super) struct Log {
    pub(super) memory: Memory,
    pub(super) standing: Standing,
    /// What the tables were when they were looked at last, as far as they could be followed: by this process or the one
    /// before it.
    definitions: Definitions,
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

impl Log {
    pub(super) fn new(resumed: Option<Resumed>) -> Self {
        let resumed = resumed.as_ref();
        let (memory, standing) = (Memory::of_log(resumed), Standing::of(resumed));
        let definitions = resumed.map(|rows| rows.definitions).unwrap_or_default();
        Log { memory, standing, definitions, swept: 0, live: false }
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
        self.standing.spoil(reason);
        reader.flow.stale();
    }

    /// From here on changes of this table are passed over.
    pub(super) fn miss(&mut self, reader: &Reader, which: Which) {
        let table = reader.settings.tables.name(which);
        self.standing.miss(which, format!("table {table} could not be followed"));
        reader.flow.stale();
    }

    /// Looks at the tables.
    pub(super) fn survey(&self, client: &mut Client, tables: &Tables) -> Result<Survey, Error> {
        let mut survey = Survey::read(client, tables)?;
        if self.standing.has_missed(Which::OrderItems) {
            survey.leave_out_lines(tables);
        }
        Ok(survey)
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
        let survey = self.survey(&mut client, &settings.tables)?;
        let refused = unblock(&mut client, &settings.publication)?;
        if self.standing.held.is_none() && !survey.findings.is_empty() {
            return Err(Error::Layout(survey.all().into_iter().chain(refused).collect()));
        }
        self.recognise(reader, &survey);
        let slot = slot::look(&mut client, &settings.slot)?;
        let known = if let Slot::At(confirmed) = slot { confirmed } else { Lsn(0) };
        let mut floor = self.standing.confirmed(Lsn(reader.kept()), known);
        let who = Target::who(&mut client)?;
        let (session, server) = open(reader, &who, self.standing.place(), floor, stop)?;
        match self.standing.origin(&server, reader.settings.adopt.names(server.system)) {
            Origin::Same => {}
            Origin::Successor(reason) => self.spoil(reader, reason),
            Origin::Stranger(held) => return Err(stranger(reader, &server, held)),
        }
        let mut reached = Reached { client, session, server, survey };
        if let Some(reason) = self.settle(reader, &mut reached, &slot)? {
            reached.survey.leave_out_lines(&settings.tables);
            if reached.survey.all_broken() == [true; 3] {
                return Err(Error::Layout(reached.survey.all()));
            }
            floor = self.read(reader, &mut reached, &reason, stop)?;
            (reached.session, reached.server) = open(reader, &who, floor, floor, stop)?;
            if self.standing.origin(&reached.server, false) != Origin::Same {
                return Err(Error::Anew("another server answers than the one whose tables were read".to_owned()));
            }
        }
        let Reached { client, mut session, server, survey } = reached;
        session.start(stop)?;
        reader.pulse.rest();
        Stream::new(reader, self, survey, client, session, stream::Ends { floor, target: server.end }).run(health, stop)
    }

    /// Whether the tables are those that the rows held came from.
    fn recognise(&mut self, reader: &Reader, survey: &Survey) {
        for which in Which::ALL {
            let Some(identity) = survey.identity(which) else { continue };
            let now = identity.fingerprint();
            let before = self.definitions.0[which as usize].replace(now);
            if before.is_some_and(|before| before != now) {
                self.spoil(reader, survey::another(reader.settings.tables.name(which)));
            }
        }
    }

    /// Why everything has to be read anew, if it has to: then the slot is gone and the publication is what it should be.
    fn settle(&mut self, reader: &Reader, reached: &mut Reached, slot: &Slot) -> Result<Option<String>, Error> {
        let (settings, Reached { client, server, survey, .. }) = (&reader.settings, reached);
        let needed = survey.needed(client, settings)?;
        let decision = self.standing.decide(&Found {
            slot: (slot, &settings.slot),
            end: server.end,
            altered: needed.is_some(),
            broken: survey.all_broken(),
        });
        let reason = match decision {
            Decision::GoOn => return Ok(None),
            Decision::Wait(finding) => return Err(Error::Busy(finding)),
            Decision::Mend(finding) => return Err(Error::Layout(vec![finding])),
            Decision::Anew(reason) => reason,
        };
        self.spoil(reader, reason.clone());
        publication::renew(client, settings, slot, needed.as_deref())?
            .map_err(|finding| Error::Layout(vec![finding]))?;
        Ok(Some(reason))
    }

    /// Reads all tables that can be read as of a new slot's place, which is returned.
    fn read(&mut self, reader: &Reader, reached: &mut Reached, reason: &str, stop: &Stop) -> Result<Lsn, Error> {
        let Reached { client, session, server, survey } = reached;
        let (place, snapshot) = session.make_slot(&reader.settings.slot, stop)?;
        let key = survey.identity(Which::OrderItems).map(|identity| &*identity.key).unwrap_or_default();
        let how = How::Log { snapshot: &snapshot, key, without: survey.all_broken() };
        let scan = &mut reader.scan(place.0, stop);
        let now = reader.clock.now();
        let change = self.memory.read(client, &reader.settings, &reader.dictionary, now, &how, scan)?;
        reader.pulse.rest();
        if let Some(held) = self.standing.held {
            let (from, to) = (held.place, place);
            tracing::warn!(
                source = super::NAME, %from, %to, reason,
                "the log does not tell the changes in this range: the tables were read, what differs shows in one tick"
            );
        }
        self.standing.read(place, server);
        self.swept = now;
        let proof = self.standing.held.map(|held| held.proof());
        let reading = Some(Reading { spoils: reader.flow.spoils(), definitions: self.definitions });
        for which in Which::ALL.into_iter().filter(|which| survey.broken(*which).is_some()) {
            self.miss(reader, which);
        }
        let step = Step { change, next: place.0, proof, reached: None, reading };
        stream::hand(reader, session, step, stop)?;
        Ok(place)
    }
}

/// A session that goes on at `place` with everything before `kept` confirmed.
fn open(reader: &Reader, who: &Who, place: Lsn, kept: Lsn, stop: &Stop) -> Result<(Session, Server), Error> {
    let mut session = Session::open(&reader.settings, &reader.target, who, place, kept)?;
    let server = session.identify(stop)?;
    Ok((session, server))
}

/// Nobody has said that this server's tables may take the place of the rows held.
fn stranger(reader: &Reader, server: &Server, held: Held) -> Error {
    let (place, system) = (reader.target.place(), server.system);
    Error::OtherServer(format!(
        "this is another server than the rows came from, or an earlier copy of it: system {system}, timeline {} here, \
         system {}, timeline {} there. If it is to take that server's place (a restore, pg_upgrade), confirm it: run \
         vitrine postgres adopt, or set [postgres] adopt = \"{system}\"; the tables are then read anew as a difference, \
         histories and checkpoints stay. If not, set [postgres] url to that server ({place} is not). It is looked at again \
         every {} s",
        server.timeline,
        held.system,
        held.timeline,
        LOOK_AGAIN.as_secs()
    ))
}
