//! One serving thread: takes connections, and keeps their time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::accept::Arrival;
use super::connection;
use super::connection_state::{Clock, ConnectionCommand, ConnectionState};
use super::lingering::LingeringStream;
use crate::dispatch::Thread;
use crate::metrics::counters::Counters;
use crate::settings::Settings;
use crate::shared::Shared;

/// hyper reads a header up to here, so that an overlong one can still be told what is wrong with it.
const READ_MAX: usize = 80 << 10;

/// Serves what arrives until the shutdown begins, then until every connection has ended or time is up.
pub(crate) async fn run(shared: Arc<Shared>, counters: Arc<Counters>, arrivals: mpsc::Receiver<Arrival>) {
    let keeper = TimeoutReaper {
        http: http(&shared.settings),
        thread: Arc::new(Thread { shared: shared.clone(), counters }),
        clock: Arc::default(),
        started: Instant::now(),
        snapshots: Vec::new(),
    };
    keeper.keep(arrivals).await;
}

fn http(settings: &Settings) -> http1::Builder {
    let mut http = http1::Builder::new();
    // The keeper has an eye on time: hyper's own timer would be set anew for every request.
    http.header_read_timeout(None);
    http.max_buf_size(READ_MAX.max(settings.header_bytes_max + settings.uri_bytes_max));
    http
}

/// Keeps a thread's connections: a look around now and then costs less than a timer a request.
struct TimeoutReaper {
    http: http1::Builder,
    thread: Arc<Thread>,
    clock: Arc<Clock>,
    started: Instant,
    snapshots: Vec<Arc<ConnectionState>>,
}

impl TimeoutReaper {
    async fn keep(mut self, mut arrivals: mpsc::Receiver<Arrival>) {
        let mut rounds = tokio::time::interval(round(&self.thread.shared.settings));
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.thread.shared.shutdown.clone();
        let mut begun = std::pin::pin!(shutdown.begun());
        loop {
            tokio::select! {
                arrival = arrivals.recv() => match arrival {
                    Some(arrival) => self.take(arrival),
                    None => break,
                },
                _ = rounds.tick() => self.look_around(),
                () = &mut begun => break,
            }
        }
        // What was accepted before the end is served: it may be a request already sent.
        arrivals.close();
        while let Some(arrival) = arrivals.recv().await {
            self.take(arrival);
        }
        let patience = Duration::from_millis(self.thread.shared.settings.shutdown_ms);
        let finished = async {
            loop {
                self.snapshots.iter().for_each(|slot| slot.judge(ConnectionCommand::Finish));
                self.snapshots.retain(|slot| !slot.has_ended());
                if self.snapshots.is_empty() {
                    return;
                }
                rounds.tick().await;
                self.look_around();
            }
        };
        if tokio::time::timeout(patience, finished).await.is_err() {
            tracing::warn!("connections were still open when the time to finish was up");
        }
    }

    fn take(&mut self, arrival: Arrival) {
        let Ok(stream) = TcpStream::from_std(arrival.stream) else { return };
        let slot = Arc::new(ConnectionState::new(self.clock.clone()));
        let wire = LingeringStream::new(stream, slot.clone(), self.thread.counters.clone());
        self.snapshots.push(slot.clone());
        let served = connection::run(self.http.clone(), wire, self.thread.clone(), slot);
        let places = arrival.places;
        tokio::spawn(async move {
            served.await;
            drop(places);
        });
    }

    fn look_around(&mut self) {
        self.clock.set(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX));
        self.snapshots.retain(|slot| !slot.has_ended());
        let settings = &self.thread.shared.settings;
        self.snapshots
            .iter()
            .filter(|slot| slot.is_overdue(settings))
            .for_each(|slot| slot.judge(ConnectionCommand::Abort));
    }
}

/// From one look around to the next: a fraction of the shortest time-out.
fn round(settings: &Settings) -> Duration {
    let shortest = settings
        .header_timeout_ms
        .min(settings.idle_timeout_ms)
        .min(settings.write_timeout_ms)
        .min(settings.linger_ms)
        .min(settings.shutdown_ms);
    Duration::from_millis((shortest / 8).clamp(5, 100))
}
