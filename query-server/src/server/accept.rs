//! Accepts connections, and hands each to the serving thread with the fewest.

use std::io;
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::answer::problem::too_many_connections;
use crate::limits::Limit;
use crate::operations::Operations;
use recurring_failure::RecurringFailure;

mod recurring_failure;

/// Connections that are answered with 503 at a time. Further ones are closed without an answer: each answer holds a task, and
/// waits for its client.
const REFUSALS: RangeInclusive<usize> = 4..=64;

/// This number of connections may be open, however few file descriptors are free.
const CONNECTIONS_MIN: usize = 4;

/// At most this fraction of `connections_max` is refused at a time, because each refusal takes a file descriptor, too.
const REFUSALS_SHARE: usize = 4;

/// A connection on its way to a serving thread, with its share of the limit.
pub(crate) struct Arrival {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) permit: OwnedSemaphorePermit,
    /// Counts the open connections of the thread by its clones.
    pub(crate) open: Arc<()>,
}

/// The queue of connections for one serving thread.
pub(crate) struct ThreadQueue {
    arrivals: mpsc::Sender<Arrival>,
    open: Arc<()>,
}

/// A queue and its end.
pub(crate) fn queue(operations: &Operations) -> (ThreadQueue, mpsc::Receiver<Arrival>) {
    let (arrivals, end) = mpsc::channel(operations.settings.connections_max.max(1));
    (ThreadQueue { arrivals, open: Arc::default() }, end)
}

/// Accepts until the shutdown begins; then the address is free again.
pub(crate) async fn run(listener: TcpListener, queues: Vec<ThreadQueue>, operations: Arc<Operations>) {
    let listener = tokio::net::TcpListener::from_std(listener).expect("the runtime takes a nonblocking listener");
    let refused_max = operations.settings.connections_max / REFUSALS_SHARE;
    let refusals = Limit::new(refused_max.clamp(*REFUSALS.start(), *REFUSALS.end()));
    let (mut turn, mut failure, mut shortage) = (0, RecurringFailure::default(), RecurringFailure::default());
    loop {
        let accepted = tokio::select! {
            biased;
            () = operations.shutdown.begun() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                turn += 1;
                let now = Instant::now();
                if failure.is_over(now) {
                    tracing::info!("connections are accepted again");
                }
                let is_short = stream.as_raw_fd() >= operations.settings.descriptors_max
                    && operations.connections.taken() >= CONNECTIONS_MIN;
                if is_short && shortage.occurs(now).1 {
                    tracing::warn!(
                        "few file descriptors are free: new connections are answered with 503 until there are more"
                    );
                } else if !is_short && shortage.is_over(now) {
                    tracing::info!("enough file descriptors are free: new connections are served again");
                }
                if let Err(error) = hand_over(stream, is_short, &queues, turn, &operations, &refusals) {
                    tracing::debug!(%error, "connection lost before it was served");
                }
            }
            Err(error) if is_of_connection(&error) => {}
            // An error of the system, such as no free file descriptor.
            Err(error) => {
                let (pause, is_new) = failure.occurs(Instant::now());
                // A shortage of file descriptors can end here; it has been logged already.
                if is_new && !shortage.is_going_on() {
                    tracing::warn!(%error, "cannot accept connections; trying again until it works");
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}

fn hand_over(
    stream: TcpStream,
    is_short: bool,
    queues: &[ThreadQueue],
    turn: usize,
    operations: &Operations,
    refusals: &Limit,
) -> io::Result<()> {
    let permit = if is_short { None } else { operations.connections.take() };
    let Some(permit) = permit else {
        operations.connections_refused.fetch_add(1, Ordering::Relaxed);
        // With TLS, the answer would need a handshake first: the connection is only closed.
        if operations.app.tls.is_none()
            && let Some(refusal) = refusals.take()
        {
            tokio::spawn(refuse(stream, refusal, Duration::from_millis(operations.settings.linger_ms)));
        }
        return Ok(());
    };
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    // The queue with the fewest connections; among equals, each in its turn.
    let queue = (0..queues.len())
        .map(|step| &queues[(turn + step) % queues.len()])
        .min_by_key(|queue| Arc::strong_count(&queue.open))
        .expect("there is at least one serving thread");
    // The queue cannot be full: it holds as many as there may be connections.
    queue
        .arrivals
        .try_send(Arrival { stream, permit, open: queue.open.clone() })
        .map_err(|_| io::ErrorKind::ConnectionAborted.into())
}

/// Answers 503, and waits a little for the client to read it.
async fn refuse(mut stream: TcpStream, _permit: OwnedSemaphorePermit, linger: Duration) {
    let answer = async {
        stream.write_all(&too_many_connections()).await?;
        stream.shutdown().await?;
        let mut ignored = [0; 1024];
        while stream.read(&mut ignored).await? > 0 {}
        io::Result::Ok(())
    };
    // The connection ends here, whether the client has read the answer or not.
    let _ = tokio::time::timeout(linger, answer).await;
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
