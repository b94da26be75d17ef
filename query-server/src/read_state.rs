//! What the lists are read from, shared by all serving threads: all that a look-up needs.

use std::sync::Arc;
use std::time::Duration;

use dataflow::engine::TickCounter;
use dataflow::freshness::InputKind;
use dataflow::index_reader::IndexReader;
use dataflow::source_status::SourceRegistry;
use dataflow::time::{ServiceClock, Time};
use recommend::shadow::ListMaker;
use recommend::{Online, Recommender};

use crate::app::{App, Floor};
use crate::forward::Forward;
use crate::parameters::{ParameterBounds, Parameters};
use crate::problem::Problem;
use crate::settings::Settings;
use crate::visibility::VisibilityWaits;

/// The age of a list.
pub(crate) struct ListAge {
    /// The list holds everything up to this time.
    pub(crate) as_of: Time,
    /// The sources whose newer records it lacks, if there are any.
    pub(crate) missing: Option<Arc<str>>,
}

/// The state that lists are read from.
pub(crate) struct ReadState {
    pub(crate) reader: IndexReader,
    pub(crate) recommender: Arc<Recommender>,
    /// Counts what becomes of recommendations, where this is wanted.
    pub(crate) online: Option<Arc<Online>>,
    registry: Arc<SourceRegistry>,
    ticks: TickCounter,
    clock: Arc<dyn ServiceClock>,
    floor: Floor,
    bounds: ParameterBounds,
    pub(crate) waits: Arc<VisibilityWaits>,
    /// The way to the processes that hold other users; none in a process on its own.
    pub(crate) forward: Option<Forward>,
}

impl ReadState {
    pub(crate) fn new(app: &App, settings: &Settings) -> Self {
        let waits = Arc::new(VisibilityWaits::new(app.reader.snapshots().clone(), settings.waits_max));
        ReadState {
            reader: app.reader.clone(),
            recommender: app.recommender.clone(),
            online: app.online.clone(),
            registry: app.registry.clone(),
            ticks: app.ticks.clone(),
            clock: app.clock.clone(),
            floor: app.floor,
            bounds: ParameterBounds::new(app.reader.rules(), settings.wait_ms_max),
            forward: app.peers.as_ref().map(|peers| Forward::new(peers, settings, app.tls.clone(), waits.clone())),
            waits,
        }
    }

    /// The same state for the lists of the shadow, if they are kept. Nothing is counted of them, and no request is passed on.
    pub(crate) fn in_shadow(&self, app: &App) -> Option<ReadState> {
        let ListMaker { reader, recommender } = app.shadow.as_ref()?.lists.clone();
        Some(ReadState {
            reader,
            recommender,
            online: None,
            registry: self.registry.clone(),
            ticks: self.ticks.clone(),
            clock: self.clock.clone(),
            floor: self.floor,
            bounds: self.bounds,
            waits: self.waits.clone(),
            forward: None,
        })
    }

    /// The age of a list made of `kinds` of input, in the state of `tick`.
    ///
    /// # Errors
    /// When the state is older than the last state served before the restart, or the list older than the request
    /// allows.
    pub(crate) fn admit(&self, tick: Time, kinds: &[InputKind], parameters: &Parameters) -> Result<ListAge, Problem> {
        if !self.has_reached_floor(tick) {
            return Err(Problem::CatchingUp);
        }
        let age = self.age(tick, kinds).ok_or(Problem::Starting)?;
        let Some(most_ms) = parameters.staleness_ms_max else { return Ok(age) };
        let age_ms = self.clock.now().saturating_sub(age.as_of);
        if age_ms <= most_ms { Ok(age) } else { Err(Problem::TooOld { age_ms, most_ms, missing: age.missing }) }
    }

    /// The age of a list made of `kinds` of input, in the state of `tick`; none while its time is not known.
    fn age(&self, tick: Time, kinds: &[InputKind]) -> Option<ListAge> {
        // Purchases may also come from events.
        let of_events = kinds.contains(&InputKind::Shop) && self.reader.rules().event_use().purchases;
        let kinds = if of_events { &InputKind::ALL } else { kinds };
        let freshness = self.registry.freshness();
        if freshness.is_whole(tick) {
            return Some(ListAge { as_of: tick, missing: None });
        }
        // The tick has reached the floor, so no list is older than the floor either.
        let as_of = freshness.as_of(tick, kinds)?.max(self.floor.as_of);
        Some(ListAge { as_of, missing: freshness.missing(kinds).cloned() })
    }

    /// Whether a state is at least as new as the last state served before the restart.
    pub(crate) fn has_reached_floor(&self, as_of: Time) -> bool {
        let Floor { as_of: least, caught_up } = self.floor;
        as_of >= least && (!caught_up || self.ticks.has_caught_up(as_of))
    }

    /// The bounds of query parameters.
    pub(crate) fn bounds(&self) -> ParameterBounds {
        self.bounds
    }

    /// The longest wait for a position or a tick.
    pub(crate) fn wait_max(&self) -> Duration {
        Duration::from_millis(self.bounds.wait_ms_max)
    }
}
