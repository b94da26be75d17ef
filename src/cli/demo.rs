//! `vitrine demo`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::ConfigArgs;
use crate::config::{Flag, Request};

/// The settings that switch the models on.
const MODELS: [&str; 2] = ["models.co_views.enabled", "models.buy_again.enabled"];

const HELP: &str = "\
Examples:
  vitrine demo                          then open http://127.0.0.1:8080/
  vitrine demo --rate 500               a busy evening
  vitrine demo --dir shop --listen 127.0.0.1:9000

Creates a simulated shop with readable product names in a temporary directory, and simulates its visitors and orders. \
The models of co-views and \"buy again\" are on, so that the page shows every list. \
A file of views and Vitrine's own store take the place of Kafka and PostgreSQL; everything else is the same as in `vitrine serve`. \
Products and purchases can be added over HTTP (docs/services.md). Ctrl-C ends it.";

/// Flags of `vitrine demo`.
#[derive(Debug, Clone, Args)]
#[command(after_help = HELP)]
pub struct DemoArgs {
    /// Views per second of the simulated visitors; one view in twenty leads to an order
    #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub rate: u32,
    /// Seed of the shop and its visitors
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Directory for the shop's files, which are kept; without it, a temporary directory is removed at the end
    #[arg(short, long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Worker threads of the dataflow
    #[arg(short, long, value_name = "N")]
    pub workers: Option<u32>,
    /// Address and port to listen on; port 0 picks a free port, which is printed
    #[arg(short, long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

impl DemoArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        let mut request = self.settings.request(&[
            ("--workers", "dataflow.workers", self.workers.map(|workers| workers.to_string())),
            ("--listen", "server.listen", self.listen.map(|listen| listen.to_string())),
        ]);
        // The demo shows every list. Before the other flags, so that `--set` can switch a model off.
        let on = |key: &str| Flag { name: "demo".into(), key: key.into(), value: "on".into() };
        request.flags.splice(0..0, MODELS.map(on));
        request
    }
}
