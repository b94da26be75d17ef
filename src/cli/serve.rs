//! `vitrine serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::ConfigArgs;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine serve --config vitrine.toml --workers 2      Kafka and PostgreSQL, as the file names them
  vitrine serve --set files.dir=data                   files only, no service needed
  VITRINE__KAFKA__BROKERS=kafka:9092 vitrine serve     settings from the environment

Several processes on one machine: scripts/cluster starts them, and starts all again when one ends. By hand:
  vitrine serve --config vitrine.toml --processes 2 --process 0 --hosts hosts --listen 127.0.0.1:8101
  vitrine serve --config vitrine.toml --processes 2 --process 1 --hosts hosts --listen 127.0.0.1:8102

While it runs:
  curl http://127.0.0.1:8080/v1/users/user-120/history
  curl http://127.0.0.1:8080/v1/bestsellers
  curl http://127.0.0.1:8080/readyz                    whether it has caught up

A missing service is retried for ever; meanwhile, Vitrine answers from the data that it has. SIGTERM, SIGHUP (a \
closed terminal) or Ctrl-C stops it: it accepts no new connections, finishes answers in flight, takes a last \
checkpoint, and ends with exit code 0. Settings are read only at the start. Under nohup, SIGHUP is ignored.";

/// Flags of `vitrine serve`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = HELP)]
pub struct ServeArgs {
    /// Worker threads of the dataflow
    #[arg(short, long, value_name = "N")]
    pub workers: Option<u32>,
    /// Address and port to listen on; port 0 picks a free port, which is logged
    #[arg(short, long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Number of processes that share the work; all need the same number of workers
    #[arg(long, value_name = "P")]
    pub processes: Option<u32>,
    /// Number of this process, from 0
    #[arg(long, value_name = "I")]
    pub process: Option<u32>,
    /// File with one line per process: its address for peers, a space, its HTTP address for peers
    #[arg(long, value_name = "FILE")]
    pub hosts: Option<PathBuf>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl ServeArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        self.settings.request(&[
            ("--workers", "dataflow.workers", self.workers.map(|workers| workers.to_string())),
            ("--listen", "server.listen", self.listen.map(|listen| listen.to_string())),
            ("--processes", "cluster.processes", self.processes.map(|processes| processes.to_string())),
            ("--process", "cluster.process", self.process.map(|process| process.to_string())),
            ("--hosts", "cluster.hosts", self.hosts.as_ref().map(|hosts| hosts.display().to_string())),
        ])
    }
}
