//! The service clock: the wall clock, corrected so that it is a valid timeline.
//!
//! It never goes back. When the wall clock is set back, it runs on at half speed until the wall clock has caught up, so
//! that ticks still close. A forward jump beyond a bound is refused: one wrong second of a time server must not push
//! thirty days of orders out of the window. The clock then runs on at the speed of the monotonic clock and logs this
//! once. It follows the wall clock again when that is back within the bound, or after a restart.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dataflow::time::{Millis, ServiceClock, Time};
use tracing::warn;

/// The wall clock, clamped.
pub struct WallClock {
    forward_jump_max_us: u64,
    state: Mutex<ClockState>,
}

/// All times are in microseconds: at half speed, milliseconds would be lost to rounding.
struct ClockState {
    service_us: u64,
    read_at: Instant,
    refusing: bool,
}

impl WallClock {
    /// A clock that starts at the wall clock's time and refuses forward jumps beyond `forward_jump_max`.
    #[must_use]
    pub fn new(forward_jump_max: Duration) -> Self {
        WallClock::from(0, forward_jump_max)
    }

    /// A clock that starts at the wall clock's time, or at `start`, whichever is later.
    #[must_use]
    pub fn from(start: Time, forward_jump_max: Duration) -> Self {
        let state = ClockState {
            service_us: wall_us().max(start.saturating_mul(1000)),
            read_at: Instant::now(),
            refusing: false,
        };
        WallClock { forward_jump_max_us: micros(forward_jump_max), state: Mutex::new(state) }
    }
}

impl ServiceClock for WallClock {
    fn now(&self) -> Time {
        let mut state = self.state.lock().expect("no holder of this lock can panic");
        let now = Instant::now();
        let elapsed_us = micros(now.duration_since(state.read_at));
        state.read_at = now;
        state.advance(elapsed_us, wall_us(), self.forward_jump_max_us);
        state.service_us / 1000
    }
}

impl ClockState {
    fn advance(&mut self, elapsed_us: u64, wall_us: u64, forward_jump_max_us: u64) {
        let steady = self.service_us + elapsed_us;
        let refuses = wall_us > steady.saturating_add(forward_jump_max_us);
        if refuses && !self.refusing {
            warn!(
                ahead_ms = (wall_us - steady) / 1000,
                "the wall clock jumped ahead by more than dataflow.forward_jump_max_ms and is ignored; if it is right, \
                 restart Vitrine"
            );
        }
        self.refusing = refuses;
        self.service_us = if refuses {
            steady
        } else if wall_us >= self.service_us {
            wall_us
        } else {
            self.service_us + elapsed_us / 2
        };
    }
}

/// The later of the service clock's and the wall clock's time. The times that events state are checked against it. If a
/// forward jump was refused, one of the two clocks is wrong, and a sender whose clock is right must not be refused.
pub struct LaterClock {
    service: Arc<dyn ServiceClock>,
    wall: fn() -> Millis,
    latest: AtomicU64,
}

impl LaterClock {
    /// The later clock of these two.
    #[must_use]
    pub fn new(service: Arc<dyn ServiceClock>, wall: fn() -> Millis) -> Self {
        LaterClock { service, wall, latest: AtomicU64::new(0) }
    }

    /// The service clock's time.
    #[must_use]
    pub fn service(&self) -> Time {
        self.service.now()
    }

    /// The wall clock's time.
    #[must_use]
    pub fn wall(&self) -> Millis {
        (self.wall)()
    }
}

impl ServiceClock for LaterClock {
    fn now(&self) -> Time {
        let now = self.service().max(self.wall());
        self.latest.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

/// The wall clock's time now, in milliseconds since the epoch.
#[must_use]
pub fn wall_ms() -> Millis {
    wall_us() / 1000
}

fn wall_us() -> u64 {
    micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(service_us: u64) -> ClockState {
        ClockState { service_us, read_at: Instant::now(), refusing: false }
    }

    #[test]
    fn it_follows_the_wall_clock() {
        let mut state = state(1_000_000);
        state.advance(500, 1_000_700, 10_000);
        assert_eq!(state.service_us, 1_000_700);
    }

    #[test]
    fn set_back_it_runs_on_at_half_speed_until_the_wall_clock_has_caught_up() {
        let mut state = state(1_000_000);
        state.advance(1000, 900_000, 10_000);
        assert_eq!(state.service_us, 1_000_500);
        state.advance(200_000, 1_100_000, 10_000);
        assert_eq!(state.service_us, 1_100_500 - 500, "the wall clock is ahead again");
    }

    #[test]
    fn what_others_state_is_held_against_the_later_clock() {
        struct At(u64);

        impl ServiceClock for At {
            fn now(&self) -> Time {
                self.0
            }
        }

        for (service, latest) in [(5, 7), (9, 9)] {
            assert_eq!(LaterClock::new(Arc::new(At(service)), || 7).now(), latest);
        }
    }

    #[test]
    fn a_jump_beyond_the_bound_is_refused_and_the_way_back_taken() {
        let mut state = state(1_000_000);
        state.advance(1000, 9_000_000, 10_000);
        assert_eq!((state.service_us, state.refusing), (1_001_000, true));
        state.advance(1000, 1_003_000, 10_000);
        assert_eq!((state.service_us, state.refusing), (1_003_000, false));
    }
}
