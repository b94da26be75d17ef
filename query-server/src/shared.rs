//! What all serving threads share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Instant;

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
            waits: Waits::new(app.shelf.slots().clone(), settings.waits_max),
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

    /// Whether a state may be answered from: not one before what was answered before, nor an older one than is asked for.
    pub(crate) fn admit(&self, as_of: Time, parameters: &Parameters) -> Result<(), Problem> {
        if !self.is_reached_again(as_of) {
            return Err(Problem::BeforeTheLast);
        }
        let Some(most_ms) = parameters.staleness_ms_max else { return Ok(()) };
        let age_ms = self.app.clock.now().saturating_sub(as_of);
        if age_ms <= most_ms { Ok(()) } else { Err(Problem::TooOld { age_ms, most_ms }) }
    }

    /// Whether a state is no older than those that were answered with before the last start.
    pub(crate) fn is_reached_again(&self, as_of: Time) -> bool {
        let Floor { as_of: least, caught_up } = self.app.floor;
        as_of >= least && (!caught_up || self.app.ticks.has_caught_up(as_of))
    }

    /// The bounds of query parameters.
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds { list_size: self.app.shelf.rules().list_size, wait_ms_max: self.settings.wait_ms_max }
    }
}
