//! A look at server and tables, as the source would look, for whoever sets it up.

use postgres::GenericClient;

use super::Settings;
use super::finding::Finding;
use super::layout;
use super::names::Tables;
use super::slot::{self, Slot};
use super::survey::{self, Survey};

/// Looks at the tables as the source would, and reads no rows. Nothing found: they can be read.
///
/// # Errors
/// When the server does not answer the question.
pub fn inspect(client: &mut impl GenericClient, tables: &Tables) -> Result<Vec<Finding>, postgres::Error> {
    let findings = layout::read(client, tables)?.err().unwrap_or_default();
    Ok(findings.into_iter().map(|(_, finding)| finding).collect())
}

/// Whether the server's log can be followed, and what will be done to follow it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What keeps the log from being followed.
    pub obstacles: Vec<Finding>,
    /// The SQL that will be run on the database first; none if nothing is missing.
    pub publication: Option<String>,
    /// What is known of the slot, in words.
    pub slot: String,
}

/// Looks at server, tables, publication and slot as the source would, and changes nothing. For tables that can be read.
///
/// # Errors
/// When the server does not answer the question.
pub fn look(client: &mut impl GenericClient, settings: &Settings) -> Result<Look, postgres::Error> {
    let survey = Survey::read(client, &settings.tables)?;
    let mut obstacles = survey::server(client, settings)?;
    obstacles.extend(survey.all());
    let slot = match slot::look(client, &settings.slot)? {
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
    let publication = if obstacles.is_empty() { survey.needed(client, settings)? } else { None };
    if publication.is_some() {
        obstacles.extend(survey.refused(client, settings)?);
    }
    Ok(Look { obstacles, publication, slot })
}
