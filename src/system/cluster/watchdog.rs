//! Notices that no tick closes any more: a peer that is frozen or cut off raises no error by itself. A leader that
//! waits until the served watermark is raised says so: this is not a freeze.

use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use dataflow::engine::TickCounter;
use dataflow::publish::PublishedSnapshots;
use dataflow::time::{ServiceClock, Time};

use super::severing::STATUS;

/// The time without a tick is counted in this many checks: while this process itself is frozen, none is counted.
const LOOKS: u32 = 20;

/// The first tick may take this many times as long: all data is loaded before it.
const START: u32 = 10;

/// The watching thread. Dropping it ends the thread.
pub(crate) struct Watchdog {
    _stop: Sender<()>,
}

impl Watchdog {
    /// Ends the process when no tick has closed for `stall` while the clock advanced and the leader sent no message.
    ///
    /// # Errors
    /// When the system denies a thread.
    pub(crate) fn start(
        snapshots: Arc<PublishedSnapshots>,
        ticks: TickCounter,
        clock: Arc<dyn ServiceClock>,
        stall: Duration,
    ) -> std::io::Result<Watchdog> {
        let (stop, stopped) = channel::<()>();
        let mut watch = Watch::new();
        std::thread::Builder::new().name("watchdog".into()).spawn(move || {
            while stopped.recv_timeout(stall / LOOKS) == Err(RecvTimeoutError::Timeout) {
                if watch.look(snapshots.closed(), ticks.held(), clock.now()) {
                    tracing::error!(
                        stall_s = stall.as_secs(),
                        "no tick has closed for so long: a process of the cluster is frozen or cut off; ending"
                    );
                    std::process::exit(STATUS);
                }
            }
        })?;
        Ok(Watchdog { _stop: stop })
    }
}

/// The last observation.
struct Watch {
    closed: Time,
    held: u64,
    now: Time,
    looks: u32,
}

impl Watch {
    fn new() -> Self {
        Watch { closed: 0, held: 0, now: 0, looks: 0 }
    }

    /// Whether the time without a tick is too long.
    fn look(&mut self, closed: Time, held: u64, now: Time) -> bool {
        if closed > self.closed || held > self.held {
            self.looks = 0;
        } else if now > self.now {
            self.looks += 1;
        }
        (self.closed, self.held, self.now) = (closed, held, now);
        self.looks > if closed <= 1 { LOOKS * START } else { LOOKS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_standstill_that_lasts_while_the_clock_goes_on_is_one() {
        let mut watch = Watch::new();
        assert!((1..100).all(|now| !watch.look(1, 0, now)), "the first tick takes longer");
        assert!((100..200).all(|now| !watch.look(now, 0, now)));
        assert!((0..100).all(|_| !watch.look(199, 0, 199)), "the clock stands as well");
        assert!((0..20).all(|more| !watch.look(199, 0, 200 + more)));
        assert!(watch.look(199, 0, 220));
        assert!((0..100).all(|more| !watch.look(199, 1 + more, 221 + more)), "the leader waits");
        assert!(!watch.look(321, 100, 321), "it went on");
    }
}
