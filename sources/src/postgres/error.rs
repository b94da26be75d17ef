//! Why a reading failed. All of it is tried again: what is wrong with one row is not here.

use thiserror::Error;

use super::connection::words;
use super::inspect::Finding;
use crate::side_thread::Stopped;

#[derive(Debug, Error)]
pub(super) enum Error {
    /// Wrong until somebody mends it.
    #[error("{}", listed(.0))]
    Layout(Vec<Finding>),
    /// The connection, or the server.
    #[error("{}", words(.0))]
    Server(#[from] postgres::Error),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

fn listed(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
}
