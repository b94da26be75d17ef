//! One serving thread's counters. Only that thread writes them, so counting is a load and a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;

/// Statuses from this one to `STATUS_MAX` have a counter each.
const STATUS_MIN: u16 = 100;
const STATUS_MAX: u16 = 599;
const STATUSES: usize = (STATUS_MAX - STATUS_MIN) as usize + 1;

/// The upper bounds of the latency buckets, in microseconds; one more bucket takes the rest.
pub(crate) const BUCKETS_US: [u64; 16] =
    [2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000];

/// One thread's counters, in the order of the endpoints; the last ones are of requests that no endpoint takes.
#[derive(Clone, Debug)]
pub(crate) struct Counters(Arc<[RouteCounters]>);

/// The counters of one route.
#[derive(Debug)]
struct RouteCounters {
    label: &'static str,
    statuses: [AtomicU64; STATUSES],
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    total_ns: AtomicU64,
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed) + amount, Ordering::Relaxed);
}

impl Counters {
    /// Counters for routes with these labels.
    pub(crate) fn new(labels: &[&'static str]) -> Self {
        let route = |label: &&'static str| RouteCounters {
            label,
            statuses: [const { AtomicU64::new(0) }; STATUSES],
            buckets: Default::default(),
            total_ns: AtomicU64::new(0),
        };
        Counters(labels.iter().map(route).collect())
    }

    /// Counts an answer.
    pub(crate) fn request(&self, route: usize, status: StatusCode, took: Duration) {
        let route = &self.0[route];
        add(&route.statuses[usize::from(status.as_u16().clamp(STATUS_MIN, STATUS_MAX) - STATUS_MIN)], 1);
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.iter().position(|bound| took_ns <= bound * 1_000).unwrap_or(BUCKETS_US.len());
        add(&route.buckets[bucket], 1);
        add(&route.total_ns, took_ns);
    }

    /// Counts an answer to bytes that are not a request.
    pub(crate) fn unparsed(&self, status: u16) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        self.request(self.0.len() - 1, status, Duration::ZERO);
    }

    /// The sums over all threads.
    pub(crate) fn sums(threads: &[Counters]) -> Vec<RouteSums> {
        let routes = threads.first().map_or(0, |counters| counters.0.len());
        (0..routes).map(|route| RouteSums::of(threads.iter().map(|counters| &counters.0[route]))).collect()
    }
}

/// The counts of one route over all threads.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteSums {
    pub(crate) label: &'static str,
    /// The statuses that occurred, and how often.
    pub(crate) statuses: Vec<(u16, u64)>,
    pub(crate) buckets: [u64; BUCKETS_US.len() + 1],
    pub(crate) total_ns: u64,
}

impl RouteSums {
    fn of<'c>(counters: impl Iterator<Item = &'c RouteCounters> + Clone) -> Self {
        let mut sums = RouteSums::default();
        for status in STATUS_MIN..=STATUS_MAX {
            let count =
                |route: &RouteCounters| route.statuses[usize::from(status - STATUS_MIN)].load(Ordering::Relaxed);
            let count: u64 = counters.clone().map(count).sum();
            sums.statuses.extend((count > 0).then_some((status, count)));
        }
        for route in counters {
            sums.label = route.label;
            for (count, sum) in route.buckets.iter().zip(&mut sums.buckets) {
                *sum += count.load(Ordering::Relaxed);
            }
            sums.total_ns += route.total_ns.load(Ordering::Relaxed);
        }
        sums
    }

    /// The answers of all statuses.
    pub(crate) fn requests(&self) -> u64 {
        self.statuses.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_route_status_and_time() {
        let threads = [Counters::new(&["history", "none"]), Counters::new(&["history", "none"])];
        threads[0].request(0, StatusCode::OK, Duration::from_nanos(2_000));
        threads[1].request(0, StatusCode::OK, Duration::from_nanos(2_001));
        threads[0].request(0, StatusCode::TOO_MANY_REQUESTS, Duration::from_secs(60));
        threads[1].unparsed(431);
        let sums = Counters::sums(&threads);
        assert_eq!(sums.iter().map(RouteSums::requests).sum::<u64>(), 4);
        assert_eq!((sums[0].label, &*sums[0].statuses), ("history", &[(200, 2), (429, 1)][..]));
        assert_eq!((sums[0].buckets[0], sums[0].buckets[1], sums[0].buckets[16]), (1, 1, 1));
        assert_eq!(sums[0].total_ns, 60_000_004_001);
        assert_eq!((sums[1].label, &*sums[1].statuses), ("none", &[(431, 1)][..]));
    }

    #[test]
    fn every_status_has_a_counter_of_its_own() {
        let counters = Counters::new(&["all"]);
        let all: Vec<u16> = (STATUS_MIN..=STATUS_MAX).collect();
        for status in &all {
            counters.request(0, StatusCode::from_u16(*status).unwrap(), Duration::ZERO);
        }
        let counted = Counters::sums(&[counters]).remove(0).statuses;
        assert_eq!(counted, all.into_iter().map(|status| (status, 1)).collect::<Vec<_>>());
    }
}
