//! One serving thread's counters: written by that thread alone, so counting is a load and a store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;

use crate::route::{NAMES, NO_ROUTE};

/// The statuses that are told apart; the last place counts all others.
pub(crate) const STATUSES: [u16; 16] = [200, 202, 204, 304, 400, 404, 405, 408, 413, 414, 415, 417, 422, 431, 503, 500];

/// The upper bounds of the latency buckets, in microseconds; one more bucket takes the rest.
pub(crate) const BUCKETS_US: [u64; 16] =
    [2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];

/// Counts of one route.
#[derive(Debug, Default)]
pub(crate) struct RouteCounters {
    statuses: [AtomicU64; STATUSES.len()],
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    total_ns: AtomicU64,
}

/// Counts of one thread, by the route's place in [`NAMES`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    routes: [RouteCounters; NAMES.len()],
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
}

impl Counters {
    /// Counts an answer.
    pub(crate) fn request(&self, route: usize, status: StatusCode, took: Duration) {
        let route = &self.routes[route];
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        add(&route.statuses[status], 1);
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.iter().position(|bound| took_ns <= bound * 1_000).unwrap_or(BUCKETS_US.len());
        add(&route.buckets[bucket], 1);
        add(&route.total_ns, took_ns);
    }

    /// Counts an answer to what was not a request.
    pub(crate) fn unparsed(&self, status: u16) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        self.request(NO_ROUTE, status, Duration::ZERO);
    }

    /// Adds this thread's counts.
    pub(crate) fn add_to(&self, sums: &mut Sums) {
        for (route, sum) in self.routes.iter().zip(&mut sums.routes) {
            for (count, sum) in route.statuses.iter().zip(&mut sum.statuses) {
                *sum += count.load(Ordering::Relaxed);
            }
            for (count, sum) in route.buckets.iter().zip(&mut sum.buckets) {
                *sum += count.load(Ordering::Relaxed);
            }
            sum.total_ns += route.total_ns.load(Ordering::Relaxed);
        }
    }
}

/// One route's counts over all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteSums {
    pub(crate) statuses: [u64; STATUSES.len()],
    pub(crate) buckets: [u64; BUCKETS_US.len() + 1],
    pub(crate) total_ns: u64,
}

/// The counts over all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) routes: [RouteSums; NAMES.len()],
}

impl Sums {
    /// All answers.
    pub(crate) fn requests(&self) -> u64 {
        self.routes.iter().flat_map(|route| route.statuses).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_route_status_and_time() {
        let counters = Counters::default();
        counters.request(0, StatusCode::OK, Duration::from_nanos(2_000));
        counters.request(0, StatusCode::OK, Duration::from_nanos(2_001));
        counters.request(3, StatusCode::IM_A_TEAPOT, Duration::from_secs(60));
        counters.unparsed(431);
        let mut sums = Sums::default();
        counters.add_to(&mut sums);
        assert_eq!(sums.requests(), 4);
        assert_eq!((sums.routes[0].statuses[0], sums.routes[0].buckets[0], sums.routes[0].buckets[1]), (2, 1, 1));
        assert_eq!(sums.routes[0].total_ns, 4_001);
        assert_eq!((sums.routes[3].statuses[15], sums.routes[3].buckets[16]), (1, 1));
        assert_eq!(sums.routes[NO_ROUTE].statuses[13], 1);
    }
}
