//! Several processes as one: who they are, how they find and trust each other, and what they must agree on.
//!
//! ```text
//! hosts file ─▶ links: each process calls those before it, is called by those after it
//!                 └▶ on each link: who are you? ─▶ proof of the key, and how we are set up ─▶ the same? ─▶ to the engine
//! ```
//! Process 0 decides from which checkpoint all go on, and how far answers may have gone before. All of a generation
//! start together and end together: a process that finds another generation on a link ends. One that is set up otherwise
//! than another, or writes its checkpoints to another directory, ends as with any wrong configuration, and so does the other.

mod alike;
mod calls;
mod handshake;
pub(crate) mod hosts;
mod links;
mod patience;
mod token;
mod watchdog;

use std::net::TcpStream;

use anyhow::{Context as _, anyhow, bail};
use checkpoints::{Fingerprint, ServedWatermark};
use dataflow::time::Time;
use query_server::Peers;

use self::alike::{Facts, Unlike};
use self::handshake::End;
use self::hosts::Reach;
use crate::config::Config;

pub(super) use watchdog::Watchdog;

/// What process 0 found when it started; all others go by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Start {
    /// The checkpoint that all go on from, if there is one.
    pub(super) checkpoint: Option<Time>,
    /// What was answered with before, if anything was.
    pub(super) floor: Option<ServedWatermark>,
    /// Tells this start from all others.
    generation: u64,
}

impl Start {
    /// Of process 0.
    pub(super) fn new(checkpoint: Option<Time>, floor: Option<ServedWatermark>) -> anyhow::Result<Start> {
        let generation = getrandom::u64().map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
        Ok(Start { checkpoint, floor, generation })
    }
}

/// A place in the cluster that has come together.
pub(super) struct Member {
    pub(super) cluster: dataflow::cluster::Cluster,
    /// Where the server finds the others.
    pub(super) peers: Peers,
    pub(super) start: Start,
}

/// Waits until all processes are there and linked. `start` is given by process 0, and by no other.
///
/// # Errors
/// When the hosts file or an address in it cannot be used, or another process is not one of ours.
pub(super) fn join(config: &Config, start: Option<Start>) -> anyhow::Result<Member> {
    let settings = &config.cluster;
    let hosts = hosts::of(settings)?;
    let dir = config.checkpoint.as_ref().map(|checkpoint| checkpoint.dir.as_path());
    if let (Some(start), Some(dir)) = (start, dir) {
        token::leave(dir, start.generation).with_context(|| format!("cannot mark this start in {}", dir.display()))?;
    }
    let own = End { process: settings.process, key: &settings.key, facts: &facts(config), start, dir };
    let (links, start) = links::join(&hosts, Reach::of(settings), own)?;
    let start = start.context("process 0 has said nothing")?;
    let cluster = dataflow::cluster::Cluster { process: settings.process, links };
    let addresses = hosts.into_iter().map(|host| host.http).collect();
    Ok(Member { cluster, peers: Peers { addresses }, start })
}

/// Whether a start would fail again however often it is tried, until somebody changes what is configured.
pub(crate) fn is_misconfigured(error: &anyhow::Error) -> bool {
    hosts::is_misconfigured(error) || error.downcast_ref::<Unlike>().is_some_and(|unlike| unlike.lasts)
}

/// How this process is set up.
fn facts(config: &Config) -> Facts {
    Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        processes: config.cluster.processes,
        workers: config.dataflow.workers,
        id_key: Fingerprint::of(&config.dataflow.id_key).to_string(),
        rules: format!("{:?}", config.rules),
        views: config.kafka.as_ref().map(|kafka| format!("{:?} {}", kafka.views, kafka.removals)),
        brokers: config.kafka.as_ref().map(|kafka| kafka.brokers.clone()),
        checkpoints: config.checkpoint.is_some(),
        changes: config.sinks.changes.is_some(),
    }
}

/// A link to each process but this one.
type Links = Vec<Option<TcpStream>>;

/// What a process that is not process 0 makes of its own checkpoints once it knows process 0's.
pub(super) fn agree(own: Option<Time>, start: &Start) -> anyhow::Result<Option<Time>> {
    match (own, start.checkpoint) {
        (None, None) => Ok(None),
        (_, Some(tick)) => Ok((own != Some(tick)).then_some(tick)),
        (Some(tick), None) => {
            bail!("process 0 finds no checkpoint and this process finds one of {tick}: is the directory shared?")
        }
    }
}
