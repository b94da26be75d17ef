//! What all serving threads share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use dataflow::hearing::Part;
use dataflow::time::Time;

use crate::app::{App, Floor};
use crate::endpoints::status::Categories;
use crate::forward::Forward;
use crate::limits::Places;
use crate::metrics::counters::Counters;
use crate::parameters::{Bounds, Parameters};
use crate::problem::Problem;
use crate::server::shutdown::Shutdown;
use crate::settings::Settings;
use crate::waits::Waits;

/// What is said of an answer's age.
pub(crate) struct Age {
    /// Everything up to this time is in it.
    pub(crate) as_of: Time,
    /// Sources that it lacks, or of which something is wrong.
    pub(crate) missing: Option<Arc<str>>,
}

/// The server's state, one for all threads.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) settings: Settings,
    pub(crate) shutdown: Shutdown,
    pub(crate) started: Instant,
    pub(crate) waits: Waits,
    /// Look-ups of users that other processes hold, where there are any.
    pub(crate) forward: Option<Forward>,
    /// Bytes of request bodies that are held.
    pub(crate) bodies: Places,
    /// Open status streams.
    pub(crate) streams: Places,
    /// Open connections.
    pub(crate) connections: Places,
    /// Connections answered 503 because there were too many.
    pub(crate) connections_refused: AtomicU64,
    /// Each serving thread's counters.
    pub(crate) counters: Vec<Arc<Counters>>,
    /// The categories the status names, as of the last time somebody asked.
    pub(crate) categories: Mutex<Categories>,
}

impl Shared {
    pub(crate) fn new(app: App, settings: Settings, shutdown: Shutdown) -> Self {
        Shared {
            waits: Waits::new(app.reader.snapshots().clone(), settings.waits_max),
            forward: app.peers.as_ref().map(|peers| Forward::new(peers, &settings)),
            bodies: Places::new(settings.bodies_bytes_max),
            streams: Places::new(settings.streams_max),
            connections: Places::new(settings.connections_max),
            connections_refused: AtomicU64::new(0),
            counters: (0..settings.threads).map(|_| Arc::default()).collect(),
            categories: Mutex::default(),
            started: Instant::now(),
            app,
            settings,
            shutdown,
        }
    }

    /// Whether the state of a tick may be answered from, and what is said of a list that is made of `parts`. Not a state
    /// before what was answered before, nor an older list than is asked for.
    pub(crate) fn admit(&self, tick: Time, parts: &[Part], parameters: &Parameters) -> Result<Age, Problem> {
        if !self.is_reached_again(tick) {
            return Err(Problem::BeforeTheLast);
        }
        let age = self.age(tick, parts).ok_or(Problem::NothingYet)?;
        let Some(most_ms) = parameters.staleness_ms_max else { return Ok(age) };
        let age_ms = self.app.clock.now().saturating_sub(age.as_of);
        if age_ms <= most_ms { Ok(age) } else { Err(Problem::TooOld { age_ms, most_ms, missing: age.missing }) }
    }

    /// What is said of a list that is made of `parts`, in the state of a tick; none while no time can be told at all.
    fn age(&self, tick: Time, parts: &[Part]) -> Option<Age> {
        let freshness = self.app.registry.freshness();
        if freshness.is_whole(tick) {
            return Some(Age { as_of: tick, missing: None });
        }
        // Nothing older than was answered before the last start; the tick is not.
        let as_of = freshness.as_of(tick, parts)?.max(self.app.floor.as_of);
        Some(Age { as_of, missing: freshness.missing(parts).cloned() })
    }

    /// Whether a state is no older than those that were answered with before the last start.
    pub(crate) fn is_reached_again(&self, as_of: Time) -> bool {
        let Floor { as_of: least, caught_up } = self.app.floor;
        as_of >= least && (!caught_up || self.app.ticks.has_caught_up(as_of))
    }

    /// The bounds of query parameters.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { list_size: self.app.reader.rules().list_size, wait_ms_max: self.settings.wait_ms_max }
    }
}
