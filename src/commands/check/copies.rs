//! The copies of lists: whether their topic and their table can hold lists. Nothing is written.

use std::io::{self, Write};

use sinks::copies::kafka::Topic;
use sinks::copies::postgres::Table;
use sinks::copies::{DestinationError, Presence};

use super::CheckReport;
use crate::config::Config;

pub(super) fn check(config: &Config, report: &mut CheckReport<impl Write>) -> io::Result<()> {
    let base = config.kafka.as_ref().map(crate::config::Kafka::client_config);
    if let Some(topic) = base.and_then(|base| Topic::new(&config.sinks.kafka, &base, config.cluster.process)) {
        found("sinks.kafka", &topic.place(), &topic.inspect(), report)?;
    }
    let shop = config.postgres.as_ref().map_or("", |shop| shop.url.expose());
    match Table::new(&config.sinks.postgres, shop) {
        Ok(Some(table)) => found("sinks.postgres", &table.place(), &table.inspect(), report),
        Ok(None) => Ok(()),
        Err(error) => report.bad(&format!("sinks.postgres: {error}"), &[]),
    }
}

fn found(
    section: &str,
    place: &str,
    found: &Result<Presence, DestinationError>,
    report: &mut CheckReport<impl Write>,
) -> io::Result<()> {
    match found {
        Ok(Presence::Present) => report.good(&format!("{section}: {place} can hold the copy of lists")),
        Ok(Presence::Missing) => {
            report.note(&format!("{section}: {place} is missing; `vitrine serve` makes it when it starts"))
        }
        Err(error) => report.bad(&format!("{section}: {error}"), &error.mend().into_iter().collect::<Vec<_>>()),
    }
}
