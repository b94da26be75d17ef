//! Something that goes wrong again and again: when it is tried next, and when it is told.

use std::time::{Duration, Instant};

/// The first pause after a failure; each further one doubles it, up to the longest.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(640);

/// Without a failure for so long it counts as over. Where file descriptors are scarce each one that becomes free lets one
/// attempt succeed and the next one fail: that is one trouble, and not many.
const QUIET: Duration = Duration::from_secs(10);

/// A trouble, if there is one.
#[derive(Debug, Default)]
pub(super) struct Trouble(Option<Failing>);

#[derive(Debug)]
struct Failing {
    last: Instant,
    pause: Duration,
}

impl Trouble {
    /// An attempt has failed: how long to wait before the next one, and whether this is news.
    pub(super) fn comes(&mut self, now: Instant) -> (Duration, bool) {
        let before = self.0.take().filter(|failing| now.duration_since(failing.last) < QUIET);
        let pause = before.as_ref().map_or(PAUSE, |failing| (failing.pause * 2).min(PAUSE_MAX));
        self.0 = Some(Failing { last: now, pause });
        (pause, before.is_none())
    }

    /// An attempt has succeeded: whether that is news.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        let Some(failing) = &mut self.0 else { return false };
        failing.pause = PAUSE;
        let over = now.duration_since(failing.last) >= QUIET;
        if over {
            self.0 = None;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_when_it_comes_and_when_it_has_gone_however_often_it_flickers() {
        let (start, mut trouble) = (Instant::now(), Trouble::default());
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!trouble.is_over(at(0)));
        let told = (0..1000).filter(|nth| {
            let (_, is_new) = trouble.comes(at(nth * 20));
            is_new | trouble.is_over(at(nth * 20 + 10))
        });
        assert_eq!(told.collect::<Vec<_>>(), [0]);
        assert!(!trouble.is_over(at(29_000)), "it may come again");
        assert!(trouble.is_over(at(30_000)) && !trouble.is_over(at(30_001)), "once");
        assert!(trouble.comes(at(31_000)).1, "another one");
        assert!(trouble.comes(at(42_000)).1, "nobody has tried meanwhile");
    }

    #[test]
    fn attempts_become_rarer_until_one_succeeds() {
        let (now, mut trouble) = (Instant::now(), Trouble::default());
        let pauses: Vec<u128> = (0..8).map(|_| trouble.comes(now).0.as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 640, 640]);
        assert!(!trouble.is_over(now));
        assert_eq!(trouble.comes(now).0.as_millis(), 40);
    }
}
