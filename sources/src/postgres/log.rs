//! Following the server's log: where to go on, reading everything when the log does not say, and then change by change.
//!
//! ```text
//! connect ─▶ same server, or one that may take its place? ─▶ tables, publication, slot ─┬─ the log goes on where we are ──────────────┐
//!                                                       └─ it does not ─▶ new slot, its snapshot read ┤
//!                                       (the difference to the rows held is one step) ◀───────────────┘
//!                                                                                       ▼
//!                                                                                    stream
//! ```

use std::time::Duration;

use dataflow::source_status::State;
use postgres::Client;

use super::charset::Charset;
use super::connection::{Connection, Target, Who};
use super::error::Error;
use super::names::{Tables, Which};
use super::places::Place;
use super::reader::{Health, LOOK_AGAIN, Reader, Reading, Step};
use super::release_table::release_table;
use super::resume::{Decision, Found, Origin, ResumeState, SyncedAt};
use super::schema_check::{self, SchemaCheck};
use super::session::{Server, Session};
use super::slot::{self, Lsn, Slot};
use super::snapshot::How;
use super::spelling::Spelling;
use super::stream::{self, Stream};
use super::table_cache::TableCache;
use super::{Definitions, Resumed, damage, making, publication, trial};
use crate::side_thread::Stop;

/// How often it is looked whether the server has let go of the slot, and how many times.
const RELEASE_LOOK_EVERY: Duration = Duration::from_millis(100);
const RELEASE_LOOKS_MAX: usize = 20;

/// What is known from following the log so far.
pub(super) struct Log {
    pub(super) memory: TableCache,
    pub(super) standing: ResumeState,
    /// What the tables were when they were looked at last, as far as they could be followed: by this process or the one
    /// before it.
    definitions: Definitions,
    /// When the window was swept last.
    pub(super) swept: u64,
    /// The server's process that served the last session.
    sender: Option<i32>,
    /// Everything there was at the start has come.
    pub(super) live: bool,
    /// Rows of an earlier process are gone on from.
    resumed: bool,
}

/// A server that answers, and what was found there.
struct Reached {
    client: Connection,
    session: Session,
    server: Server,
    survey: SchemaCheck,
}

impl Log {
    pub(super) fn new(resumed: Option<Resumed>) -> Self {
        let resumed = resumed.as_ref();
        let has_rows = resumed.is_some();
        let (mut memory, standing) = (TableCache::of_log(resumed), ResumeState::of(resumed));
        memory.count_lines();
        let definitions = resumed.map(|rows| rows.definitions).unwrap_or_default();
        Log { memory, standing, definitions, swept: 0, sender: None, live: false, resumed: has_rows }
    }

