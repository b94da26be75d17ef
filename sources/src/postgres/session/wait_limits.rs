//! Limits on every wait for the server's bytes, so that no call waits for a silent peer.
//!
//! The driver's calls block the thread, and none of them takes a time-out. Its bytes pass through [`LimitedStream`], which
//! stands between the socket and TLS. It counts the time in which a call waits and no byte moves, and ends the connection with an error
//! when this is too long, or when the source stops. A table that takes an hour to read is no silence as long as its rows
//! arrive. Time in which no call waits does not count.
//!
//! A statement that works for minutes before its first row looks like a lost connection. During such a silence a monitor
//! (`statement_monitor`) asks the server in a second session whether it still works on the statement.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use postgres::Socket;
use postgres::tls::{MakeTlsConnect, TlsConnect};
use postgres_tls::{Connector, NegotiationFailure, PgStream};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::side_thread::StopSignal;

/// How often a wait checks its limits.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a connection was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum WaitExceeded {
    #[error("the server has not answered for {:.0} s", .0.as_secs_f64().ceil())]
    Silent(Duration),
    #[error("the server has not answered in time")]
    Late,
    #[error("the source is being stopped")]
    Stopped,
}

impl WaitExceeded {
    /// The exceeded limit behind an error of the driver, if there is one.
    pub(crate) fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a WaitExceeded> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref()?.downcast_ref());
            if inner.is_some() {
                return inner;
            }
            cause = error.source();
        }
        None
    }
}

/// The share of the longest silence after which a monitor is started.
const MONITOR_SHARE: u32 = 4;

/// Starts a monitor of the current silence, which reports to these limits.
pub(crate) type StartMonitor = Box<dyn Fn(Arc<WaitLimits>) + Send>;

/// How long a connection waits for the server. Shared by its user, who changes the limits, and its stream.
pub(crate) struct WaitLimits {
    /// The longest silence without a monitor that sees the server work.
    answer_max: Duration,
    /// The longest silence, in milliseconds, even if the server works.
    silence_ms_max: AtomicU64,
    monitor: Mutex<MonitorState>,
    /// All calls must have returned by then.
    until: Mutex<Option<Instant>>,
    stop: StopSignal,
    /// Whether a last statement is sent although the source stops.
    parting: AtomicBool,
}

/// The monitor of a silent server.
#[derive(Default)]
struct MonitorState {
    call: Option<StartMonitor>,
    /// Whether a monitor was started and must continue.
    is_called: bool,
    /// When the monitor last saw the server work.
    confirmed: Option<Instant>,
}

impl WaitLimits {
    pub(crate) fn new(answer_max: Duration, stop: StopSignal) -> WaitLimits {
        let limits = WaitLimits {
            answer_max,
            silence_ms_max: AtomicU64::new(0),
            monitor: Mutex::default(),
            until: Mutex::new(None),
            stop,
            parting: AtomicBool::new(false),
        };
        limits.expect_answers();
        limits
    }

    /// From now on the server answers soon.
    pub(crate) fn expect_answers(&self) {
        self.silence_max(self.answer_max);
        self.monitor().call = None;
    }

    /// From now on the server may be silent for this long while a monitor sees it work.
    pub(crate) fn allow(&self, max: Duration, call: StartMonitor) {
        self.silence_max(max + self.answer_max);
        self.monitor().call = Some(call);
    }

    fn silence_max(&self, max: Duration) {
        let ms = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
        self.silence_ms_max.store(ms, Ordering::Relaxed);
    }

    fn monitor(&self) -> MutexGuard<'_, MonitorState> {
        self.monitor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a monitor: the server works. Calls `tell` if the silence goes on; returns whether it does.
    pub(crate) fn confirm_progress(&self, tell: impl FnOnce()) -> bool {
        let mut monitor = self.monitor();
        if monitor.is_called {
            monitor.confirmed = Some(Instant::now());
            // Under the lock: a silence that is over is not reported.
            tell();
        }
        monitor.is_called
    }

    pub(crate) fn stop(&self) -> &StopSignal {
        &self.stop
    }

    /// The silence is over.
    fn end_monitor(&self) {
        let mut monitor = self.monitor();
        (monitor.is_called, monitor.confirmed) = (false, None);
    }

