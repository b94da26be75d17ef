//! The pasts that the configuration names, opened once in every worker.

use std::sync::{Arc, Mutex};

use dataflow::board::Board;
use dataflow::dictionary::Dictionary;
use dataflow::feed::Seat;
use dataflow::replay::{Failure, OpenPasts, Past};
use sources::kafka::range::Patience;
use sources::past::{Asked, Progress, Refused, Tables};
use sources::{files, kafka, postgres};

use super::letters::Letters;
use crate::config::Config;
use crate::system::sources::{of_kafka, of_postgres};

/// What there is to replay, with its ends pinned.
pub(super) struct Pasts {
    asked: Asked,
    board: Arc<Board>,
    refused: Refused,
    kafka: Option<kafka::range::Range>,
    files: Option<files::range::Range>,
    tables: Tables,
}

impl Pasts {
    /// Pins the ends of topics and files, and reads the tables.
    pub(super) fn open(
        config: &Config,
        asked: Asked,
        dictionary: &Arc<Dictionary>,
        board: &Arc<Board>,
        letters: &Arc<Letters>,
    ) -> anyhow::Result<Pasts> {
        let refused = letters.outlet();
        let kafka = config.kafka.as_ref().map(|settings| {
            // Where nobody has removed anything yet, the topic may not have been made.
            kafka::range::Range::pin(of_kafka(settings), &[&settings.removals], Patience::default())
        });
        let kafka = kafka.transpose()?;
        for topic in kafka.iter().flat_map(|range| range.missing()) {
            tracing::warn!(topic, "the topic does not exist, there are no removals to replay");
        }
        let files = config.files.as_ref().map(|files| files::range::Range::pin(&files.dir)).transpose()?;
        let mut tables = Tables::default();
        if let Some(settings) = &config.postgres {
            let settings = of_postgres(settings, config);
            tables = postgres::range::read(settings, asked, dictionary, board, &refused)?;
        }
        if let Some(range) = &files {
            tables = range.tables(asked, dictionary, board, &refused)?;
        }
        Ok(Pasts { asked, board: board.clone(), refused, kafka, files, tables })
    }

    /// How far the reading of the streams has come.
    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        let kafka = self.kafka.as_ref().map(kafka::range::Range::progress);
        kafka.or(self.files.as_ref().map(files::range::Range::progress)).cloned()
    }

    /// For the workers: each takes its share of the streams, the first one the tables.
    pub(super) fn opener(self) -> OpenPasts {
        let Pasts { asked, board, refused, kafka, files, tables } = self;
        let tables = Mutex::new(Some(tables.into_past(asked)));
        Arc::new(move |seat: Seat| {
            let mut pasts: Vec<Box<dyn Past>> = Vec::new();
            if seat.index == 0 {
                let tables = tables.lock().expect("no holder of this lock can panic").take();
                pasts.extend(tables.map(|tables| Box::new(tables) as Box<dyn Past>));
            }
            if let Some(range) = &kafka {
                pasts.push(range.open(&seat, asked, &board, &refused)?);
            }
            if let Some(range) = &files {
                pasts.extend(range.open(&seat, asked, &board, &refused)?);
            }
            Ok::<_, Failure>(pasts)
        })
    }
}
