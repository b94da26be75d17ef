//! From the configuration's units to those of the parts.

use dataflow::rules::{DAY_MS, Rules};
use dataflow::tick_scheduler::TickPolicy;

use super::descriptors;
use crate::config::{Config, Missing};

/// Of the time between SIGTERM and the end, the share that requests in flight may take.
const SERVER_SHARE: u64 = 2;

pub(crate) fn rules(config: &Config) -> Rules {
    Rules {
        list_size: config.rules.list_size,
        window_ms: config.rules.window_days * DAY_MS,
        categories_max: config.rules.categories_max,
        items_min: config.rules.items_min,
        deleted: config.rules.deleted_products,
        missing_is_deleted: config.rules.missing_products == Missing::Deleted,
    }
}

pub(super) fn ticks(config: &Config) -> TickPolicy {
    TickPolicy {
        tick_ms: config.dataflow.tick_ms,
        idle_tick_ms: config.dataflow.idle_tick_ms,
        tick_ms_max: config.dataflow.tick_ms_max,
        batch_max: config.dataflow.batch_max,
        behind_min: config.dataflow.behind_min,
    }
}

pub(super) fn server(config: &Config) -> query_server::Settings {
    let (server, descriptors) = (&config.server, descriptors::limit());
    query_server::Settings {
        threads: server.threads,
        connections_max: descriptors::connections(server.connections_max, descriptors),
        descriptors_max: descriptors::in_use_max(descriptors),
        header_bytes_max: server.header_bytes_max,
        uri_bytes_max: server.uri_bytes_max,
        body_bytes_max: server.body_bytes_max,
        bodies_bytes_max: server.bodies_bytes_max,
        header_timeout_ms: server.header_timeout_ms,
        body_timeout_ms: server.body_timeout_ms,
        write_timeout_ms: server.write_timeout_ms,
        idle_timeout_ms: server.idle_timeout_ms,
        wait_ms_max: server.wait_ms_max,
        waits_max: server.waits_max,
        intake_timeout_ms: server.intake_timeout_ms,
        streams_max: server.streams_max,
        stream_interval_ms: server.stream_interval_ms,
        staleness_max_ms: server.staleness_max_ms,
        shutdown_ms: server.shutdown_ms / SERVER_SHARE,
        ..query_server::Settings::default()
    }
}
