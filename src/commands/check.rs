//! `vitrine check`: connects to every configured service once and prints how to mend each problem. Changes nothing,
//! except that it writes and removes a small file in the archive and in the directories of the other outputs.

mod access;
mod archive;
mod cluster;
mod copies;
mod files;
mod kafka;
mod places;
mod postgres;
mod report;

use std::process::ExitCode;

use self::report::CheckReport;
use crate::config::Config;
use crate::system::descriptors;

/// Prints a line for each check; exit code 1 if a check fails.
///
/// # Errors
/// Stdout cannot be written.
pub fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let mut report = CheckReport::new(std::io::stdout().lock());
    report.good("configuration: every setting is known and allowed")?;
    if let Some(settings) = &config.kafka {
        let archived = if config.archive.to.is_some() { &config.archive.topics[..] } else { &[] };
        kafka::check(settings, archived, &mut report)?;
    }
    if let Some(settings) = &config.postgres {
        postgres::check(settings, config.rules.orders_held_ms(), &mut report)?;
    }
    if let Some(settings) = &config.files {
        files::check(settings, config.store.is_some(), &mut report)?;
    }
    copies::check(config, &mut report)?;
    places::check(config, &mut report)?;
    archive::check(&config.archive, &mut report)?;
    if let Some(shortage) = descriptors::shortage(config.server.connections_max, descriptors::raise()) {
        report.note(&format!("open files: {shortage}"))?;
    }
    access::check(config, &mut report)?;
    cluster::check(&config.cluster, config.server.listen, config.server.tls_cert.is_some(), &mut report)?;
    match (&config.kafka, &config.postgres) {
        (Some(_), None) => {
            report.note("no [postgres]: there will be histories, but neither orders nor best sellers")?
        }
        (None, Some(_)) => report.note("no [kafka]: there will be best sellers, but neither views nor histories")?,
        _ => {}
    }
    Ok(if report.all_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
