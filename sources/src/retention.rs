//! How often sources look for orders that are kept no longer.

use dataflow::rules::DAY_MS;
use dataflow::time::Millis;

/// No look follows another one faster.
const EVERY_MIN: Millis = 1000;

/// The time from one look for old orders to the next: a part of the time for which orders are kept, 1 / `steps` of it, and at most
/// a day.
pub(crate) fn sweep_every(kept_ms: Millis, steps: Millis) -> Millis {
    (kept_ms / steps).clamp(EVERY_MIN, DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_outlasts_its_time_by_a_part_of_it_and_at_most_by_a_day() {
        let every = [1000, 30 * DAY_MS, 365 * DAY_MS, Millis::MAX].map(|kept_ms| sweep_every(kept_ms, 200));
        assert_eq!(every, [1000, 12_960_000, DAY_MS, DAY_MS]);
    }
}
