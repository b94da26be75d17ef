//! Every bound of the server, with its unit, its default and its sentence.

/// The server's settings. Every queue, body, header, connection and wait has its bound here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Threads that serve connections, at least 1; one more accepts them.
    pub threads: usize,
    /// Connections open at a time; one more is answered 503 and closed.
    pub connections_max: usize,
    /// File descriptors in use from which on all but a few connections are answered 503 and closed: the others are
    /// for files, brokers and databases. Told by the number of the connection's own, as the system gives the lowest that
    /// is free.
    pub descriptors_max: i32,
    /// Bytes of a request's header fields; more is answered 431.
    pub header_bytes_max: usize,
    /// Bytes of a request's target; more is answered 414.
    pub uri_bytes_max: usize,
    /// Bytes of one request's body; more is answered 413, whether announced or chunked.
    pub body_bytes_max: usize,
    /// Bytes of all bodies held at a time; a request beyond is answered 503.
    pub bodies_bytes_max: usize,
    /// From a request's first byte (or the connection's start) to the end of its header, in milliseconds; then closed.
    pub header_timeout_ms: u64,
    /// From a request's header to the end of its body, in milliseconds; then answered 408 and closed.
    pub body_timeout_ms: u64,
    /// How long a client may leave an answer unread, in milliseconds; then closed.
    pub write_timeout_ms: u64,
    /// How long a connection may be silent between two requests, in milliseconds; then closed.
    pub idle_timeout_ms: u64,
    /// How long a connection closed before its request was read is drained, in milliseconds, so that the client gets
    /// to read the answer.
    pub linger_ms: u64,
    /// The longest wait for a position to become visible, in milliseconds; the default of the parameter `wait_ms`.
    pub wait_ms_max: u64,
    /// Requests that may wait for a position at a time; one more is answered 503.
    pub waits_max: usize,
    /// How long an event or a removal may take to become durable, in milliseconds; then answered 503.
    pub intake_timeout_ms: u64,
    /// Status streams open at a time; one more is answered 503.
    pub streams_max: usize,
    /// From one status to the next on a stream, in milliseconds.
    pub stream_interval_ms: u64,
    /// How old the state shown may become before `/readyz` says 503, in milliseconds.
    pub staleness_max_ms: u64,
    /// How long requests in flight are waited for at the end, in milliseconds.
    pub shutdown_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            threads: 2,
            connections_max: 4096,
            descriptors_max: i32::MAX,
            header_bytes_max: 16 << 10,
            uri_bytes_max: 8 << 10,
            body_bytes_max: 4 << 20,
            bodies_bytes_max: 64 << 20,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            write_timeout_ms: 10_000,
            idle_timeout_ms: 60_000,
            linger_ms: 1_000,
            wait_ms_max: 5_000,
            waits_max: 1024,
            intake_timeout_ms: 10_000,
            streams_max: 64,
            stream_interval_ms: 1_000,
            staleness_max_ms: 10_000,
            shutdown_ms: 5_000,
        }
    }
}
