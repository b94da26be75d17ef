//! The state from which a start continues: a checkpoint, the other processes, and the served watermark.

use std::sync::Arc;
use std::time::Duration;

use ::checkpoints::ServedWatermark;
use anyhow::Context as _;
use dataflow::dictionary::Dictionary;
use dataflow::lease::TimestampLease;
use dataflow::source_status::SourceRegistry;
use dataflow::time::ServiceClock;

use super::checkpoints::{self, Found, Restored, WatermarkThread};
use super::cluster::{self, Member, Start};
use crate::clock::WallClock;
use crate::config::{self, Config};

/// The state before a start, as far as there is any.
pub(super) struct StartingPoint {
    /// The directory of checkpoints, and the checkpoint restored from it.
    pub(super) found: Option<Found>,
    /// The rows of that checkpoint.
    pub(super) restored: Option<Arc<Restored>>,
    /// The place of this process among the others.
    pub(super) member: Option<Member>,
    /// Raises the served watermark, if this process keeps it.
    pub(super) watermark: Option<WatermarkThread>,
    /// The service clock.
    pub(super) clock: Arc<dyn ServiceClock>,
    /// The floor: older states are not served.
    pub(super) floor: ServedWatermark,
}

impl StartingPoint {
    /// Opens the checkpoints, joins the other processes if there are any, and agrees with them to use the checkpoint
    /// that process 0 restores.
    pub(super) fn find(
        config: &Config,
        dictionary: &Dictionary,
        registry: &SourceRegistry,
    ) -> anyhow::Result<StartingPoint> {
        let mut found =
            config.checkpoints_written().map(|settings| checkpoints::open(settings, config, dictionary)).transpose()?;
        let own = found.as_ref().and_then(|found| found.restored.as_ref()).map(|restored| restored.tick());
        let (watermark, served, member);
        if config.cluster.leads() {
            watermark = watermark_thread(config, registry)?;
            served = watermark.as_ref().and_then(WatermarkThread::floor);
            let start = config.cluster.is_shared().then(|| Start::new(own, served)).transpose()?;
            member = start.map(|start| cluster::join(config, Some(start))).transpose()?;
        } else {
            let joined = cluster::join(config, None)?;
            if let Some(tick) = cluster::agree(own, &joined.start)? {
                found.as_mut().context("process 0 restores a checkpoint")?.go_on_from(tick, dictionary)?;
            }
            // Ticks and their times come from process 0, which keeps the served watermark.
            (watermark, served, member) = (None, joined.start.floor, Some(joined));
        }
        let restored = found.as_ref().and_then(|found| found.restored.clone());
        let floor = floor_of(served, restored.as_deref());
        Ok(StartingPoint { found, restored, member, watermark, clock: clock_after(config, served), floor })
    }

    /// The lease of visible ticks, if the served watermark is kept.
    pub(super) fn lease(&self) -> Option<Arc<dyn TimestampLease>> {
        self.watermark.as_ref().map(|watermark| watermark.lease() as Arc<dyn TimestampLease>)
    }
}

/// The served watermark is kept beside the checkpoints, if there are any.
fn watermark_thread(config: &Config, registry: &SourceRegistry) -> anyhow::Result<Option<WatermarkThread>> {
    let start = |settings: &config::Checkpoint| WatermarkThread::start(&settings.dir, registry.source("answers"));
    config.checkpoint.as_ref().map(start).transpose()
}

/// A clock that starts no earlier than the last answer.
fn clock_after(config: &Config, served: Option<ServedWatermark>) -> Arc<WallClock> {
    let forward_jump_max = Duration::from_millis(config.dataflow.forward_jump_max_ms);
    Arc::new(WallClock::from(served.map_or(0, |served| served.tick), forward_jump_max))
}

/// The state than which answers must not be older. Without a served watermark this is the restored state; then it is
/// not known whether a newer state was served.
fn floor_of(served: Option<ServedWatermark>, restored: Option<&Restored>) -> ServedWatermark {
    let unknown = served.is_none();
    let restored =
        restored.map(|restored| ServedWatermark { tick: restored.tick(), begun: unknown, caught_up: unknown });
    served.unwrap_or_default().and(restored.unwrap_or_default())
}
