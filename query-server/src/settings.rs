//! `[server]`: the HTTP server and its bounds. Every queue, body, header, connection and wait has its bound here.

use std::net::SocketAddr;
use std::path::PathBuf;

use settings::{Kind, Value, whole};

use crate::cors::{ANY, is_origin};

/// Origins of pages.
const ORIGINS: Kind = Kind::List {
    allowed: "a list of origins, such as [\"https://shop.example\"], or [\"*\"] for all of them",
    takes: |origins| origins == [ANY] || origins.iter().all(|origin| is_origin(origin)),
};

/// A time limit.
const MS: Kind = whole(1, 3_600_000);

settings::section! {
    /// The HTTP server that the shop's pages call.
    pub struct Settings in "server" {
        /// Address and port to listen on. Port 0 selects a free port and logs it.
        listen: SocketAddr = "127.0.0.1:8080", "address", Kind::Address;
        /// File with the certificate of the server in PEM, and those that lead to its root behind it. With it and
        /// `tls_key`, the server speaks TLS only. Both files are read again when they change. "": no TLS.
        tls_cert: Option<PathBuf> = "", "file", Kind::Path { empty: true };
        /// File with the private key of the certificate, in PEM.
        tls_key: Option<PathBuf> = "", "file", Kind::Path { empty: true };
        /// File with the certificates of authorities in PEM. In a cluster with TLS, a process passes requests on to others
        /// whose certificate leads to one of them and is for their host. "": all processes have the same certificate.
        tls_ca: Option<PathBuf> = "", "file", Kind::Path { empty: true };
        /// Origins of other servers whose pages may call the API from a browser (CORS). Empty: none.
        cors_origins: Vec<String> = [], "origins", ORIGINS;
        /// Threads that answer requests. They share only the published indexes with the workers of the dataflow.
        threads: usize = 2, "threads", whole(1, 256);
        /// Limit of open connections. A further connection gets 503 and is closed. While as many as a quarter of this
        /// number (at least 4, at most 64) get this answer, and always with TLS, it is closed without an answer. The limit is
        /// lower if the system allows the process fewer open files; the log and `vitrine check` report this.
        connections_max: usize = 10_000, "connections", whole(1, 1_000_000);
        /// Limit of all header fields of a request. A larger header gets 431.
        header_bytes_max: usize = 16_384, "bytes", whole(8192, 1 << 20);
        /// Limit of a request target. A longer target gets 414.
        uri_bytes_max: usize = 8192, "bytes", whole(256, 65_536);
        /// Limit of a request body. A larger body gets 413.
        body_bytes_max: usize = 4_194_304, "bytes", whole(1024, 256 << 20);
        /// Limit of the bodies of all requests in memory. A request beyond it gets 503.
        bodies_bytes_max: usize = 67_108_864, "bytes", whole(1024, 16 << 30);
        /// Limit of an imported file (`/v1/import/…`), compressed and decompressed. A larger file gets 413 or 422.
        import_bytes_max: u64 = 17_179_869_184, "bytes", whole(1024, 1 << 42);
        /// Limit of imports and exports at a time. A further request gets 503.
        transfers_max: usize = 4, "requests", whole(1, 64);
        /// Whether a change of a row that is there needs its tag in If-Match. If it does, a change without it gets 428,
        /// and PUT without it only adds rows. DELETE of a user, batches and imports need none.
        if_match_required as "if_match": bool = "optional", "word", Kind::Choice(&["optional", "required"])
            => |word: &Value| word.text() == "required";
        /// Time limit for receiving the header of a request.
        header_timeout_ms: u64 = 5000, "ms", MS;
        /// Time limit for receiving the body of a request; of an imported file, for each piece of it.
        body_timeout_ms: u64 = 10_000, "ms", MS;
        /// Time limit for sending an answer. After it, the connection is closed.
        write_timeout_ms: u64 = 10_000, "ms", MS;
        /// Time limit of an idle kept-alive connection. Set it above the limit of your load balancer.
        idle_timeout_ms: u64 = 75_000, "ms", MS;
        /// Longest time that a request with `after=` or a removal waits for visibility. After it, the answer is 503.
        wait_ms_max: u64 = 5000, "ms", whole(0, 60_000);
        /// Limit of requests that wait for the visibility of a write. A further request gets 503.
        waits_max: usize = 1024, "requests", whole(1, 1_000_000);
        /// Longest time until an event or a removal is durable. After it, the answer is 503.
        intake_timeout_ms: u64 = 10_000, "ms", MS;
        /// Limit of open status streams. A further request gets 503.
        streams_max: usize = 64, "streams", whole(0, 10_000);
        /// Time between two statuses on a stream.
        stream_interval_ms: u64 = 1000, "ms", whole(100, 60_000);
        /// Limit of clients that follow a list (`/v1/stream/…`). A further request gets 503.
        readers_max: usize = 1000, "clients", whole(0, 100_000);
        /// Shortest time between two events to such a client. Changes in between are sent as one.
        push_interval_ms: u64 = 100, "ms", whole(1, 60_000);
        /// Time without an event after which such a client gets a comment, which keeps the connection alive.
        push_heartbeat_ms: u64 = 15_000, "ms", whole(10, 3_600_000);
        /// Time limit from SIGTERM to the exit: half of it for requests in progress, half of the rest for a last
        /// checkpoint, and what remains for outstanding writes.
        shutdown_ms: u64 = 10_000, "ms", whole(0, 600_000);
        /// Age of the newest published state at which /readyz returns 503.
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
