//! The settings of the server, within the number of files that the system lets the process open.

use super::descriptors;
use crate::config::Config;

/// The share of the time between SIGTERM and the end that requests in flight may take.
const SERVER_SHARE: u64 = 2;

pub(super) fn server(config: &Config) -> query_server::Settings {
    let (server, descriptors) = (&config.server, descriptors::limit());
    query_server::Settings {
        connections_max: descriptors::connections(server.connections_max, descriptors),
        descriptors_max: descriptors::in_use_max(descriptors),
        shutdown_ms: server.shutdown_ms / SERVER_SHARE,
        ..server.clone()
    }
}
