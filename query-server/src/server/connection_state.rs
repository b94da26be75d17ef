//! What a connection is doing and since when, for the keeper that enforces time-outs without a timer a request.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Waker;

use crate::settings::Settings;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Between two requests.
    Idle,
    /// A request's header is arriving.
    Header,
    /// An endpoint works on a request.
    Serving,
    /// The answer is ready and not written yet.
    Answered,
    /// The client does not read its answer.
    Blocked,
    /// Closed by us; what the client still sends is drained.
    Lingering,
}

/// What the keeper wants of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ConnectionCommand {
    Go,
    /// Answer what is in flight, then close.
    Finish,
    /// Close at once.
    Abort,
}

/// The thread's time in milliseconds since its start, moved by its keeper.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn set(&self, now_ms: u64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One connection's state. All of it is used by one thread only; atomics satisfy the runtime's demand to be `Sync`.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    clock: Arc<Clock>,
    phase: AtomicU8,
    since_ms: AtomicU64,
    /// Whether the first line of a request has not ended.
    in_target: AtomicBool,
    /// Whether the request was answered with its body unread.
    unread: AtomicBool,
    /// Whether the answer is a stream, which is silent for as long as it likes.
    streaming: AtomicBool,
    verdict: AtomicU8,
    waker: OnceLock<Waker>,
    ended: AtomicBool,
}

impl ConnectionState {
    /// A new connection: its first request is expected at once.
    pub(crate) fn new(clock: Arc<Clock>) -> Self {
        ConnectionState {
            since_ms: AtomicU64::new(clock.now()),
            clock,
            phase: AtomicU8::new(Phase::Header as u8),
            in_target: AtomicBool::new(true),
            unread: AtomicBool::new(false),
            streaming: AtomicBool::new(false),
            verdict: AtomicU8::new(ConnectionCommand::Go as u8),
            waker: OnceLock::new(),
            ended: AtomicBool::new(false),
        }
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since_ms.store(self.clock.now(), Ordering::Relaxed);
    }

    /// Bytes have arrived.
    pub(crate) fn read(&self, bytes: &[u8]) {
        if self.is(Phase::Idle) {
            self.enter(Phase::Header);
            self.in_target.store(true, Ordering::Relaxed);
        }
        if self.is_in_target() && bytes.contains(&b'\n') {
            self.in_target.store(false, Ordering::Relaxed);
        }
    }

    /// Whether the first line of the request that arrives has not ended.
    pub(crate) fn is_in_target(&self) -> bool {
        self.in_target.load(Ordering::Relaxed)
    }

    /// A request's header is complete.
    pub(crate) fn serving(&self) {
        self.phase.store(Phase::Serving as u8, Ordering::Relaxed);
        self.streaming.store(false, Ordering::Relaxed);
    }

    /// The answer is ready to be written.
    pub(crate) fn answered(&self, streaming: bool) {
        if streaming {
            self.streaming.store(true, Ordering::Relaxed);
        }
        self.phase.store(Phase::Answered as u8, Ordering::Relaxed);
    }

    /// Everything there was to write is written.
    pub(crate) fn written(&self) {
        if self.is(Phase::Answered) || self.is(Phase::Blocked) {
            self.enter(Phase::Idle);
        }
    }

    /// The client does not take what is written. How long it may goes on counting until all is taken.
    pub(crate) fn blocked(&self) {
        if !self.is(Phase::Blocked) {
            self.enter(Phase::Blocked);
        }
    }

    /// The connection is closed on our side.
    pub(crate) fn lingering(&self) {
        if !self.is(Phase::Lingering) {
            self.enter(Phase::Lingering);
        }
    }

    /// Says whether a part of the request is left unread.
    pub(crate) fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Ordering::Relaxed);
    }

    /// Whether a part of the request is left unread.
    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Keeps the way to wake the connection's task; it is the same at every call.
    pub(crate) fn wake_by(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    pub(crate) fn verdict(&self) -> ConnectionCommand {
        match self.verdict.load(Ordering::Relaxed) {
            0 => ConnectionCommand::Go,
            1 => ConnectionCommand::Finish,
            _ => ConnectionCommand::Abort,
        }
    }

    /// Tells the connection what is wanted of it.
    pub(crate) fn judge(&self, verdict: ConnectionCommand) {
        self.verdict.store(verdict as u8, Ordering::Relaxed);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// The connection is gone, once the guard is dropped.
    pub(crate) fn ends(self: &Arc<Self>) -> Ending {
        Ending(self.clone())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether the connection has been doing the same thing for longer than it may.
    pub(crate) fn is_overdue(&self, settings: &Settings) -> bool {
        let limit_ms = if self.is(Phase::Idle) && !self.streaming.load(Ordering::Relaxed) {
            settings.idle_timeout_ms
        } else if self.is(Phase::Header) {
            settings.header_timeout_ms
        } else if self.is(Phase::Blocked) {
            settings.write_timeout_ms
        } else if self.is(Phase::Lingering) {
            settings.linger_ms
        } else {
            // An endpoint at work has bounds of its own, and a ready answer is written or blocked at once.
            return false;
        };
        self.clock.now().saturating_sub(self.since_ms.load(Ordering::Relaxed)) > limit_ms
    }
}

/// Marks a connection as gone, in whatever way its task ends.
pub(crate) struct Ending(Arc<ConnectionState>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overdue_after(do_it: impl FnOnce(&ConnectionState), ms: u64) -> bool {
        let settings = Settings {
            header_timeout_ms: 10,
            write_timeout_ms: 20,
            idle_timeout_ms: 30,
            linger_ms: 5,
            ..Settings::default()
        };
        let clock = Arc::new(Clock::default());
        clock.set(1000);
        let slot = ConnectionState::new(clock.clone());
        do_it(&slot);
        clock.set(1000 + ms);
        slot.is_overdue(&settings)
    }

    #[test]
    fn each_phase_has_its_limit() {
        assert!(!overdue_after(|_| {}, 10));
        assert!(overdue_after(|_| {}, 11), "nothing was sent");
        let answer = |slot: &ConnectionState, streaming| {
            slot.read(b"GET");
            slot.serving();
            slot.answered(streaming);
            slot.written();
        };
        assert!(!overdue_after(|slot| answer(slot, false), 30));
        assert!(overdue_after(|slot| answer(slot, false), 31), "idle");
        assert!(!overdue_after(|slot| answer(slot, true), 1_000_000), "a stream");
        let second = |slot: &ConnectionState| {
            answer(slot, false);
            slot.read(b"GET");
        };
        assert!(overdue_after(second, 11), "the second header");
        let blocked = |slot: &ConnectionState| {
            slot.serving();
            slot.answered(false);
            slot.blocked();
        };
        assert!(!overdue_after(blocked, 20));
        assert!(overdue_after(blocked, 21));
        assert!(overdue_after(ConnectionState::lingering, 6));
        assert!(!overdue_after(ConnectionState::serving, 1_000_000));
    }

    #[test]
    fn progress_does_not_forgive_a_blocked_answer() {
        let clock = Arc::new(Clock::default());
        let slot = ConnectionState::new(clock.clone());
        slot.serving();
        slot.answered(false);
        slot.blocked();
        clock.set(Settings::default().write_timeout_ms + 1);
        slot.blocked();
        assert!(slot.is_overdue(&Settings::default()));
    }
}
