//! The broker and the database server that all faults share. Each kind of fault has topics and a database of its own.

use std::time::Duration;

use harness::kafka::Broker;
use harness::postgres::Server;

/// More than anything here takes on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A broker and a database server.
pub(crate) struct Services {
    pub(crate) kafka: Broker,
    pub(crate) postgres: Server,
}

impl Services {
    pub(crate) fn start() -> Services {
        let (kafka, postgres) = harness::start_services();
        Services { kafka, postgres }
    }

    /// Has both run again, whatever was done to them.
    pub(crate) fn mend(&mut self) {
        self.kafka.restart();
        self.postgres.restart();
    }
}
