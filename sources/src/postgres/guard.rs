//! The server's bytes under a deadline, so that no call waits for a peer that says nothing.
//!
//! The driver's calls block the thread, and none of them takes a time-out. What it reads and writes passes through
//! [`Guarded`], which stands where TLS would: it counts the time in which the server is waited for and not a byte moves,
//! and ends the connection with an error when that is too long, or when the caller is to stop. A table that takes an hour
//! to read is no silence as long as its rows come. Time in which nobody waits does not count.
//!
//! A statement that may work for minutes before its first row looks like a connection that is lost. There a
//! [`witness`](super::witness) is called, which asks the server beside it, and vouches for it as long as it is at work.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::side_thread::StopSignal;

/// How often a wait looks whether it has lasted too long.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Why a connection was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum GivenUp {
    #[error("the server has not answered for {:.0} s", .0.as_secs_f64().ceil())]
    Silent(Duration),
    #[error("the server has not answered in time")]
    Late,
    #[error("the source is being stopped")]
    Stopped,
}

impl GivenUp {
    /// Where an error of the driver's comes from here.
    pub(super) fn of<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a GivenUp> {
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

/// Of the longest silence, the share after which a witness is called.
const WITNESS_SHARE: u32 = 4;

/// Calls a witness of the silence that is going on, who tells what it sees to what it is given.
pub(super) type Call = Box<dyn Fn(Arc<Patience>) + Send>;

/// How long a connection waits for the server. Shared by its user, who changes it, and its bytes.
pub(super) struct Patience {
    /// The longest silence that nobody vouches for.
    answer_max: Duration,
    /// The longest silence, in milliseconds, whoever vouches for it.
    silence_ms_max: AtomicU64,
    witness: Mutex<Witness>,
    /// Whatever is asked must be answered by then.
    until: Mutex<Option<Instant>>,
    stop: StopSignal,
    /// A last word is said, whether the caller is to stop or not.
    parting: AtomicBool,
}

/// Who looks at the server while it is silent.
#[derive(Default)]
struct Witness {
    call: Option<Call>,
    /// One was called, and is to look on.
    is_called: bool,
    /// When one saw the server at work.
    vouched: Option<Instant>,
}

impl Patience {
    pub(super) fn new(answer_max: Duration, stop: StopSignal) -> Patience {
        let patience = Patience {
            answer_max,
            silence_ms_max: AtomicU64::new(0),
            witness: Mutex::default(),
            until: Mutex::new(None),
            stop,
            parting: AtomicBool::new(false),
        };
        patience.expect_answers();
        patience
    }

    /// From now on the server answers soon.
    pub(super) fn expect_answers(&self) {
        self.silence_max(self.answer_max);
        self.witness().call = None;
    }

    /// From now on the server may be silent for so long, while a witness vouches for it.
    pub(super) fn allow(&self, max: Duration, call: Call) {
        self.silence_max(max + self.answer_max);
        self.witness().call = Some(call);
    }

    fn silence_max(&self, max: Duration) {
        let ms = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
        self.silence_ms_max.store(ms, Ordering::Relaxed);
    }

    fn witness(&self) -> MutexGuard<'_, Witness> {
        self.witness.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a witness: the server is at work. `tell` is called if the silence still goes on; whether it does.
    pub(super) fn vouch(&self, tell: impl FnOnce()) -> bool {
        let mut witness = self.witness();
        if witness.is_called {
            witness.vouched = Some(Instant::now());
            // Under the lock: nothing is told of a silence that is over.
            tell();
        }
        witness.is_called
    }

    pub(super) fn stop(&self) -> &StopSignal {
        &self.stop
    }

    /// The silence is over.
    fn end_witness(&self) {
        let mut witness = self.witness();
        (witness.is_called, witness.vouched) = (false, None);
    }

    /// Whether nobody vouches for the server, which has been silent for so long. Calls a witness when it is time.
    fn is_lost(self: &Arc<Self>, silent: Duration) -> bool {
        if silent < self.answer_max / WITNESS_SHARE {
            return false;
        }
        let mut witness = self.witness();
        if !witness.is_called
            && let Some(call) = &witness.call
        {
            call(self.clone());
            witness.is_called = true;
        }
        let unseen = witness.vouched.map_or(silent, |vouched| silent.min(vouched.elapsed()));
        unseen >= self.answer_max
    }

    /// From now on everything has to be over by then; none: there is no such time.
    pub(super) fn until(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// What is asked from now on is a last word, which nothing but the time ends.
    pub(super) fn part(&self, until: Instant) {
        self.until(Some(until));
        self.parting.store(true, Ordering::Relaxed);
    }

    /// Why the wait is over, after so long a silence.
    fn over(self: &Arc<Self>, silent: Duration) -> Option<GivenUp> {
        if self.stop.is_given() && !self.parting.load(Ordering::Relaxed) {
            return Some(GivenUp::Stopped);
        }
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_some_and(|until| Instant::now() >= until) {
            return Some(GivenUp::Late);
        }
        let max = Duration::from_millis(self.silence_ms_max.load(Ordering::Relaxed));
        if silent >= max {
            return Some(GivenUp::Silent(max));
        }
        self.is_lost(silent).then_some(GivenUp::Silent(self.answer_max))
    }
}

/// Puts [`Guarded`] around the driver's sockets.
#[derive(Clone)]
pub(super) struct Guard(pub(super) Arc<Patience>);

impl MakeTlsConnect<Socket> for Guard {
    type Stream = Guarded<Socket>;
    type TlsConnect = Guard;
    type Error = io::Error;

    fn make_tls_connect(&mut self, _host: &str) -> io::Result<Guard> {
        Ok(self.clone())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsConnect<S> for Guard {
    type Stream = Guarded<S>;
    type Error = io::Error;
    type Future = Ready<io::Result<Guarded<S>>>;

    fn connect(self, stream: S) -> Self::Future {
        ready(Ok(Guarded::new(stream, self.0)))
    }
}

/// A stream that ends where its patience does.
pub(super) struct Guarded<S> {
    stream: S,
    patience: Arc<Patience>,
    look: Pin<Box<Sleep>>,
    /// For how long the other side was waited for since the last byte.
    silent: Duration,
}

impl<S> Guarded<S> {
    /// To be called within a runtime that has a clock.
    pub(super) fn new(stream: S, patience: Arc<Patience>) -> Guarded<S> {
        Guarded { stream, patience, look: Box::pin(sleep(LOOK_EVERY)), silent: Duration::ZERO }
    }

    /// Nothing moves: pending until it does, or until it is given up.
    fn wait<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            if let Some(given_up) = self.patience.over(self.silent) {
                self.patience.end_witness();
                return Poll::Ready(Err(io::Error::other(given_up)));
            }
            // At most one look is counted of the time in which nobody waited.
            ready!(self.look.as_mut().poll(context));
            self.silent += LOOK_EVERY;
            self.look.set(sleep(LOOK_EVERY));
        }
    }

    /// What came of a call; bytes that moved end the silence.
    fn seen<T>(&mut self, done: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if done.is_pending() {
            return self.wait(context);
        }
        if self.silent >= self.patience.answer_max / WITNESS_SHARE {
            self.patience.end_witness();
        }
        self.silent = Duration::ZERO;
        done
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.seen(done, context)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.seen(done, context)
    }

    // Neither counts as a byte that moves: a socket is flushed without waiting, however silent its other side is.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Guarded<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
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
    const SOON: Duration = Duration::from_secs(20);

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    fn guarded() -> (Guarded<DuplexStream>, DuplexStream, Arc<Patience>) {
        let (ours, theirs) = duplex(64);
        let patience = Arc::new(Patience::new(ANSWER_MAX, StopSignal::default()));
        (Guarded::new(ours, patience.clone()), theirs, patience)
    }

    async fn why(guarded: &mut Guarded<DuplexStream>) -> GivenUp {
        let error = timeout(SOON, guarded.read(&mut [0; 8])).await.expect("no wait is for ever").unwrap_err();
        *GivenUp::of(&error).expect("it was given up")
    }

    #[test]
    fn silence_ends_a_wait_in_either_direction_and_time_without_a_wait_is_none() {
        runtime().block_on(async {
            let (mut guarded, mut theirs, _) = guarded();
            // Nobody asks for longer than any answer may take.
            assert!(timeout(2 * ANSWER_MAX, pending::<()>()).await.is_err());
            theirs.write_all(b"here").await.unwrap();
            assert_eq!(guarded.read(&mut [0; 8]).await.unwrap(), 4);
            assert_eq!(why(&mut guarded).await, GivenUp::Silent(ANSWER_MAX));
            assert_eq!(why(&mut guarded).await, GivenUp::Silent(ANSWER_MAX), "and for good");
            let error = timeout(SOON, guarded.write_all(&[0; 1000])).await.expect("no wait is for ever").unwrap_err();
            assert_eq!(GivenUp::of(&error), Some(&GivenUp::Silent(ANSWER_MAX)), "the other side takes nothing");
        });
    }

    #[test]
    fn what_dribbles_is_no_silence_and_has_its_time_all_the_same() {
        runtime().block_on(async {
            let (mut guarded, mut theirs, patience) = guarded();
            tokio::spawn(async move {
                let mut beat = interval(ANSWER_MAX / 4);
                while theirs.write_all(b"x").await.is_ok() {
                    beat.tick().await;
                }
            });
            let start = Instant::now();
            while start.elapsed() < 2 * ANSWER_MAX {
                assert_eq!(guarded.read(&mut [0]).await.unwrap(), 1);
            }
            patience.until(Some(Instant::now()));
            let late = loop {
                if let Err(error) = guarded.read(&mut [0]).await {
                    break *GivenUp::of(&error).unwrap();
                }
            };
            assert_eq!(late, GivenUp::Late);
        });
    }

    #[test]
    fn a_witness_keeps_a_silent_server_as_long_as_it_vouches() {
        let calls = Arc::new(AtomicUsize::new(0));
        let (count, vouches) = (calls.clone(), 5);
        runtime().block_on(async {
            let (mut guarded, mut theirs, patience) = guarded();
            let call = move |patience: Arc<Patience>| {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut beat = interval(ANSWER_MAX / 2);
                    for _ in 0..=vouches {
                        beat.tick().await;
                        assert!(patience.vouch(|| ()));
                    }
                });
            };
            patience.allow(SOON, Box::new(call));
            let start = Instant::now();
            assert_eq!(why(&mut guarded).await, GivenUp::Silent(ANSWER_MAX));
            assert!(start.elapsed() >= ANSWER_MAX / 2 * vouches, "{:?}", start.elapsed());
            // A byte ends the silence, and with it what there is to vouch for.
            theirs.write_all(b"x").await.unwrap();
            assert_eq!(guarded.read(&mut [0]).await.unwrap(), 1);
            assert!(!patience.vouch(|| panic!("it is over")));
        });
        assert_eq!(calls.load(Ordering::Relaxed), 1);
    }
}
