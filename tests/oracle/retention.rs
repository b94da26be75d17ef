//! How long features last, and whether an order counts, as it is defined.

use std::collections::BTreeMap;

use dataflow::rules::{AHEAD_MS, DAY_MS, Rules};
use dataflow::time::{Millis, Time};

/// Until when events count that belong together.
pub(crate) struct Lasting<'a> {
    /// The number of whole days after that of the latest event; 0 for ever.
    pub(crate) days: u64,
    /// When the ticks after the first one were opened, which was opened at 1.
    pub(crate) opened: &'a [Time],
    pub(crate) as_of: Time,
}

impl Lasting<'_> {
    /// The events that count, of events with what they belong to, and with the number of their tick and their time. Events that
    /// were too old in their tick do not count. Neither do those after which there was no other for too long.
    pub(crate) fn each<K: Copy + Ord, E>(
        &self,
        events: impl Iterator<Item = (K, E, (usize, Millis))>,
    ) -> Vec<(K, E, Millis)> {
        let mut together: BTreeMap<K, Vec<(usize, E, Millis)>> = BTreeMap::new();
        for (of, event, (tick, at)) in events.filter(|(.., (tick, at))| !self.is_over(*at, self.opened(*tick))) {
            together.entry(of).or_default().push((tick, event, at));
        }
        let mut last = Vec::new();
        for (of, mut events) in together {
            events.sort_by_key(|(tick, ..)| *tick);
            let mut counted: Vec<(K, E, Millis)> = Vec::new();
            for (tick, event, at) in events {
                self.leave(&mut counted, self.opened(tick));
                counted.push((of, event, at));
            }
            self.leave(&mut counted, self.as_of);
            last.append(&mut counted);
        }
        last
    }

    /// Takes all events out if the latest one was too long ago.
    fn leave<K, E>(&self, counted: &mut Vec<(K, E, Millis)>, now: Time) {
        if counted.iter().map(|(.., at)| *at).max().is_some_and(|at| self.is_over(at, now)) {
            counted.clear();
        }
    }

    fn opened(&self, tick: usize) -> Time {
        tick.checked_sub(1).map_or(1, |before| self.opened[before])
    }

    /// Whether events whose latest was at a time count no more.
    pub(crate) fn is_over(&self, at: Millis, now: Time) -> bool {
        self.days > 0 && at / DAY_MS + self.days < now / DAY_MS
    }
}

/// Whether an order counts for features and "buy again": it is kept, and not dated ahead.
pub(crate) fn counts_now(created_at: Millis, as_of: Time, rules: &Rules) -> bool {
    is_kept(created_at, as_of, rules) && created_at <= as_of + AHEAD_MS
}

/// Whether an order still counts, for best sellers or, if they are on, for features and "buy again".
pub(crate) fn is_kept(created_at: Millis, as_of: Time, rules: &Rules) -> bool {
    let (days, are_counted) = (rules.features.days, rules.features.enabled || rules.buy_again.enabled);
    created_at + rules.window_ms > as_of || are_counted && (days == 0 || created_at + days * DAY_MS > as_of)
}
