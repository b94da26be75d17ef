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
        let away = "start Kafka, or set `kafka.brokers` (VITRINE__KAFKA__BROKERS) to where it runs";
        found(("sinks.kafka", away), &topic.place(), &topic.inspect(), report)?;
    }
    let shop = config.postgres.as_ref().map_or("", |shop| shop.url.expose());
    match Table::new(&config.sinks.postgres, shop) {
        Ok(Some(table)) => {
            let away = "start PostgreSQL, or set `sinks.postgres.url` or `sinks.postgres.url_file` \
                        (VITRINE__SINKS__POSTGRES__URL) to where it runs";
            found(("sinks.postgres", away), &table.place(), &table.inspect(), report)
        }
        Ok(None) => Ok(()),
        Err(error) => report.bad(&format!("sinks.postgres: {error}"), &[]),
    }
}

/// `away`: the way to mend that the service is away.
fn found(
    (section, away): (&str, &str),
    place: &str,
    found: &Result<Presence, DestinationError>,
    report: &mut CheckReport<impl Write>,
) -> io::Result<()> {
    match found {
        Ok(Presence::Present) => report.good(&format!("{section}: {place} can hold the copy of lists")),
        Ok(Presence::Missing) => {
            report.note(&format!("{section}: {place} is missing; `vitrine serve` makes it when it starts"))
        }
        Err(error) => {
            let is_away = matches!(error, DestinationError::Away { .. });
            let way = error.mend().or_else(|| is_away.then(|| away.to_owned()));
            report.bad(&format!("{section}: {error}"), &way.into_iter().collect::<Vec<_>>())
        }
    }
}
