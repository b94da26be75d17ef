//! The lab's clocks: the wall clock, the same in microseconds, or one set by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dataflow::tick_scheduler::TickPolicy;
use dataflow::time::{ServiceClock, Time};
use vitrine::clock::wall_ms;

/// The source of the lab's "now".
pub(crate) enum LabClock {
    /// Milliseconds, as in the product.
    Wall(Instant, Time),
    /// Microseconds: a tick closes as soon as it can, so that a tick's own cost shows and not the wait for it.
    Micros(Instant),
    /// Milliseconds that are set by hand.
    ByHand(AtomicU64),
}

impl LabClock {
    /// The wall clock.
    pub(crate) fn wall() -> Self {
        LabClock::Wall(Instant::now(), wall_ms())
    }

    /// Microseconds since shortly before the clock was made.
    pub(crate) fn micros() -> Self {
        LabClock::Micros(Instant::now())
    }

    /// A clock that starts at the wall clock's time and stands still.
    pub(crate) fn by_hand() -> Self {
        LabClock::ByHand(AtomicU64::new(wall_ms()))
    }

    /// Sets a clock by hand forward, and returns its time; another clock moves by itself.
    pub(super) fn forward(&self, ms: u64) -> Time {
        match self {
            LabClock::ByHand(now) => now.fetch_add(ms, Ordering::SeqCst) + ms,
            LabClock::Wall(..) | LabClock::Micros(_) => self.now(),
        }
    }

    /// How long to wait before the clock may have to be set forward.
    pub(super) fn patience(&self) -> Duration {
        match self {
            LabClock::ByHand(_) => Duration::from_millis(1),
            LabClock::Wall(..) | LabClock::Micros(_) => Duration::from_millis(100),
        }
    }

    /// The rules in this clock's unit.
    pub(super) fn ticks(&self, rules: TickPolicy) -> TickPolicy {
        match self {
            LabClock::Wall(..) | LabClock::ByHand(_) => rules,
            LabClock::Micros(_) => {
                TickPolicy { idle_tick_ms: rules.idle_tick_ms * 1000, tick_ms_max: rules.tick_ms_max * 1000, ..rules }
            }
        }
    }
}

impl ServiceClock for LabClock {
    fn now(&self) -> Time {
        let passed = |start: &Instant| start.elapsed();
        match self {
            LabClock::Wall(start, at) => at + passed(start).as_millis() as u64,
            // It does not start at 0, the engine's first tick.
            LabClock::Micros(start) => 1_000_000 + passed(start).as_micros() as u64,
            LabClock::ByHand(now) => now.load(Ordering::SeqCst),
        }
    }
}
