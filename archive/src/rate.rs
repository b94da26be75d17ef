//! The limit of bytes per second.

use std::time::Duration;

/// How much may be read at once after a pause.
const BURST: Duration = Duration::from_millis(500);

/// Bytes that may be read, growing with time.
pub(crate) struct Rate {
    /// Bytes per second; none: no limit.
    per_second: Option<f64>,
    left: f64,
    at: Duration,
}

impl Rate {
    /// A limit in millions of bytes per second; 0: none.
    pub(crate) fn new(mb_per_second: u64) -> Rate {
        #[expect(clippy::cast_precision_loss, reason = "the setting is small")]
        let per_second = (mb_per_second > 0).then_some(mb_per_second as f64 * 1e6);
        Rate { per_second, left: 0.0, at: Duration::ZERO }
    }

    /// Whether more may be read now.
    pub(crate) fn is_open(&mut self, now: Duration) -> bool {
        let Some(per_second) = self.per_second else { return true };
        let passed = now.saturating_sub(self.at).min(BURST);
        self.left = (self.left + passed.as_secs_f64() * per_second).min(BURST.as_secs_f64() * per_second);
        self.at = now;
        self.left >= 0.0
    }

    /// Notes that bytes were read.
    pub(crate) fn take(&mut self, bytes: usize) {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        if self.per_second.is_some() {
            self.left -= bytes as f64;
        }
    }

    /// How long nothing may be read; zero if more may be read now.
    pub(crate) fn wait(&self) -> Duration {
        match self.per_second {
            Some(per_second) if self.left < 0.0 => Duration::from_secs_f64(-self.left / per_second),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_per_second_are_kept() {
        let mut rate = Rate::new(10);
        let (mut now, mut read) = (Duration::ZERO, 0);
        while now < Duration::from_secs(10) {
            while rate.is_open(now) {
                rate.take(300_000);
                read += 300_000;
            }
            now += rate.wait().max(Duration::from_millis(1));
        }
        assert!((95_000_000..=106_000_000).contains(&read), "{read}");
        let mut unlimited = Rate::new(0);
        unlimited.take(usize::MAX);
        assert!(unlimited.is_open(Duration::ZERO) && unlimited.wait().is_zero());
    }
}
