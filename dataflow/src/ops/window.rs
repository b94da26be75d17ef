//! Distinct buyers in the sliding window: which products gain and lose buyers as lines come, go and expire.
//!
//! ```text
//! (product, user, created_at) lines ──routed by line──▶ ┌────────┐
//! "now" marks ──────────────────────broadcast─────────▶ │ window │ ──▶ product, ±buyers
//!                                                       └────────┘
//! ```
//! A line counts while `created_at + window > now`: from its arrival or, if it is dated further ahead than clocks may
//! differ, from the time at which it no longer is. The edge moves only by "now" marks, so the same inputs give the same
//! output for every number of workers and every movement of the frontier. The state is an ordered set of lines by
//! expiry and, for every (product, user), the number of its live lines. A retraction removes its line at once, and
//! state never outlives the window. Retractions dated in the future would instead stay in an arrangement's batcher,
//! which visits all of them at every tick.
//!
//! Lines are distributed by (product, user), so even if half of all orders are for one product, all workers share them,
//! and each worker sends one number per product and tick.

mod by_expiry;
mod live_lines;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::{AsCollection, VecCollection};
use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::Operator;

use self::by_expiry::{ByExpiry, Expiring};
use self::live_lines::LiveLines;
use crate::ids::{ProductKey, UserKey};
use crate::rules::AHEAD_MS;
use crate::time::{Diff, Millis, Time};

/// One order line with its order: user, product and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Purchase {
    /// The product bought.
    pub product: ProductKey,
    /// The user who bought it.
    pub user: UserKey,
    /// When the order was created.
    pub created_at: Millis,
}

/// The input of one tick.
#[derive(Default)]
struct Round {
    lines: Vec<(Purchase, Diff)>,
    now: Option<Time>,
}

/// Lines that count nowhere because they came too late.
#[derive(Clone, Default)]
pub struct LateLines {
    /// How long orders are kept. A line of an older order is late; one that has only left the window is not.
    pub kept_ms: Millis,
    /// The number of late lines.
    pub count: Arc<AtomicU64>,
}

/// The products that gain (+) or lose (-) distinct buyers.
pub fn buyers_in_window<'s>(
    purchases: VecCollection<'s, Time, Purchase, Diff>,
    now: StreamVec<'s, Time, Time>,
    window_ms: Millis,
    late: LateLines,
) -> VecCollection<'s, Time, ProductKey, Diff> {
    let route = Exchange::new(|(line, _, _): &(Purchase, Time, Diff)| line.user.route() ^ line.product.route());
    purchases
        .inner
        .binary_frontier::<_, CapacityContainerBuilder<Vec<(ProductKey, Time, Diff)>>, _, _, _, _>(
            now,
            route,
            Pipeline,
            "BuyersInWindow",
            move |_, _| {
                let mut rounds: BTreeMap<Time, (Capability<Time>, Round)> = BTreeMap::new();
                let mut window = Window::new(window_ms, late);
                move |(lines, line_frontier), (tick_messages, mark_frontier), output| {
                    lines.for_each(|capability, data| {
                        for (line, time, diff) in data.drain(..).filter(|(line, ..)| !window.passes_over(line)) {
                            let round =
                                rounds.entry(time).or_insert_with(|| (capability.delayed(&time, 0), Round::default()));
                            round.1.lines.push((line, diff));
                        }
                    });
                    tick_messages.for_each(|capability, data| {
                        let time = *capability.time();
                        let round =
                            rounds.entry(time).or_insert_with(|| (capability.delayed(&time, 0), Round::default()));
                        round.1.now = round.1.now.max(data.drain(..).max());
                    });
                    while let Some(first) = rounds.first_entry() {
                        if line_frontier.less_equal(first.key()) || mark_frontier.less_equal(first.key()) {
                            break;
                        }
                        let (time, (capability, round)) = first.remove_entry();
                        let mut session = output.session(&capability);
                        for (product, diff) in window.turn(round) {
                            session.give((product, time, diff));
                        }
                    }
                }
            },
        )
        .as_collection()
}

/// The lines of one worker that are live now or will be later.
struct Window {
    window_ms: Millis,
    now: Time,
    /// All lines. Lines beyond the horizon do not count yet.
    lines: ByExpiry,
    buyers: LiveLines,
    late: LateLines,
}

impl Window {
    fn new(window_ms: Millis, late: LateLines) -> Self {
        Window { window_ms, now: 0, lines: ByExpiry::default(), buyers: LiveLines::default(), late }
    }

    /// Takes the lines of one tick, then moves the edge; returns the changes of distinct buyers by product.
    fn turn(&mut self, round: Round) -> Vec<(ProductKey, Diff)> {
        let Round { mut lines, now } = round;
        let mut changes = Vec::new();
        let before = self.horizon();
        self.now = self.now.max(now.unwrap_or(0));
        self.come(before, &mut changes);
        consolidate(&mut lines);
        // In the order of time, lines that come in this order fill the space that they take.
        lines.sort_unstable_by_key(|(line, _)| line.created_at);
        for (line, diff) in lines {
            self.line(line, diff, &mut changes);
        }
        self.lines.take_until(self.now, |line, copies| {
            self.buyers.add(line.product, line.user, -i64::from(copies), &mut changes);
        });
        consolidate(&mut changes);
        changes
    }

    /// The latest expiry of the lines that count; later lines are too far ahead of the clock.
    fn horizon(&self) -> Time {
        self.now.saturating_add(AHEAD_MS).saturating_add(self.window_ms)
    }

