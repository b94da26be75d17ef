//! The reader's thread: chooses how changes are found, runs it, and retries all failures.

use std::time::Duration;

use crate::postgres::context::{CHECK_AGAIN, ReaderContext};
use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::follow::LogReader;
use crate::postgres::follow::replication_check;
use crate::postgres::follow::slot::{self, Slot};
use crate::postgres::health::HealthLog;
use crate::postgres::poll::PollingReader;
use crate::postgres::schema::release_table::release_table;
use crate::postgres::schema::schema_check::{self, SchemaCheck};
use crate::postgres::session::connection::Connection;
use crate::postgres::session::error::Error;
use crate::postgres::session::error_text::error_text;
use crate::postgres::{Mode, NAME, Resumed};
use crate::side_thread::Stop;

/// How changes are found.
enum Work {
    Undecided(Option<Resumed>),
    Polling(Box<PollingReader>),
    Log(Box<LogReader>),
}

/// Reads until the stop signal.
pub(crate) fn run(context: &ReaderContext, resumed: Option<Resumed>, stop: &Stop) {
    let mut health = HealthLog::new(context.settings.backoff_max);
    let mut work = Work::Undecided(resumed);
    loop {
        let done = turn(context, &mut work, &mut health, stop);
        context.liveness.rest();
        // A failure after the stop signal was caused by it.
        if stop.check().is_err() {
            return;
        }
        let pause = match done {
            Ok(()) => Duration::ZERO,
            Err(Error::Stopped(_)) => return,
            Err(error) => failed(context, &mut health, &error),
        };
        if stop.wait(pause).is_err() {
            return;
        }
    }
}

/// Reports a failure; returns the pause before the next attempt.
fn failed(context: &ReaderContext, health: &mut HealthLog, error: &Error) -> Duration {
    // Ticks do not wait for a source that was live before, or that only an operator can repair.
    let lasts = matches!(error, Error::OtherServer(_) | Error::Layout(_));
    context.progress.lose(lasts);
    if lasts {
        context.status.pass_over();
    }
    let text = format!("PostgreSQL at {}: {error}", context.target.place());
    match error {
        // The server that the rows came from may come back, and a person may adopt this one.
        Error::OtherServer(_) => {
            health.stopped(context, text);
            CHECK_AGAIN
        }
        Error::Layout(_) | Error::Busy(_) => {
            health.bad(context, text);
            CHECK_AGAIN
        }
        _ => {
            health.bad(context, text);
            health.pause()
        }
    }
}

fn turn(context: &ReaderContext, work: &mut Work, health: &mut HealthLog, stop: &Stop) -> Result<(), Error> {
    match work {
        Work::Undecided(resumed) => {
            *work = match decide(context, stop)? {
                Mode::Replication => Work::Log(Box::new(LogReader::new(context, resumed.take()))),
                Mode::Refresh | Mode::Auto => Work::Polling(Box::new(PollingReader::new(resumed.take()))),
            };
            Ok(())
        }
        Work::Polling(polling) => polling.turn(context, health, stop),
        Work::Log(log) => {
            let done = log.turn(context, health, stop);
            // Some obstacles appear only on the first attempt.
            if done.is_err() && context.settings.mode == Mode::Auto && log.is_fresh() {
                *work = Work::Undecided(None);
            }
            done
        }
    }
}

/// Follows the log where the settings ask for it, or where it can be followed.
fn decide(context: &ReaderContext, stop: &Stop) -> Result<Mode, Error> {
    let settings = &context.settings;
    if settings.mode != Mode::Auto {
        return Ok(settings.mode);
    }
    context.liveness.ask();
    let mut client = context.target.connect_unless(&stop.signal())?;
    let slot = slot::look(&mut *client, &settings.slot)?;
    let mut obstacles = obstacles(context, &mut client, &slot, stop)?;
    if obstacles.is_empty() {
        return Ok(Mode::Replication);
    }
    // A publication of an earlier run must not hinder the shop.
    obstacles.extend(release_table(&mut client, &settings.publication)?);
    let reason = Error::Layout(obstacles).to_string();
    let every_s = settings.refresh.as_secs();
    tracing::warn!(source = NAME, reason, every_s, "the log cannot be followed: the tables are read again instead");
    context.status.note(format!(
        "until the next start the tables are read again every {every_s} s, because the log cannot be followed: {reason}"
    ));
    abandon(&mut client, &settings.slot, &slot);
    Ok(Mode::Refresh)
}

/// The problems that prevent following the log. Changes nothing on the server.
fn obstacles(
    context: &ReaderContext,
    client: &mut Connection,
    slot: &Slot,
    stop: &Stop,
) -> Result<Vec<Diagnostic>, Error> {
    let settings = &context.settings;
    let check = SchemaCheck::read(&mut **client, &settings.tables)?;
    if !check.readable {
        return Err(Error::Layout(check.all()));
    }
    let mut obstacles = schema_check::server(&mut **client, settings)?;
    obstacles.extend(check.all());
    match slot {
        Slot::Refused(finding) => obstacles.push(finding.clone()),
        Slot::Busy(finding) => return Err(Error::Busy(finding.clone())),
        Slot::Missing | Slot::Lost | Slot::At(_) => {}
    }
    if obstacles.is_empty() {
        obstacles.extend(check.refused(&mut **client, settings)?);
    }
    if obstacles.is_empty() {
        obstacles = replication_check::obstacles(client, &context.target, settings, &stop.signal())?;
    }
    Ok(obstacles)
}

/// Removes the slot: the log is not followed, so the server need not keep it.
fn abandon(client: &mut Connection, name: &str, slot: &Slot) {
    if !matches!(slot, Slot::Lost | Slot::At(_)) {
        return;
    }
    match slot::remove(&mut **client, name) {
        Ok(()) => {
            tracing::info!(source = NAME, slot = name, "the replication slot was removed: nothing follows it any more")
        }
        Err(error) => {
            let reason = error_text(&error);
            let mend = format!("SELECT pg_drop_replication_slot('{name}');");
            tracing::warn!(
                source = NAME,
                reason,
                mend,
                "the server keeps its log for a replication slot that nobody follows, and it cannot be removed"
            );
        }
    }
}
