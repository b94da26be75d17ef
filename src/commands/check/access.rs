//! The keys of the API, and what is open without them.

use std::io::{self, Write};

use super::report::CheckReport;
use crate::config::{Config, Errors};
use crate::system::access::keys_needed;
use crate::system::certificate;

pub(super) fn check(config: &Config, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let listen = config.server.listen;
    match keys_needed(config) {
        Ok(Some(keys)) if keys.is_empty() => {
            report.note("keys: there are none, so nobody may use the API: `vitrine key create` makes one")?;
        }
        Ok(Some(keys)) => report.good(&format!("keys: requests need one of {}", keys.len()))?,
        Ok(None) if listen.ip().to_canonical().is_loopback() => {
            report.note(&format!("keys: every program of this machine may use the API at {listen} without a key"))?;
        }
        Ok(None) => report.note(&format!(
            "keys: everyone who can reach {listen} may read all histories, remove from them and post events \
             (`auth.required = false`)"
        ))?,
        Err(errors) => refuse(errors, report)?,
    }
    match certificate::load(config) {
        Ok(Some(_)) => {
            report.good(&format!("TLS: connections to {listen} are encrypted; the certificate fits its key"))?
        }
        Ok(None) if listen.ip().to_canonical().is_loopback() => {}
        Ok(None) => report.note(&format!(
            "TLS: {listen} can be reached from other machines, and keys and answers cross the network in the open \
             (`server.tls_cert`, `server.tls_key`)"
        ))?,
        Err(errors) => refuse(errors, report)?,
    }
    if config.server.cors_origins.iter().any(|origin| origin == "*") {
        report.note("CORS: pages of every origin may call the API (`server.cors_origins`)")?;
    }
    Ok(())
}

fn refuse(errors: Errors, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    errors.0.iter().try_for_each(|problem| report.bad(&problem.to_string(), &[]))
}
