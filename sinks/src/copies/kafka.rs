//! A copy in a compacted topic: the key of a record is the list, its value the list with its time; a list that is gone is
//! a tombstone.
//!
//! ```text
//! history/u1 -> {"list":"history/u1","as_of":1796000000000,"rows":[{"product":"p7","value":1795999990000}, …]}
//! ```
//! A batch of lists is one transaction. A producer with the same transactional id ends the transactions of the one before
//! it, so that nothing of an earlier process is written later.

mod partition;
mod producing;
mod reading;
mod topic;
mod value;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use self::producing::Producing;
use self::reading::Reading;
use super::destination::{Destination, DestinationError, FoundList, ListChange, Presence};
use super::list_name::ListName;
use super::settings::KafkaCopy;

/// The topic of a copy.
pub struct Topic {
    base: ClientConfig,
    name: String,
    /// The partitions with which it is created.
    partitions: usize,
    /// The number of this process, whose transactions are its own.
    process: usize,
    session: Option<Session>,
}

/// What is open while the topic is used.
struct Session {
    producing: Producing,
    reading: Reading,
    partitions: i32,
    /// The partition that is read next.
    next: i32,
}

impl Topic {
    /// The topic that `settings` name, over `base`, which holds the brokers and every key of `[kafka.client]`. `None`
    /// without a topic.
    #[must_use]
    pub fn new(settings: &KafkaCopy, base: &ClientConfig, process: usize) -> Option<Topic> {
        let name = settings.topic.clone()?;
        Some(Topic { base: base.clone(), name, partitions: settings.partitions, process, session: None })
    }

    /// The topic and its brokers, for people.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{} at {}", self.name, self.base.get("bootstrap.servers").unwrap_or_default())
    }

    /// Checks the topic without changing anything.
    ///
    /// # Errors
    /// When the brokers cannot be reached, or the topic cannot hold lists.
    pub fn inspect(&self) -> Result<Presence, DestinationError> {
        topic::inspect(&self.base, &self.name)
    }

    fn session(&mut self) -> Result<&mut Session, DestinationError> {
        let place = format!("topic {}", self.name);
        let away = DestinationError::Away { place, reason: "the client was closed".into() };
        self.session.as_mut().ok_or(away)
    }
}

impl Destination for Topic {
    fn begin(&mut self) -> Result<(), DestinationError> {
        topic::prepare(&self.base, &self.name, self.partitions)?;
        if self.session.is_none() {
            // The producer comes first: it ends an open transaction of an earlier process, which readers would wait for.
            let producing = Producing::open(&self.base, &self.name, self.process)?;
            let reading = Reading::open(&self.base, &self.name)?;
            self.session = Some(Session { producing, reading, partitions: 0, next: 0 });
        }
        let session = self.session()?;
        (session.partitions, session.next) = (session.reading.partitions()?, 0);
        Ok(())
    }

    fn page(&mut self, page: &mut Vec<FoundList>) -> Result<bool, DestinationError> {
        let is_first = self.process == 0;
        let session = self.session()?;
        let (partition, partitions) = (session.next, session.partitions);
        if partition >= partitions {
            return Ok(false);
        }
        let written = session.producing.written(partition);
        let (own, strays): (Vec<_>, Vec<_>) = session
            .reading
            .partition(partition, written)?
            .into_iter()
            .partition(|found| partition::of(found.name.as_bytes(), partitions) == partition);
        // A list that is in another partition than its key names would stay there for ever.
        let strays = strays.into_iter().filter(|found| is_first && ListName::parse(&found.name).is_some());
        session.producing.remove(partition, strays.map(|found| found.name))?;
        page.extend(own);
        session.next += 1;
        Ok(session.next < partitions)
    }

    fn write(&mut self, changes: &[ListChange]) -> Result<(), DestinationError> {
        let session = self.session()?;
        let records = changes.iter().map(|change| {
            let key = change.name.to_string();
            let value = (!change.rows.is_empty()).then(|| value::text(&key, change));
            (partition::of(key.as_bytes(), session.partitions), key, value)
        });
        session.producing.transaction(records)
    }

    fn disconnect(&mut self) {
        self.session = None;
    }
}

fn refused(doing: &str, error: &KafkaError) -> DestinationError {
    let reason = error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string());
    DestinationError::Refused { doing: doing.to_owned(), reason }
}
