//! Inspects server and tables as the source would, for `vitrine check`.

use postgres::GenericClient;
use thiserror::Error;

use crate::postgres::Settings;
use crate::postgres::diagnostic::Diagnostic;
use crate::postgres::follow::replication_check;
use crate::postgres::follow::slot::{self, Slot};
use crate::postgres::names::Tables;
use crate::postgres::schema::layout;
use crate::postgres::schema::schema_check::{self, SchemaCheck};
use crate::postgres::session::connection::{Connection, Target};
use crate::side_thread::StopSignal;

/// Checks the tables as the source would, without reading rows; returns the problems.
///
/// # Errors
/// When the server does not answer.
pub fn inspect(client: &mut impl GenericClient, tables: &Tables) -> Result<Vec<Diagnostic>, postgres::Error> {
    let findings = layout::read(client, tables)?.err().unwrap_or_default();
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

/// The time zone of the orders' times; none if they are stored with their zone, or as numbers.
///
/// # Errors
/// When the server does not answer.
pub fn time_zone(client: &mut impl GenericClient, tables: &Tables) -> Result<Option<String>, postgres::Error> {
    Ok(layout::found(client, tables)?.0.zone)
}

/// Whether the server's log can be followed, and the statement that will be run for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicationReport {
    /// The problems that prevent following the log.
    pub obstacles: Vec<Diagnostic>,
    /// The SQL that creates or repairs the publication; none if it fits.
    pub publication: Option<String>,
    /// The state of the slot, in words.
    pub slot: String,
    /// Whether another session uses the slot now.
    pub is_followed: bool,
}

/// A replication session could not be tried. Holds the reason.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no replication session: {0}")]
pub struct NoSession(String);

/// Opens a replication session as the source would, and ends it again; checks whether a slot is free. Leaves nothing behind.
/// For a server, connected by `connection`, in which [`inspect_replication`] finds no obstacle.
///
/// # Errors
/// When the server cannot be reached, or is silent.
pub fn try_session(
    connection: &mut Connection,
    target: &Target,
    settings: &Settings,
) -> Result<Vec<Diagnostic>, NoSession> {
    replication_check::obstacles(connection, target, settings, &StopSignal::default())
        .map_err(|error| NoSession(error.to_string()))
}

/// Checks server, tables, publication and slot as the source would, and changes nothing. For tables that can be read.
///
/// # Errors
/// When the server does not answer.
pub fn inspect_replication(
    client: &mut impl GenericClient,
    settings: &Settings,
) -> Result<ReplicationReport, postgres::Error> {
    let check = SchemaCheck::read(client, &settings.tables)?;
    let mut obstacles = schema_check::server(client, settings)?;
    obstacles.extend(check.all());
    let slot = slot::look(client, &settings.slot)?;
    let is_followed = matches!(slot, Slot::Busy(_));
    let slot = match slot {
        Slot::Missing => "it is made at the start".to_owned(),
        Slot::Lost => "the server has not kept its log: it is made again at the start".to_owned(),
        Slot::At(place) => format!("it holds the log from {place} on"),
        Slot::Busy(finding) => finding.problem,
        Slot::Refused(finding) => {
            let problem = finding.problem.clone();
            obstacles.push(finding);
            problem
        }
    };
    let publication = if obstacles.is_empty() { check.needed(client, settings)? } else { None };
    if publication.is_some() {
        obstacles.extend(check.refused(client, settings)?);
    }
    Ok(ReplicationReport { obstacles, publication, slot, is_followed })
}
