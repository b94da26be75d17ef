//! What the endpoints behind the router work with: the read state, the writing side, limits and counters.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::Bytes;

use crate::app::App;
use crate::categories::Categories;
use crate::cors::Cors;
use crate::counters::{Counters, RouteSums};
use crate::limits::Limit;
use crate::read_state::ReadState;
use crate::settings::Settings;
use crate::shadow_report::KeptReport;
use crate::shutdown::Shutdown;

/// The server's state, shared by all threads.
pub(crate) struct Operations {
    pub(crate) app: App,
    pub(crate) read: Arc<ReadState>,
    /// The lists of the shadow, if they are kept.
    pub(crate) shadow: Option<ReadState>,
    pub(crate) shadow_report: KeptReport,
    pub(crate) settings: Settings,
    pub(crate) shutdown: Shutdown,
    pub(crate) started: Instant,
    /// Bytes of request bodies.
    pub(crate) bodies: Limit,
    /// Open status streams.
    pub(crate) streams: Limit,
    /// Clients that follow a list.
    pub(crate) readers: Limit,
    /// Imports and exports.
    pub(crate) transfers: Limit,
    /// Operations in progress that the audit log has an entry on. Some of them may have lost their client.
    pub(crate) audited: Limit,
    /// Held by the write of a rule, from its check until it is visible: each write counts all rules before it.
    pub(crate) rule_write: tokio::sync::Mutex<()>,
    /// Open connections.
    pub(crate) connections: Limit,
    /// Connections answered 503 because too many were open.
    pub(crate) connections_refused: AtomicU64,
    /// The counters of each serving thread.
    pub(crate) counters: Vec<Counters>,
    pub(crate) categories: Categories,
    /// The pages of other origins that may read answers.
    pub(crate) cors: Cors,
    /// The OpenAPI document.
    pub(crate) openapi: Bytes,
}

impl Operations {
    pub(crate) fn new(
        app: App,
        settings: Settings,
        shutdown: Shutdown,
        labels: &[&'static str],
        openapi: Bytes,
    ) -> Self {
        let read = Arc::new(ReadState::new(&app, &settings));
        Operations {
            shadow: read.in_shadow(&app),
            shadow_report: KeptReport::default(),
            read,
            bodies: Limit::new(settings.bodies_bytes_max),
            streams: Limit::new(settings.streams_max),
            readers: Limit::new(settings.readers_max),
            transfers: Limit::new(settings.transfers_max),
            // Only operations without a client can be more than the connections.
            audited: Limit::new(settings.connections_max),
            rule_write: tokio::sync::Mutex::default(),
            connections: Limit::new(settings.connections_max),
            connections_refused: AtomicU64::new(0),
            counters: (0..settings.threads).map(|_| Counters::new(labels)).collect(),
            categories: Categories::default(),
            cors: Cors::new(&settings.cors_origins),
            started: Instant::now(),
            openapi,
            app,
            settings,
            shutdown,
        }
    }

    /// The sum of all threads' counters, by route.
    pub(crate) fn request_sums(&self) -> Vec<RouteSums> {
        Counters::sums(&self.counters)
    }
}