    /// Whether the server counts as lost after so long a silence. Starts a monitor when it is time.
    fn is_lost(self: &Arc<Self>, silent: Duration) -> bool {
        if silent < self.answer_max / MONITOR_SHARE {
            return false;
        }
        let mut monitor = self.monitor();
        if !monitor.is_called
            && let Some(call) = &monitor.call
        {
            call(self.clone());
            monitor.is_called = true;
        }
        let unseen = monitor.confirmed.map_or(silent, |confirmed| silent.min(confirmed.elapsed()));
        unseen >= self.answer_max
    }

    /// From now on all calls must have returned by then; none: there is no such limit.
    pub(crate) fn until(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Calls from now on are the last ones, and only this limit ends them.
    pub(crate) fn part(&self, until: Instant) {
        self.until(Some(until));
        self.parting.store(true, Ordering::Relaxed);
    }

    /// Why the wait is over, after so long a silence.
    fn over(self: &Arc<Self>, silent: Duration) -> Option<WaitExceeded> {
        if self.stop.is_given() && !self.parting.load(Ordering::Relaxed) {
            return Some(WaitExceeded::Stopped);
        }
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_some_and(|until| Instant::now() >= until) {
            return Some(WaitExceeded::Late);
        }
        let max = Duration::from_millis(self.silence_ms_max.load(Ordering::Relaxed));
        if silent >= max {
            return Some(WaitExceeded::Silent(max));
        }
        self.is_lost(silent).then_some(WaitExceeded::Silent(self.answer_max))
    }
}

/// Puts [`LimitedStream`] around the driver's sockets, and TLS around it where the connector agrees on it.
#[derive(Clone)]
pub(crate) struct LimitedTls {
    pub(crate) limits: Arc<WaitLimits>,
    pub(crate) connector: Connector,
}

impl MakeTlsConnect<Socket> for LimitedTls {
    type Stream = PgStream<LimitedStream<Socket>>;
    type TlsConnect = LimitedHost;
    type Error = Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<LimitedHost, Infallible> {
        Ok(LimitedHost { tls: self.clone(), host: host.to_owned() })
    }
}

/// The same for one host.
pub(crate) struct LimitedHost {
    tls: LimitedTls,
    host: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for LimitedHost {
    type Stream = PgStream<LimitedStream<S>>;
    type Error = NegotiationFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, NegotiationFailure>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let LimitedHost { tls: LimitedTls { limits, connector }, host } = self;
        Box::pin(async move { connector.negotiate(&host, LimitedStream::new(stream, limits)).await })
    }
}

/// A stream that ends when a limit is exceeded.
pub(crate) struct LimitedStream<S> {
    stream: S,
    limits: Arc<WaitLimits>,
    look: Pin<Box<Sleep>>,
    /// How long calls have waited since the last byte.
    silent: Duration,
}

impl<S> LimitedStream<S> {
    /// Must be called within a runtime with a timer.
    pub(crate) fn new(stream: S, limits: Arc<WaitLimits>) -> LimitedStream<S> {
        LimitedStream { stream, limits, look: Box::pin(sleep(LOOK_EVERY)), silent: Duration::ZERO }
    }

