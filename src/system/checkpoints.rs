//! Checkpoints: restoring one at the start, and the thread that takes them while the system runs.
//!
//! ```text
//! start:  store ─▶ newest that verifies ─▶ names, rows, positions ─▶ sources and workers continue from its tick
//! then:   every so often: cut ─▶ rows of the delta logs, or all of them ─▶ store (durable) ─▶ sources may discard
//! ```
//! A checkpoint is a delta as long as the workers could log all updates, and as long as the rows to read at a start
//! stay within twice the size of the state; otherwise it is full. So its cost follows the changes.

mod keeper;
mod watermark;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use checkpoints::{Damage, Durable, Finding, Fingerprint, Place, RealDisk, Store};
use dataflow::dictionary::Dictionary;
use dataflow::time::Time;

use crate::config::{self, Config};

pub(super) use ::checkpoints::Restored;
pub(super) use keeper::{Keeper, Keeping};
pub(super) use watermark::WatermarkThread;

/// Receives the positions that a checkpoint has made durable: sources may discard the records before.
pub(super) type AcknowledgePositions = Arc<dyn Fn(&Durable) + Send + Sync>;

/// A directory of checkpoints that this process writes to, and the checkpoint found there.
pub(super) struct Found {
    pub(super) store: Store,
    pub(super) every: Duration,
    pub(super) restored: Option<Arc<Restored>>,
    pub(super) id_key: Fingerprint,
    /// Limit of updates that each worker logs between two checkpoints.
    pub(super) journal_max: usize,
}

/// Opens the directory and reads the names of the checkpoint found there into the dictionary.
///
/// # Errors
/// When the directory cannot be used, or its content must not be overwritten.
pub(super) fn open(settings: &config::Checkpoint, config: &Config, dictionary: &Dictionary) -> anyhow::Result<Found> {
    let (part, parts) = (u32::try_from(config.cluster.process)?, u32::try_from(config.cluster.processes)?);
    let place = Place { dir: settings.dir.clone(), part, parts, keep: settings.keep };
    let id_key = Fingerprint::of(&config.dataflow.id_key);
    let dir = settings.dir.display();
    let mut store =
        Store::open(place, Arc::new(RealDisk)).with_context(|| format!("cannot use the checkpoints in {dir}"))?;
    let latest = store.restore(id_key).with_context(|| format!("cannot continue from the checkpoints in {dir}"))?;
    for (finding, matter) in matters(&latest.findings, latest.checkpoint.is_some()) {
        match matter {
            Matter::Unfinished(text) => tracing::info!(%finding, "{text}"),
            Matter::Damaged(text) => tracing::error!(%finding, "{text}"),
        }
    }
    let restored = match latest.checkpoint {
        Some(checkpoint) => Some(Arc::new(Restored::read(checkpoint, dictionary)?)),
        None => None,
    };
    match &restored {
        Some(restored) => {
            tracing::info!(as_of_ms = restored.tick(), rows = restored.rows(), "going on from a checkpoint")
        }
        None => {
            tracing::info!(%dir, "there is no checkpoint yet that can be used: everything is read from the beginning")
        }
    }
    Ok(Found { store, every: settings.every, restored, id_key, journal_max: settings.journal_max })
}

/// The meaning of a finding for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Matter {
    /// Nothing is wrong.
    Unfinished(&'static str),
    /// An operator should check the disk.
    Damaged(&'static str),
}

/// The messages about checkpoints that are not used; `goes_on` says whether an older one is.
fn matters(findings: &[Finding], goes_on: bool) -> impl Iterator<Item = (&Finding, Matter)> {
    findings.iter().map(move |finding| {
        let matter = match (&finding.damage, goes_on) {
            (Damage::Parts { .. }, _) => Matter::Unfinished(
                "a checkpoint is skipped: the processes of the cluster ended before all had written their parts",
            ),
            (_, true) => Matter::Damaged(
                "a checkpoint is damaged: an older one is used, and all later records are read again",
            ),
            (_, false) => Matter::Damaged(
                "a checkpoint is damaged, and no older one is left: everything is read again from the beginning, and what \
                 the topics do not hold any more is lost",
            ),
        };
        (finding, matter)
    })
}

impl Found {
    /// Continues from a checkpoint other than the newest: process 0 of the cluster has chosen it.
    ///
    /// # Errors
    /// When it does not exist, or cannot be read.
    pub(super) fn go_on_from(&mut self, tick: Time, dictionary: &Dictionary) -> anyhow::Result<()> {
        let what = || {
            format!(
                "cannot continue from the checkpoint of {tick}, as process 0 does: `checkpoint.dir` must be one shared directory"
            )
        };
        let checkpoint = self.store.at(tick, self.id_key).with_context(what)?;
        checkpoint.verify_all().with_context(what)?;
        self.restored = Some(Arc::new(Restored::read(checkpoint, dictionary)?));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(damage: Damage) -> Finding {
        Finding { tick: Some(7), path: "checkpoints".into(), bytes: None, damage }
    }

    #[test]
    fn a_part_that_was_not_written_is_no_damage_and_what_is_lost_is_said() {
        let findings = [finding(Damage::Parts { present: 1, parts: 2 }), finding(Damage::Missing)];
        for (goes_on, said) in [(true, "an older one is used"), (false, "is lost")] {
            let matters: Vec<Matter> = matters(&findings, goes_on).map(|(_, matter)| matter).collect();
            let [Matter::Unfinished(_), Matter::Damaged(text)] = matters[..] else { panic!("{matters:?}") };
            assert!(text.contains(said), "{text}");
        }
    }
}