    /// Connects and follows, until something fails.
    pub(super) fn turn(&mut self, reader: &Reader, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        let done = self.follow(reader, health, stop);
        match &done {
            Err(Error::Resync(reason)) => self.spoil(reader, reason.clone()),
            // Read anew, the row is refused alone; the log would end at its change again and again.
            Err(Error::Said(words)) if damage::is_of_a_row(words) => {
                self.spoil(reader, format!("the server cannot read a row that changed: {words}"));
            }
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
    pub(super) fn survey(&self, client: &mut Client, tables: &Tables) -> Result<SchemaCheck, Error> {
        let mut survey = SchemaCheck::read(client, tables)?;
        if self.standing.has_missed(Which::OrderItems) {
            survey.leave_out_lines(tables);
        }
        Ok(survey)
    }

    fn follow(&mut self, reader: &Reader, health: &mut Health, stop: &Stop) -> Result<(), Error> {
        let settings = &reader.settings;
        reader.pulse.ask();
        let mut client = reader.target.connect_unless(&stop.signal())?;
        let findings = schema_check::server(&mut *client, settings)?;
        if !findings.is_empty() {
            return Err(Error::Layout(findings));
        }
        let survey = self.survey(&mut client, &settings.tables)?;
        let refused = release_table(&mut client, &settings.publication)?;
        if self.standing.held.is_none() && !survey.findings.is_empty() {
            return Err(Error::Layout(survey.all().into_iter().chain(refused).collect()));
        }
        self.recognise(reader, &survey);
        self.release(&mut client, &settings.slot, stop)?;
        let slot = slot::look(&mut *client, &settings.slot)?;
        let known = if let Slot::At(confirmed) = slot { confirmed } else { Lsn(0) };
        let mut floor = self.standing.confirmed(Lsn(reader.kept()), known);
        let who = Target::who(&mut client)?;
        let at = client.reached().clone();
        let charset = survey.layout.charset;
        let opened = open(reader, (&at, &who), charset, self.standing.place(), floor, stop);
        let (session, server) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(Error::Busy(trial::refused(&mut client, error)?)),
        };
        match self.standing.origin(&server, reader.settings.adopt.names(server.system)) {
            Origin::Same => {}
            Origin::Successor(reason) => self.spoil(reader, reason),
            Origin::Stranger(held) => return Err(stranger(reader, &server, held)),
        }
        let mut reached = Reached { client, session, server, survey };
        if let Some(reason) = self.settle(reader, &mut reached, &slot)? {
            reached.survey.leave_out_lines(&settings.tables);
            if let Some(finding) = trial::snapshots(&mut *reached.client, &settings.slot)? {
                return Err(Error::Busy(finding));
            }
            if reached.survey.all_broken() == [true; 3] {
                return Err(Error::Layout(reached.survey.all()));
            }
            floor = self.read(reader, &mut reached, &reason, stop)?;
            (reached.session, reached.server) = open(reader, (&at, &who), charset, floor, floor, stop)?;
            if self.standing.origin(&reached.server, false) != Origin::Same {
                return Err(Error::Resync("another server answers than the one whose tables were read".to_owned()));
            }
        }
        let Reached { mut client, mut session, server, survey } = reached;
        let spelling = Spelling::read(&mut *client, &survey.layout, &mut self.memory.zones)?;
        self.sender = Some(session.is_beside(&mut client, &stop.signal())?);
        session.start(&stop.signal())?;
        reader.pulse.rest();
        let ends = stream::Ends { floor, target: server.end };
        Stream::new(reader, self, survey, spelling, client, session, ends).run(health, stop)
    }

    /// Ends the sender of a session that was given up, where the server still has it: it would keep the slot to itself
    /// until the server notices too.
    fn release(&mut self, client: &mut Connection, slot: &str, stop: &Stop) -> Result<(), Error> {
        let Some(pid) = self.sender.take() else { return Ok(()) };
        for _ in 0..RELEASE_LOOKS_MAX {
            if !slot::end_sender(&mut **client, slot, pid)? {
                break;
            }
            stop.wait(RELEASE_LOOK_EVERY)?;
        }
        Ok(())
    }

    /// Nothing was read yet: how changes are found may be decided again.
    pub(super) fn is_fresh(&self) -> bool {
        self.standing.held.is_none() && !self.resumed
    }

    /// Whether the tables are those that the rows held came from.
    fn recognise(&mut self, reader: &Reader, survey: &SchemaCheck) {
        for which in Which::ALL {
            let Some(identity) = survey.identity(which) else { continue };
            let now = identity.fingerprint();
            let table = reader.settings.tables.name(which);
            match self.definitions.0[which as usize].replace(now) {
                Some(before) if before == now => {}
                Some(_) => self.spoil(reader, schema_check::another(table)),
                // A checkpoint of a version that wrote ids otherwise has none.
                None if self.standing.held.is_some() => {
                    self.spoil(reader, format!("it is not known what table {table} was when it was read"));
                }
                None => {}
            }
        }
    }

    /// Why everything has to be read anew, if it has to: then the slot is gone and the publication is what it should be.
    fn settle(&mut self, reader: &Reader, reached: &mut Reached, slot: &Slot) -> Result<Option<String>, Error> {
        let (settings, Reached { client, server, survey, .. }) = (&reader.settings, reached);
        let needed = survey.needed(&mut **client, settings)?;
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
            Decision::Resync(reason) => reason,
        };
        self.spoil(reader, reason.clone());
        publication::renew(client, settings, slot, needed.as_deref())?
            .map_err(|finding| Error::Layout(vec![finding]))?;
        Ok(Some(reason))
    }

    /// Reads all tables that can be read as of a new slot's place, which is returned.
    fn read(&mut self, reader: &Reader, reached: &mut Reached, reason: &str, stop: &Stop) -> Result<Lsn, Error> {
        let Reached { client, session, server, survey } = reached;
        let (place, snapshot) = making::make(reader, client, session, stop)?;
        let key = survey.identity(Which::OrderItems).map(|identity| &*identity.key).unwrap_or_default();
        let how = How::Log { snapshot: &snapshot, key, without: survey.all_broken() };
        let scan = &mut reader.scan(place.0, stop);
        let now = reader.clock.now();
        reader.allow_reading(client)?;
        let change = self.memory.read(client, &reader.settings, &reader.dictionary, now, &how, scan)?;
        client.expect_answers();
        reader.status.state(0, State::CatchingUp);
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
        let fingerprint = self.standing.held.map(|held| held.fingerprint());
        let reading = Some(Reading { spoils: reader.flow.spoils(), definitions: self.definitions });
        for which in Which::ALL.into_iter().filter(|which| survey.broken(*which).is_some()) {
            self.miss(reader, which);
        }
        let step = Step { change, next: place.0, fingerprint, reached: None, reading };
        stream::hand(reader, session, step, stop)?;
        Ok(place)
    }
}

/// A session that goes on at `place` with everything before `kept` confirmed.
fn open(
    reader: &Reader,
    at: (&Place, &Who),
    charset: Charset,
    place: Lsn,
    kept: Lsn,
    stop: &Stop,
) -> Result<(Session, Server), Error> {
    let mut session = Session::open(&reader.settings, &reader.target, at, place, kept)?;
    let server = session.identify(&stop.signal())?;
    session.receive(charset, &stop.signal())?;
    Ok((session, server))
}

/// Nobody has said that this server's tables may take the place of the rows held.
fn stranger(reader: &Reader, server: &Server, held: SyncedAt) -> Error {
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
