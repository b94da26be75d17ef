//! `vitrine serve`.

use std::net::SocketAddr;

use clap::Args;

use super::ConfigArgs;
use crate::config::Request;

const HELP: &str = "\
Examples:
  vitrine serve --config vitrine.toml --workers 2      Kafka and PostgreSQL, as the file names them
  vitrine serve --set files.dir=data                   files only, no service needed
  VITRINE__KAFKA__BROKERS=kafka:9092 vitrine serve     settings from the environment

While it runs:
  curl http://127.0.0.1:8080/v1/users/user-120/history
  curl http://127.0.0.1:8080/v1/bestsellers
  curl http://127.0.0.1:8080/readyz                    whether it has caught up

A service that is not there is tried again for ever; answers go on from what is known. SIGTERM or Ctrl-C ends it: no new \
connections, answers in flight are finished, exit code 0.";

/// Flags of `vitrine serve`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = HELP)]
pub struct ServeArgs {
    /// Worker threads of the dataflow
    #[arg(short, long, value_name = "N")]
    pub workers: Option<u32>,
    /// Address and port to listen on; port 0 picks a free one and says which
    #[arg(short, long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
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
        ])
    }
}
