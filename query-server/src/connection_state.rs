//! What a connection is doing and since when: the reaper enforces time-outs with it, without a timer for each request.

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
    /// Closed on this side. The rest of the request is drained.
    Lingering,
}

/// A request of the reaper to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum ConnectionCommand {
    Continue,
    /// Answer what is in flight, then close.
    Finish,
    /// Close at once.
    Abort,
}

/// The thread's time in milliseconds since its start. Its reaper sets it.
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

/// The state of a connection. Only one thread uses it; it is atomic because the runtime asks for `Sync`.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    clock: Arc<Clock>,
    phase: AtomicU8,
    since_ms: AtomicU64,
    /// Whether the first line of a request has not ended.
    in_target: AtomicBool,
    /// Whether the request was answered with its body unread.
    unread: AtomicBool,
    /// Whether the answer is a stream, which may be silent for any time.
    streaming: AtomicBool,
    /// Whether a stream of events begins whose reader is to get new ones instead of old ones.
    push_begins: AtomicBool,
    command: AtomicU8,
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
            push_begins: AtomicBool::new(false),
            command: AtomicU8::new(ConnectionCommand::Continue as u8),
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

    /// The answer is a stream of events whose reader is to get new ones instead of old ones.
    pub(crate) fn pushes(&self) {
        self.push_begins.store(true, Ordering::Relaxed);
    }

    /// Whether such a stream begins. It is said once of each.
    pub(crate) fn takes_push(&self) -> bool {
        self.push_begins.load(Ordering::Relaxed) && self.push_begins.swap(false, Ordering::Relaxed)
    }

    /// Everything is written.
    pub(crate) fn written(&self) {
        if self.is(Phase::Answered) || self.is(Phase::Blocked) {
            self.enter(Phase::Idle);
        }
    }

    /// Everything is sent after all.
    pub(crate) fn unblocked(&self) {
        if self.is(Phase::Blocked) {
            self.enter(Phase::Idle);
        }
    }

    /// The client does not read. Its time-out counts until it has read everything.
    pub(crate) fn blocked(&self) {
        if !self.is(Phase::Blocked) {
            self.enter(Phase::Blocked);
        }
    }

    /// The client reads, but has not read everything. This restarts the time-out of a stream, which may be long.
    pub(crate) fn progressed(&self) {
        if self.is(Phase::Blocked) && self.streaming.load(Ordering::Relaxed) {
            self.enter(Phase::Blocked);
        }
    }

    /// This side has closed the connection.
    pub(crate) fn lingering(&self) {
        if !self.is(Phase::Lingering) {
            self.enter(Phase::Lingering);
        }
    }

    /// Notes whether a part of the request is unread.
    pub(crate) fn set_unread(&self, unread: bool) {
        self.unread.store(unread, Ordering::Relaxed);
    }

    /// Whether a part of the request is unread.
    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Keeps the waker of the connection's task. Every call gives the same one.
    pub(crate) fn wake_by(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    /// The reaper's request.
    pub(crate) fn command(&self) -> ConnectionCommand {
        match self.command.load(Ordering::Relaxed) {
            0 => ConnectionCommand::Continue,
            1 => ConnectionCommand::Finish,
            _ => ConnectionCommand::Abort,
        }
    }

    /// Whether the connection is closed before its request has ended: the rest of a body is missing then.
    pub(crate) fn is_aborted(&self) -> bool {
        self.command() == ConnectionCommand::Abort
    }

    /// Makes a request to the connection. A connection that is to be closed at once stays so.
    pub(crate) fn order(&self, command: ConnectionCommand) {
        self.command.fetch_max(command as u8, Ordering::Relaxed);
        if let Some(waker) = self.waker.get() {
            waker.wake_by_ref();
        }
    }

    /// A guard that marks the connection as ended when it is dropped.
    pub(crate) fn end_guard(self: &Arc<Self>) -> EndGuard {
        EndGuard(self.clone())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Whether the connection has exceeded the time-out of what it is doing.
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
            // Endpoints have time-outs of their own, and a ready answer is written or blocked at once.
            return false;
        };
        self.clock.now().saturating_sub(self.since_ms.load(Ordering::Relaxed)) > limit_ms
    }
}

/// Marks a connection as ended, however its task ends.
pub(crate) struct EndGuard(Arc<ConnectionState>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overdue_after(act: impl FnOnce(&ConnectionState), ms: u64) -> bool {
        let settings = Settings {
            header_timeout_ms: 10,
            write_timeout_ms: 20,
            idle_timeout_ms: 30,
            linger_ms: 5,
            ..Settings::default()
        };
        let clock = Arc::new(Clock::default());
        clock.set(1000);
        let connection = ConnectionState::new(clock.clone());
        act(&connection);
        clock.set(1000 + ms);
        connection.is_overdue(&settings)
    }

    #[test]
    fn each_phase_has_its_limit() {
        assert!(!overdue_after(|_| {}, 10));
        assert!(overdue_after(|_| {}, 11), "nothing was sent");
        let answer = |connection: &ConnectionState, streaming| {
            connection.read(b"GET");
            connection.serving();
            connection.answered(streaming);
            connection.written();
        };
        assert!(!overdue_after(|connection| answer(connection, false), 30));
        assert!(overdue_after(|connection| answer(connection, false), 31), "idle");
        assert!(!overdue_after(|connection| answer(connection, true), 1_000_000), "a stream");
        let second = |connection: &ConnectionState| {
            answer(connection, false);
            connection.read(b"GET");
        };
        assert!(overdue_after(second, 11), "the second header");
        let blocked = |connection: &ConnectionState| {
            connection.serving();
            connection.answered(false);
            connection.blocked();
        };
        assert!(!overdue_after(blocked, 20));
        assert!(overdue_after(blocked, 21));
        assert!(overdue_after(ConnectionState::lingering, 6));
        assert!(!overdue_after(ConnectionState::serving, 1_000_000));
    }

    #[test]
    fn progress_does_not_forgive_a_blocked_answer_unless_it_is_a_stream() {
        let clock = Arc::new(Clock::default());
        let connection = ConnectionState::new(clock.clone());
        connection.serving();
        connection.answered(false);
        connection.blocked();
        clock.set(Settings::default().write_timeout_ms + 1);
        connection.blocked();
        connection.progressed();
        assert!(connection.is_overdue(&Settings::default()));
        connection.answered(true);
        connection.blocked();
        clock.set(3 * Settings::default().write_timeout_ms);
        assert!(connection.is_overdue(&Settings::default()));
        connection.progressed();
        assert!(!connection.is_overdue(&Settings::default()));
    }
}
