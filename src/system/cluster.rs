//! Several processes as one system: their identities, how they find and trust each other, and the settings they must
//! share.
//!
//! ```text
//! hosts file ─▶ links: each process calls lower numbers, is called by higher numbers
//!                 └▶ on each link: who are you? ─▶ TLS ─▶ proof of the key, settings ─▶ equal? ─▶ to the engine
//! ```
//! Process 0 decides from which checkpoint all processes continue, and which served time they must respect. All
//! processes of a generation start together and end together: a process that finds another generation on a link ends.
//! If two processes have different settings, or write their checkpoints to different directories, both end, as with any
//! wrong configuration.

mod alike;
mod calls;
mod handshake;
pub(crate) mod hosts;
mod links;
mod patience;
mod severing;
mod token;
mod watchdog;

use anyhow::{Context as _, anyhow, bail};
use checkpoints::{Fingerprint, ServedWatermark};
use dataflow::cluster::Link;
use dataflow::time::Time;
use query_server::Peers;

use self::alike::{Facts, Unlike};
use self::handshake::End;
use self::hosts::Reach;
use crate::config::Config;

pub(super) use severing::sever;
pub(super) use watchdog::Watchdog;

/// The state that process 0 found at its start; all other processes follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Start {
    /// The checkpoint from which all processes continue, if there is one.
    pub(super) checkpoint: Option<Time>,
    /// The served watermark from before the start, if there is one.
    pub(super) floor: Option<ServedWatermark>,
    /// A random number that distinguishes this start from all others.
    generation: u64,
}

impl Start {
    /// The start as process 0 finds it.
    pub(super) fn new(checkpoint: Option<Time>, floor: Option<ServedWatermark>) -> anyhow::Result<Start> {
        let generation = getrandom::u64().map_err(|error| anyhow!("the system gives no random numbers: {error}"))?;
        Ok(Start { checkpoint, floor, generation })
    }
}

/// The place in a cluster whose processes are all linked.
pub(super) struct Member {
    pub(super) cluster: dataflow::cluster::Cluster,
    /// The HTTP addresses of the other processes, for the server.
    pub(super) peers: Peers,
    pub(super) start: Start,
}

/// Waits until all processes are present and linked. Only process 0 passes `start`.
///
/// # Errors
/// When the hosts file or an address in it cannot be used, or another process cannot work together with this one.
pub(super) fn join(config: &Config, start: Option<Start>) -> anyhow::Result<Member> {
    let settings = &config.cluster;
    let hosts = hosts::of(settings)?;
    let dir = config.checkpoint.as_ref().map(|checkpoint| checkpoint.dir.as_path());
    if let (Some(start), Some(dir)) = (start, dir) {
        token::leave(dir, start.generation).with_context(|| format!("cannot mark this start in {}", dir.display()))?;
    }
    let own = End { process: settings.process, key: &settings.key, facts: &facts(config), start, dir };
    let (links, start) = links::join(&hosts, Reach::of(settings), own)?;
    let start = start.context("process 0 did not say where to start")?;
    let cluster = dataflow::cluster::Cluster { process: settings.process, links };
    let addresses = hosts.into_iter().map(|host| host.http).collect();
    Ok(Member { cluster, peers: Peers { addresses, secret: format!("{:016x}", start.generation) }, start })
}

/// Whether the start would fail again at every attempt, until the configuration changes.
pub(crate) fn is_misconfigured(error: &anyhow::Error) -> bool {
    hosts::is_misconfigured(error) || error.downcast_ref::<Unlike>().is_some_and(|unlike| unlike.lasts)
}

/// The settings of this process that must match.
fn facts(config: &Config) -> Facts {
    Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        processes: config.cluster.processes,
        workers: config.dataflow.workers,
        id_key: Fingerprint::of(&config.dataflow.id_key).to_string(),
        settings: config.shared.clone(),
    }
}

/// A link to each other process.
type Links = Vec<Option<Link>>;

/// In a process other than process 0: the checkpoint to use instead of its own, once process 0's is known.
pub(super) fn agree(own: Option<Time>, start: &Start) -> anyhow::Result<Option<Time>> {
    match (own, start.checkpoint) {
        (None, None) => Ok(None),
        (_, Some(tick)) => Ok((own != Some(tick)).then_some(tick)),
        (Some(tick), None) => {
            bail!(
                "process 0 finds no checkpoint and this process finds one of {tick}: `checkpoint.dir` must be one shared directory"
            )
        }
    }
}
