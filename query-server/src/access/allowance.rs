//! How often a key may be used: a token bucket, kept as the time at which it is full again.
//!
//! ```text
//! now ─────────────┬─────────────────────────────▶ time
//!                  full_at: each request moves it by the time that one token takes;
//!                  further than a whole bucket from now it may not move
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::HeaderValue;

const SECOND_NS: u64 = 1_000_000_000;

/// How often a key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests in each second over a long time: 1 to 1,000,000.
    pub requests_per_s: u32,
    /// Requests at once after a pause: 1 to 1,000,000.
    pub burst: u32,
}

/// The tokens of one key.
pub(super) struct Allowance {
    /// Nanoseconds in which one token comes back.
    token_ns: u64,
    /// Nanoseconds in which an empty bucket fills.
    bucket_ns: u64,
    /// When the bucket is full again.
    full_at_ns: AtomicU64,
    policy: HeaderValue,
}

/// A token was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TokenTaken {
    /// Tokens that are left.
    pub(super) left: u64,
    full_in_ns: u64,
}

/// No token was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoToken {
    /// When there is one.
    pub(super) wait_ns: u64,
    full_in_ns: u64,
}

impl NoToken {
    /// Whole seconds until there is a token, at least 1.
    pub(super) fn wait_s(self) -> u64 {
        self.wait_ns.div_ceil(SECOND_NS).max(1)
    }
}

/// What is left of a key's rate, for the header fields of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// The value of `RateLimit-Policy`.
    pub(crate) policy: HeaderValue,
    /// Requests that are left now.
    pub(crate) left: u64,
    /// Seconds until all are there again.
    pub(crate) full_in_s: u64,
}

impl Allowance {
    /// A full bucket.
    pub(super) fn new(rate: Rate) -> Allowance {
        let (per_s, burst) = (u64::from(rate.requests_per_s.max(1)), u64::from(rate.burst.max(1)));
        let token_ns = (SECOND_NS / per_s).max(1);
        let bucket_ns = token_ns * burst;
        // A window of whole seconds is the unit of the header field.
        let policy = format!("\"key\";q={burst};w={}", bucket_ns.div_ceil(SECOND_NS));
        let policy = HeaderValue::from_str(&policy).expect("digits and ASCII signs are a header value");
        Allowance { token_ns, bucket_ns, full_at_ns: AtomicU64::new(0), policy }
    }

    /// Takes a token at `now_ns`.
    pub(super) fn take(&self, now_ns: u64) -> Result<TokenTaken, NoToken> {
        let mut full_at_ns = self.full_at_ns.load(Ordering::Relaxed);
        loop {
            let missing_ns = full_at_ns.saturating_sub(now_ns);
            let full_in_ns = missing_ns + self.token_ns;
            if full_in_ns > self.bucket_ns {
                return Err(NoToken { wait_ns: full_in_ns - self.bucket_ns, full_in_ns: missing_ns });
            }
            let next = now_ns + full_in_ns;
            match self.full_at_ns.compare_exchange_weak(full_at_ns, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(TokenTaken { left: (self.bucket_ns - full_in_ns) / self.token_ns, full_in_ns }),
                Err(other) => full_at_ns = other,
            }
        }
    }

    /// The state of the bucket after an attempt to take a token.
    pub(super) fn quota(&self, taken: Result<TokenTaken, NoToken>) -> Quota {
        let (left, full_in_ns) = match taken {
            Ok(taken) => (taken.left, taken.full_in_ns),
            Err(refusal) => (0, refusal.full_in_ns),
        };
        Quota { policy: self.policy.clone(), left, full_in_s: full_in_ns.div_ceil(SECOND_NS) }
    }
}

#[cfg(test)]
mod tests {
    use harness::Dice;

    use super::*;

    /// A bucket as the textbook has it: tokens in parts of a token, which come back with time.
    struct PlainBucket {
        parts: u64,
        at_ns: u64,
    }

    impl PlainBucket {
        fn take(&mut self, now_ns: u64, token_ns: u64, burst: u64) -> Option<u64> {
            self.parts = (self.parts + (now_ns - self.at_ns)).min(burst * token_ns);
            self.at_ns = now_ns;
            self.parts = self.parts.checked_sub(token_ns)?;
            Some(self.parts / token_ns)
        }
    }

    #[test]
    fn it_is_the_bucket_of_the_textbook() {
        let (mut dice, mut taken, mut refused) = (Dice::new(17), 0, 0);
        for _ in 0..200 {
            let rate = Rate { requests_per_s: dice.below(500) + 1, burst: dice.below(20) + 1 };
            let (allowance, token_ns) = (Allowance::new(rate), SECOND_NS / u64::from(rate.requests_per_s));
            let burst = u64::from(rate.burst);
            let mut plain = PlainBucket { parts: burst * token_ns, at_ns: 0 };
            let mut now_ns = 0;
            for _ in 0..300 {
                now_ns += dice.below(2 * token_ns) * dice.below(3_u64);
                match (allowance.take(now_ns), plain.take(now_ns, token_ns, burst)) {
                    (Ok(own), Some(left)) => {
                        assert_eq!(own.left, left);
                        taken += 1;
                    }
                    (Err(refusal), None) => {
                        assert_eq!(refusal.wait_ns, token_ns - plain.parts);
                        refused += 1;
                    }
                    (own, expected) => panic!("{own:?} instead of {expected:?}"),
                }
            }
        }
        assert!(taken > 1000 && refused > 1000, "{taken} {refused}");
    }

    #[test]
    fn threads_together_get_no_more_than_one() {
        let allowance = Allowance::new(Rate { requests_per_s: 1, burst: 1000 });
        let take = || (0..500).filter(|_| allowance.take(5).is_ok()).count();
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(take)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }

    #[test]
    fn header_fields_count_requests_and_whole_seconds() {
        let allowance = Allowance::new(Rate { requests_per_s: 2, burst: 3 });
        let quotas: Vec<Quota> = (0..4).map(|_| allowance.quota(allowance.take(0))).collect();
        assert_eq!(quotas[0].policy, "\"key\";q=3;w=2");
        let left: Vec<(u64, u64)> = quotas.iter().map(|quota| (quota.left, quota.full_in_s)).collect();
        assert_eq!(left, [(2, 1), (1, 1), (0, 2), (0, 2)]);
        assert_eq!(allowance.take(0).unwrap_err().wait_s(), 1);
    }
}
