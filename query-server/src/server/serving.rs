//! One serving thread: serves connections, and enforces their time-outs.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::accept::Arrival;
use super::connection;
use crate::connection_state::{Clock, ConnectionCommand, ConnectionState};
use crate::dispatch::Thread;
use crate::settings::Settings;

/// hyper reads a header up to this length: the server itself answers one that exceeds its own limit, and names the limit.
const READ_MAX: usize = 80 << 10;

/// Serves connections until the shutdown begins, then until every connection and every audited operation has ended or time
/// is up.
pub(crate) async fn run(thread: Thread, arrivals: mpsc::Receiver<Arrival>) {
    let reaper = TimeoutReaper {
        http: http(&thread.operations.settings),
        thread: Arc::new(thread),
        clock: Arc::default(),
        started: Instant::now(),
        connections: Vec::new(),
    };
    reaper.run(arrivals).await;
}

fn http(settings: &Settings) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The reaper enforces the time-out: hyper would set a timer for every request.
    http.header_read_timeout(None);
    http.max_buf_size(READ_MAX.max(settings.header_bytes_max + settings.uri_bytes_max));
    http
}

/// Ends connections that exceed a time-out. Checking all connections now and then costs less than a timer for each
/// request.
struct TimeoutReaper {
    http: http1::Builder,
    thread: Arc<Thread>,
    clock: Arc<Clock>,
    started: Instant,
    connections: Vec<Arc<ConnectionState>>,
}

impl TimeoutReaper {
    async fn run(mut self, mut arrivals: mpsc::Receiver<Arrival>) {
        let mut checks = tokio::time::interval(check_interval(&self.thread.operations.settings));
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.thread.operations.shutdown.clone();
        let mut begun = std::pin::pin!(shutdown.begun());
        loop {
            tokio::select! {
                arrival = arrivals.recv() => match arrival {
                    Some(arrival) => self.take(arrival),
                    None => break,
                },
                _ = checks.tick() => self.check(),
                () = &mut begun => break,
            }
        }
        // Connections accepted before the end are served: a client may have sent its request already.
        arrivals.close();
        while let Some(arrival) = arrivals.recv().await {
            self.take(arrival);
        }
        let patience = Duration::from_millis(self.thread.operations.settings.shutdown_ms);
        let finished = async {
            loop {
                self.connections.iter().for_each(|connection| connection.order(ConnectionCommand::Finish));
                self.connections.retain(|connection| !connection.has_ended());
                // A client may have hung up while its operation is done to the end.
                if self.connections.is_empty() && self.thread.operations.audited.taken() == 0 {
                    return;
                }
                checks.tick().await;
                self.check();
            }
        };
        if tokio::time::timeout(patience, finished).await.is_err() {
            tracing::warn!("requests were still in progress when the shutdown timeout ended; they are given up");
        }
    }

    fn take(&mut self, arrival: Arrival) {
        let Ok(stream) = TcpStream::from_std(arrival.stream) else { return };
        let state = Arc::new(ConnectionState::new(self.clock.clone()));
        self.connections.push(state.clone());
        let (http, thread, open) = (self.http.clone(), self.thread.clone(), (arrival.permit, arrival.open));
        match self.thread.operations.app.tls.clone() {
            None => spawn(connection::run(http, stream, thread, state), open),
            Some(tls) => spawn(connection::run_within(tls, http, stream, thread, state), open),
        }
    }

    fn check(&mut self) {
        self.clock.set(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.connections.retain(|connection| !connection.has_ended());
        let settings = &self.thread.operations.settings;
        self.connections
            .iter()
            .filter(|connection| connection.is_overdue(settings))
            .for_each(|connection| connection.order(ConnectionCommand::Abort));
    }
}

/// Serves a connection, which counts as open until it has ended.
fn spawn<T: Send + 'static>(served: impl Future<Output = ()> + Send + 'static, open: T) {
    tokio::spawn(async move {
        served.await;
        drop(open);
    });
}

/// The time between two checks: a fraction of the shortest time-out.
fn check_interval(settings: &Settings) -> Duration {
    let shortest = settings
        .header_timeout_ms
        .min(settings.idle_timeout_ms)
        .min(settings.write_timeout_ms)
        .min(settings.linger_ms)
        .min(settings.shutdown_ms);
    Duration::from_millis((shortest / 8).clamp(5, 100))
}