    /// No byte moves: pending until one does, or until a limit is exceeded.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            if let Some(given_up) = self.limits.over(self.silent) {
                self.limits.end_monitor();
                return Poll::Ready(Err(io::Error::other(given_up)));
            }
            // Of the time in which no call waited, at most one interval is counted.
            ready!(self.look.as_mut().poll(context));
            self.silent += LOOK_EVERY;
            self.look.set(sleep(LOOK_EVERY));
        }
    }

    /// The result of a call; bytes that moved end the silence.
    fn seen<T>(&mut self, done: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if done.is_pending() {
            return self.wait(context);
        }
        if self.silent >= self.limits.answer_max / MONITOR_SHARE {
            self.limits.end_monitor();
        }
        self.silent = Duration::ZERO;
        done
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LimitedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.seen(done, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LimitedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.seen(done, context)
    }

    // Neither counts as a byte that moves: a socket is flushed without waiting, even if its peer is silent.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use std::sync::atomic::AtomicUsize;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::runtime::{Builder, Runtime};
    use tokio::time::{interval, timeout};

    const ANSWER_MAX: Duration = Duration::from_millis(400);
    /// For those who say something in time, also on a busy machine.
    const LONG_ANSWER_MAX: Duration = Duration::from_secs(5);
    const SOON: Duration = Duration::from_secs(120);

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn guarded(answer_max: Duration) -> (LimitedStream<DuplexStream>, DuplexStream, Arc<WaitLimits>) {
        let (ours, theirs) = duplex(64);
        let limits = Arc::new(WaitLimits::new(answer_max, StopSignal::default()));
        (LimitedStream::new(ours, limits.clone()), theirs, limits)
    }

    async fn why(guarded: &mut LimitedStream<DuplexStream>) -> WaitExceeded {
        let error = timeout(SOON, guarded.read(&mut [0; 8])).await.expect("no wait is for ever").unwrap_err();
        *WaitExceeded::of(&error).expect("it was given up")
    }

    #[test]
    fn silence_ends_a_wait_in_either_direction_and_time_without_a_wait_is_none() {
        runtime().block_on(async {
            let (mut guarded, mut theirs, _) = guarded(ANSWER_MAX);
            // Nobody asks for longer than any answer may take.
            assert!(timeout(2 * ANSWER_MAX, pending::<()>()).await.is_err());
            theirs.write_all(b"here").await.unwrap();
            assert_eq!(guarded.read(&mut [0; 8]).await.unwrap(), 4);
            assert_eq!(why(&mut guarded).await, WaitExceeded::Silent(ANSWER_MAX));
            assert_eq!(why(&mut guarded).await, WaitExceeded::Silent(ANSWER_MAX), "and for good");
            let error = timeout(SOON, guarded.write_all(&[0; 1000])).await.expect("no wait is for ever").unwrap_err();
            assert_eq!(
                WaitExceeded::of(&error),
                Some(&WaitExceeded::Silent(ANSWER_MAX)),
                "the other side takes nothing"
            );
        });
    }

    #[test]
    fn what_dribbles_is_no_silence_and_has_its_time_all_the_same() {
        runtime().block_on(async {
            let (mut guarded, mut theirs, limits) = guarded(LONG_ANSWER_MAX);
            tokio::spawn(async move {
                let mut beat = interval(LONG_ANSWER_MAX / 4);
                while theirs.write_all(b"x").await.is_ok() {
                    beat.tick().await;
                }
            });
            let start = Instant::now();
            while start.elapsed() < 2 * LONG_ANSWER_MAX {
                assert_eq!(guarded.read(&mut [0]).await.unwrap(), 1);
            }
            limits.until(Some(Instant::now()));
            let late = loop {
                if let Err(error) = guarded.read(&mut [0]).await {
                    break *WaitExceeded::of(&error).unwrap();
                }
            };
            assert_eq!(late, WaitExceeded::Late);
        });
    }

    #[test]
    fn a_witness_keeps_a_silent_server_as_long_as_it_vouches() {
        let calls = Arc::new(AtomicUsize::new(0));
        let (count, vouches) = (calls.clone(), 3);
        runtime().block_on(async {
            let (mut guarded, mut theirs, limits) = guarded(LONG_ANSWER_MAX);
            let call = move |limits: Arc<WaitLimits>| {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut beat = interval(LONG_ANSWER_MAX / 2);
                    for _ in 0..=vouches {
                        beat.tick().await;
                        assert!(limits.confirm_progress(|| ()));
                    }
                });
            };
            limits.allow(SOON, Box::new(call));
            let start = Instant::now();
            assert_eq!(why(&mut guarded).await, WaitExceeded::Silent(LONG_ANSWER_MAX));
            assert!(start.elapsed() >= LONG_ANSWER_MAX / 2 * vouches, "{:?}", start.elapsed());
            // A byte ends the silence, and with it the monitor's task.
            theirs.write_all(b"x").await.unwrap();
            assert_eq!(guarded.read(&mut [0]).await.unwrap(), 1);
            assert!(!limits.confirm_progress(|| panic!("it is over")));
        });
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
