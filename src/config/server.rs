//! `[server]`: the HTTP listener and its limits.

use std::net::SocketAddr;

use super::kind::Kind;
use super::setting::{Section, Setting};
use super::values::Values;

const MS: Kind = Kind::Integer { min: 1, max: 3_600_000 };

pub(super) const SECTION: Section = Section {
    name: "server",
    sentence: "The HTTP server that the shop's pages call.",
    settings: &[
        Setting::new(
            "server.listen",
            Kind::Address,
            "address",
            "\"127.0.0.1:8080\"",
            "Address and port to listen on; port 0 picks a free one and says which.",
        ),
        Setting::new(
            "server.threads",
            Kind::Integer { min: 1, max: 256 },
            "threads",
            "2",
            "Threads that answer requests; they share nothing with the dataflow's workers but the published indexes.",
        ),
        Setting::new(
            "server.connections_max",
            Kind::Integer { min: 1, max: 1_000_000 },
            "connections",
            "10000",
            "Connections open at the same time; one more is answered 503 and closed. Fewer where the system lets the process open fewer files; the start and `vitrine check` say so.",
        ),
        Setting::new(
            "server.header_bytes_max",
            Kind::Integer { min: 8192, max: 1 << 20 },
            "bytes",
            "16384",
            "Largest header fields of a request together; more is answered with 431.",
        ),
        Setting::new(
            "server.uri_bytes_max",
            Kind::Integer { min: 256, max: 65_536 },
            "bytes",
            "8192",
            "Largest request target; more is answered with 414.",
        ),
        Setting::new(
            "server.body_bytes_max",
            Kind::Integer { min: 1024, max: 256 << 20 },
            "bytes",
            "4194304",
            "Largest request body; more is answered with 413.",
        ),
        Setting::new(
            "server.bodies_bytes_max",
            Kind::Integer { min: 1024, max: 16 << 30 },
            "bytes",
            "67108864",
            "Bodies of all requests held at the same time; a request beyond is answered with 503.",
        ),
        Setting::new(
            "server.header_timeout_ms",
            MS,
            "ms",
            "5000",
            "Time a client has for sending a whole request head.",
        ),
        Setting::new(
            "server.body_timeout_ms",
            MS,
            "ms",
            "10000",
            "Time a client has for sending a whole request body.",
        ),
        Setting::new(
            "server.write_timeout_ms",
            MS,
            "ms",
            "10000",
            "Time a client has for taking an answer before its connection is closed.",
        ),
        Setting::new(
            "server.idle_timeout_ms",
            MS,
            "ms",
            "75000",
            "Time a kept-alive connection may be silent; keep it above your balancer's own limit.",
        ),
        Setting::new(
            "server.wait_ms_max",
            Kind::Integer { min: 0, max: 60_000 },
            "ms",
            "5000",
            "Longest time a request with `after=` or a removal waits to become visible before it is answered with 503.",
        ),
        Setting::new(
            "server.waits_max",
            Kind::Integer { min: 1, max: 1_000_000 },
            "requests",
            "1024",
            "Requests that may wait for a write to become visible; one more is answered with 503.",
        ),
        Setting::new(
            "server.intake_timeout_ms",
            MS,
            "ms",
            "10000",
            "Longest time an event or a removal may take to become durable before it is answered with 503.",
        ),
        Setting::new(
            "server.streams_max",
            Kind::Integer { min: 0, max: 10_000 },
            "streams",
            "64",
            "Status streams of the page open at the same time; one more is answered with 503.",
        ),
        Setting::new(
            "server.stream_interval_ms",
            Kind::Integer { min: 100, max: 60_000 },
            "ms",
            "1000",
            "Time from one status to the next on a stream.",
        ),
        Setting::new(
            "server.shutdown_ms",
            Kind::Integer { min: 0, max: 600_000 },
            "ms",
            "10000",
            "Time between SIGTERM and the exit: half of it for answering what is in flight, half of what is left then for a last checkpoint, the rest for what is still to be written.",
        ),
        Setting::new(
            "server.staleness_max_ms",
            Kind::Integer { min: 100, max: 3_600_000 },
            "ms",
            "10000",
            "Age of the newest published state from which /readyz answers 503.",
        ),
    ],
};

/// `[server]`, in the units of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each field is documented by the sentence of its setting above")]
pub struct Server {
    pub listen: SocketAddr,
    pub threads: usize,
    pub connections_max: usize,
    pub header_bytes_max: usize,
    pub uri_bytes_max: usize,
    pub body_bytes_max: usize,
    pub bodies_bytes_max: usize,
    pub header_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub write_timeout_ms: u64,
    pub idle_timeout_ms: u64,
    pub wait_ms_max: u64,
    pub waits_max: usize,
    pub intake_timeout_ms: u64,
    pub streams_max: usize,
    pub stream_interval_ms: u64,
    pub shutdown_ms: u64,
    pub staleness_max_ms: u64,
}

impl Server {
    pub(super) fn read(values: &Values) -> Server {
        Server {
            listen: values.address("server.listen"),
            threads: values.size("server.threads"),
            connections_max: values.size("server.connections_max"),
            header_bytes_max: values.size("server.header_bytes_max"),
            uri_bytes_max: values.size("server.uri_bytes_max"),
            body_bytes_max: values.size("server.body_bytes_max"),
            bodies_bytes_max: values.size("server.bodies_bytes_max"),
            header_timeout_ms: values.integer("server.header_timeout_ms"),
            body_timeout_ms: values.integer("server.body_timeout_ms"),
            write_timeout_ms: values.integer("server.write_timeout_ms"),
            idle_timeout_ms: values.integer("server.idle_timeout_ms"),
            wait_ms_max: values.integer("server.wait_ms_max"),
            waits_max: values.size("server.waits_max"),
            intake_timeout_ms: values.integer("server.intake_timeout_ms"),
            streams_max: values.size("server.streams_max"),
            stream_interval_ms: values.integer("server.stream_interval_ms"),
            shutdown_ms: values.integer("server.shutdown_ms"),
            staleness_max_ms: values.integer("server.staleness_max_ms"),
        }
    }
}
