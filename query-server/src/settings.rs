//! `[server]`: the HTTP server and its bounds. Every queue, body, header, connection and wait has its bound here.

use std::net::SocketAddr;

use settings::{Kind, whole};

/// A time limit.
const MS: Kind = whole(1, 3_600_000);

settings::section! {
    /// The HTTP server that the shop's pages call.
    pub struct Settings in "server" {
        /// Address and port to listen on; port 0 picks a free one and says which.
        listen: SocketAddr = "127.0.0.1:8080", "address", Kind::Address;
        /// Threads that answer requests; they share nothing with the dataflow's workers but the published indexes.
        threads: usize = 2, "threads", whole(1, 256);
        /// Connections open at the same time; one more is answered 503 and closed. Fewer where the system lets the
        /// process open fewer files; the start and `vitrine check` say so.
        connections_max: usize = 10_000, "connections", whole(1, 1_000_000);
        /// Largest header fields of a request together; more is answered with 431.
        header_bytes_max: usize = 16_384, "bytes", whole(8192, 1 << 20);
        /// Largest request target; more is answered with 414.
        uri_bytes_max: usize = 8192, "bytes", whole(256, 65_536);
        /// Largest request body; more is answered with 413.
        body_bytes_max: usize = 4_194_304, "bytes", whole(1024, 256 << 20);
        /// Bodies of all requests held at the same time; a request beyond is answered with 503.
        bodies_bytes_max: usize = 67_108_864, "bytes", whole(1024, 16 << 30);
        /// Time a client has for sending a whole request head.
        header_timeout_ms: u64 = 5000, "ms", MS;
        /// Time a client has for sending a whole request body.
        body_timeout_ms: u64 = 10_000, "ms", MS;
        /// Time a client has for taking an answer before its connection is closed.
        write_timeout_ms: u64 = 10_000, "ms", MS;
        /// Time a kept-alive connection may be silent; keep it above your balancer's own limit.
        idle_timeout_ms: u64 = 75_000, "ms", MS;
        /// Longest time a request with `after=` or a removal waits to become visible before it is answered with 503.
        wait_ms_max: u64 = 5000, "ms", whole(0, 60_000);
        /// Requests that may wait for a write to become visible; one more is answered with 503.
        waits_max: usize = 1024, "requests", whole(1, 1_000_000);
        /// Longest time an event or a removal may take to become durable before it is answered with 503.
        intake_timeout_ms: u64 = 10_000, "ms", MS;
        /// Status streams of the page open at the same time; one more is answered with 503.
        streams_max: usize = 64, "streams", whole(0, 10_000);
        /// Time from one status to the next on a stream.
        stream_interval_ms: u64 = 1000, "ms", whole(100, 60_000);
        /// Time between SIGTERM and the exit: half of it for answering what is in flight, half of what is left then for
        /// a last checkpoint, the rest for what is still to be written.
        shutdown_ms: u64 = 10_000, "ms", whole(0, 600_000);
        /// Age of the newest published state from which /readyz answers 503.
        staleness_max_ms: u64 = 10_000, "ms", whole(100, 3_600_000);
        /// File descriptors in use from which on all but a few connections are answered 503 and closed: the others are for
        /// files, brokers and databases. Told by the number of the connection's own, as the system gives the lowest that is
        /// free.
        descriptors_max: i32, fixed(i32::MAX);
        /// How long a connection closed before its request was read is drained, in milliseconds, so that the client gets to
        /// read the answer.
        linger_ms: u64, fixed(1_000);
    }
}