    /// Counts the lines that the horizon has passed since it was at `before`.
    fn come(&mut self, before: Time, changes: &mut Vec<(ProductKey, Diff)>) {
        let horizon = self.horizon();
        self.lines.for_each_between(before, horizon, |line, copies| {
            self.buyers.add(line.product, line.user, i64::from(copies), changes);
        });
    }

    /// Whether a line has left the window but is of an order that is kept: it changes nothing whenever its tick comes, and need
    /// not be held until then.
    fn passes_over(&self, line: &Purchase) -> bool {
        let is_over = |ms: Millis| line.created_at.saturating_add(ms) <= self.now;
        is_over(self.window_ms) && !is_over(self.late.kept_ms)
    }

    fn line(&mut self, line: Purchase, diff: Diff, changes: &mut Vec<(ProductKey, Diff)>) {
        let expiry = line.created_at.saturating_add(self.window_ms);
        if expiry <= self.now {
            // It is not held. A retraction of a line that has left the window changes nothing either.
            if line.created_at.saturating_add(self.late.kept_ms) <= self.now {
                self.late.count.fetch_add(u64::try_from(diff).unwrap_or(0), Ordering::Relaxed);
            }
            return;
        }
        let Purchase { product, user, .. } = line;
        let (before, after) = self.lines.add(Expiring { expiry, product, user }, diff);
        if expiry <= self.horizon() {
            self.buyers.add(product, user, i64::from(after) - i64::from(before), changes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::Dictionary;
    use crate::ids::Ids;

    fn window() -> (Window, Purchase) {
        let ids = Dictionary::new(Ids::new([0; 16]));
        let line = Purchase { product: ids.product("lamp").unwrap(), user: ids.user("ada"), created_at: 100 };
        (Window::new(50, LateLines { kept_ms: 80, ..LateLines::default() }), line)
    }

    fn turn(window: &mut Window, lines: &[(Purchase, Diff)], now: Time) -> Vec<Diff> {
        let changes = window.turn(Round { lines: lines.to_vec(), now: Some(now) });
        changes.into_iter().map(|(_, diff)| diff).collect()
    }

    #[test]
    fn a_line_counts_until_the_very_millisecond_of_its_end() {
        let (mut window, line) = window();
        assert_eq!(turn(&mut window, &[(line, 1)], 149), [1]);
        assert_eq!(turn(&mut window, &[], 150), [-1]);
        assert_eq!(turn(&mut window, &[(line, 1)], 150), []);
        assert!(window.buyers.is_empty() && window.lines.is_empty());
    }

    #[test]
    fn a_line_outside_of_the_window_is_not_held_and_late_only_if_its_order_is_not_kept() {
        let (mut window, line) = window();
        let mut late = |now| {
            assert_eq!(turn(&mut window, &[(line, 1)], now), []);
            assert!(window.buyers.is_empty() && window.lines.is_empty());
            (window.late.count.load(Ordering::Relaxed), window.passes_over(&line))
        };
        assert_eq!([150, 179, 180].map(&mut late), [(0, true), (0, true), (1, false)]);
    }

    #[test]
    fn a_buyer_of_two_orders_counts_once_until_both_are_gone() {
        let (mut window, line) = window();
        let later = Purchase { created_at: 120, ..line };
        assert_eq!(turn(&mut window, &[(line, 1), (later, 1)], 130), [1]);
        assert_eq!(turn(&mut window, &[(later, -1)], 131), []);
        assert_eq!(turn(&mut window, &[(later, 1)], 132), []);
        assert_eq!(turn(&mut window, &[], 150), []);
        assert_eq!(turn(&mut window, &[], 170), [-1]);
        assert!(window.buyers.is_empty() && window.lines.is_empty());
    }

    #[test]
    fn a_line_of_the_future_counts_from_when_its_time_has_come() {
        let (mut window, line) = window();
        let [ahead, later] = [AHEAD_MS + 10, AHEAD_MS + 20].map(|created_at| Purchase { created_at, ..line });
        assert_eq!(turn(&mut window, &[(ahead, 1), (ahead, 1), (later, 1)], 9), []);
        assert_eq!(turn(&mut window, &[(later, -1)], 10), [1]);
        assert_eq!(turn(&mut window, &[], 20), [], "it was taken back before its time");
        assert_eq!(turn(&mut window, &[(ahead, -1)], 21), []);
        assert_eq!(turn(&mut window, &[], AHEAD_MS + 59), []);
        assert_eq!(turn(&mut window, &[], AHEAD_MS + 60), [-1]);
        assert!(window.buyers.is_empty() && window.lines.is_empty());
        // The whole time in which a line counts may pass between two ticks.
        assert_eq!(turn(&mut window, &[(Purchase { created_at: 3 * AHEAD_MS, ..line }, 1)], AHEAD_MS + 61), []);
        assert_eq!(turn(&mut window, &[], 4 * AHEAD_MS), []);
        assert!(window.buyers.is_empty() && window.lines.is_empty());
    }

    #[test]
    fn a_change_of_an_expired_line_does_nothing() {
        let (mut window, line) = window();
        assert_eq!(turn(&mut window, &[(line, 1)], 100), [1]);
        assert_eq!(turn(&mut window, &[(line, -1)], 200), [-1]);
        assert_eq!(turn(&mut window, &[(line, -1)], 201), []);
    }
}
