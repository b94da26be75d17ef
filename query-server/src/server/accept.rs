//! Accepting connections, and handing each to the serving thread that has the fewest.

use std::io;
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::answer::problem::too_many_connections;
use crate::limits::{Places, Taken};
use crate::shared::Shared;
use trouble::Trouble;

mod trouble;

/// Connections that are being refused at a time; beyond, they are closed without a word.
const REFUSALS: RangeInclusive<usize> = 4..=64;

/// So many connections are open at any time, however few file descriptors there are.
const CONNECTIONS_MIN: usize = 4;

/// As many of the connections that may be open may be refused at a time: one is as much as a file descriptor, too.
const REFUSALS_SHARE: usize = 4;

/// A connection on its way to a serving thread, with its places among all and among that thread's.
pub(crate) struct Arrival {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) places: [Taken; 2],
}

/// The way to one serving thread.
pub(crate) struct ThreadQueue {
    arrivals: mpsc::Sender<Arrival>,
    open: Places,
}

/// A lane and its end.
pub(crate) fn lane(shared: &Shared) -> (ThreadQueue, mpsc::Receiver<Arrival>) {
    let (arrivals, end) = mpsc::channel(shared.settings.connections_max.max(1));
    (ThreadQueue { arrivals, open: Places::new(usize::MAX) }, end)
}

/// Accepts until the shutdown begins; then the address is free again.
pub(crate) async fn run(listener: TcpListener, lanes: Vec<ThreadQueue>, shared: Arc<Shared>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime takes a nonblocking listener");
    let refused_max = shared.settings.connections_max / REFUSALS_SHARE;
    let refusals = Places::new(refused_max.clamp(*REFUSALS.start(), *REFUSALS.end()));
    let (mut turn, mut trouble, mut shortage) = (0, Trouble::default(), Trouble::default());
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.shutdown.begun() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                turn += 1;
                let now = Instant::now();
                if trouble.is_over(now) {
                    tracing::info!("connections are accepted again");
                }
                let is_short = stream.as_raw_fd() >= shared.settings.descriptors_max
                    && shared.connections.taken() >= CONNECTIONS_MIN;
                if is_short && shortage.comes(now).1 {
                    tracing::warn!("few file descriptors are left: connections are refused until there are more");
                } else if !is_short && shortage.is_over(now) {
                    tracing::info!("there are file descriptors for connections again");
                }
                if let Err(error) = hand_over(stream, is_short, &lanes, turn, &shared, &refusals) {
                    tracing::debug!(%error, "connection lost before it was served");
                }
            }
            Err(error) if is_of_connection(&error) => {}
            // Not the connection's own, such as no free file descriptor.
            Err(error) => {
                let (pause, is_new) = trouble.comes(Instant::now());
                if is_new {
                    tracing::warn!(%error, "cannot accept connections, trying again until it works");
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

fn hand_over(
    stream: TcpStream,
    is_short: bool,
    lanes: &[ThreadQueue],
    turn: usize,
    shared: &Arc<Shared>,
    refusals: &Places,
) -> io::Result<()> {
    let place = if is_short { None } else { shared.connections.take() };
    let Some(place) = place else {
        shared.connections_refused.fetch_add(1, Ordering::Relaxed);
        if let Some(refusal) = refusals.take() {
            tokio::spawn(refuse(stream, refusal, Duration::from_millis(shared.settings.linger_ms)));
        }
        return Ok(());
    };
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    // The fewest connections first, taking turns among equals.
    let lane = (0..lanes.len())
        .map(|step| &lanes[(turn + step) % lanes.len()])
        .min_by_key(|lane| lane.open.taken())
        .expect("there is at least one serving thread");
    let Some(own) = lane.open.take() else { return Ok(()) };
    // It cannot be full: it holds as many as there may be connections.
    lane.arrivals
        .try_send(Arrival { stream, places: [place, own] })
        .map_err(|_| io::ErrorKind::ConnectionAborted.into())
}

/// Says why, and waits a little for the client to read it.
async fn refuse(mut stream: TcpStream, _refusal: Taken, linger: Duration) {
    let say = async {
        stream.write_all(&too_many_connections()).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether the client heard it or not, there is nothing more to do.
    let _ = tokio::time::timeout(linger, say).await;
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
