//! The server's bytes under a deadline, so that no call waits for a peer that says nothing.
//!
//! The driver's calls block the thread, and none of them takes a time-out. What it reads and writes passes through
//! [`Guarded`], which stands where TLS would: it counts the time in which the server is waited for and not a byte moves,
//! and ends the connection with an error when that is too long, or when the caller is to stop. A table that takes an hour
//! to read is no silence as long as its rows come. Time in which nobody waits does not count.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

/// How long a connection waits for the server. Shared by its user, who changes it, and its bytes.
#[derive(Debug)]
pub(super) struct Patience {
    /// The longest silence, in milliseconds.
    silence_ms_max: AtomicU64,
    /// Whatever is asked must be answered by then.
    until: Mutex<Option<Instant>>,
    stop: StopSignal,
    /// A last word is said, whether the caller is to stop or not.
    parting: AtomicBool,
}

impl Patience {
    pub(super) fn new(silence_max: Duration, stop: StopSignal) -> Patience {
        let patience = Patience {
            silence_ms_max: AtomicU64::new(0),
            until: Mutex::new(None),
            stop,
            parting: AtomicBool::new(false),
        };
        patience.silence_max(silence_max);
        patience
    }

    /// From now on the server may be silent for so long.
    pub(super) fn silence_max(&self, max: Duration) {
        let ms = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
        self.silence_ms_max.store(ms, Ordering::Relaxed);
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
    fn over(&self, silent: Duration) -> Option<GivenUp> {
        if self.stop.is_given() && !self.parting.load(Ordering::Relaxed) {
            return Some(GivenUp::Stopped);
        }
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_some_and(|until| Instant::now() >= until) {
            return Some(GivenUp::Late);
        }
        let max = Duration::from_millis(self.silence_ms_max.load(Ordering::Relaxed));
        (silent >= max).then_some(GivenUp::Silent(max))
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
