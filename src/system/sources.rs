//! The sources that the configuration names, opened once in every worker.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use dataflow::board::Board;
use dataflow::feed::{Feed, OpenFeeds, Seat};
use dataflow::time::ServiceClock;
use sources::decode::DeadLetter;
use sources::{files, kafka, postgres};

use super::settings;
use crate::config::{self, Config};

/// Makes the sources; each worker opens its feeds from them.
pub(super) fn open(
    config: &Config,
    clock: &Arc<dyn ServiceClock>,
    board: &Arc<Board>,
    letters: &SyncSender<DeadLetter>,
) -> anyhow::Result<OpenFeeds> {
    let kafka = config.kafka.as_ref().map(|settings| kafka::Source::new(of_kafka(settings), board, letters.clone()));
    let postgres = config
        .postgres
        .as_ref()
        .map(|settings| postgres::Source::new(of_postgres(settings, config), clock.clone(), board, letters.clone()));
    let files = config.files.as_ref().map(|files| {
        let settings =
            files::Settings { window_ms: settings::rules(config).window_ms, ..files::Settings::new(&files.dir) };
        files::Source::new(settings, clock.clone(), board, letters.clone())
    });
    let (kafka, postgres) = (kafka.transpose()?, postgres.transpose()?);
    Ok(Arc::new(move |seat: Seat| {
        let mut feeds: Vec<Box<dyn Feed>> = Vec::new();
        feeds.extend(kafka.as_ref().map(|source| source.open(&seat)));
        feeds.extend(postgres.as_ref().and_then(|source| source.open(&seat)));
        feeds.extend(files.as_ref().and_then(|source| source.open(&seat)));
        feeds
    }))
}

fn of_kafka(settings: &config::Kafka) -> kafka::Settings {
    let topics = settings.views.iter().chain([&settings.removals]);
    kafka::Settings {
        client: settings.client.iter().map(|(key, value)| (key.clone(), value.expose().to_owned())).collect(),
        discovery: Duration::from_secs(settings.discovery_s),
        ..kafka::Settings::new(&settings.brokers, topics)
    }
}

fn of_postgres(postgres: &config::Postgres, config: &Config) -> postgres::Settings {
    postgres::Settings {
        tables: postgres.source_tables(),
        refresh: Duration::from_secs(postgres.refresh_s),
        window_ms: settings::rules(config).window_ms,
        ..postgres::Settings::new(postgres.url.expose())
    }
}
