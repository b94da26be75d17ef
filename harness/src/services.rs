//! A broker and a database server, started together, and a directory for the configurations that name them.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::kafka::Broker;
use crate::postgres::Server;

/// A broker, a database server and a directory.
pub struct Services {
    /// The broker.
    pub kafka: Broker,
    /// The database server.
    pub postgres: Server,
    dir: TempDir,
}

impl Services {
    /// Starts both at the same time; each takes some seconds.
    #[track_caller]
    pub fn start() -> Services {
        let (kafka, postgres) = std::thread::scope(|scope| {
            let kafka = scope.spawn(Broker::start);
            let postgres = Server::start();
            (kafka.join().expect("Kafka starts"), postgres)
        });
        let dir = TempDir::with_prefix("vitrine-services-").expect("a temporary directory");
        Services { kafka, postgres, dir }
    }

    /// Restarts both, even if they were killed.
    pub fn restart(&mut self) {
        self.kafka.restart();
        self.postgres.restart();
    }

    /// The URL of the database that `vitrine generate` makes.
    pub fn database(&self) -> String {
        self.postgres.url_of("data-db")
    }

    /// A directory that is removed with the services.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).expect("a file in a temporary directory can be written");
        path
    }
}
