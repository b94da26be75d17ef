//! What was given to a worker since the last cut, in the order it was given.

use crate::ids::{ProductKey, UserKey};
use crate::rows::{CatalogueRow, LineRow, OrderRow};
use crate::stamp::Stamp;
use crate::time::{Diff, Time};

/// Updates with the tick they were given in.
pub struct DeltaLog {
    /// It begins after this tick: that of the cut before, or of what the worker started from.
    pub after: Time,
    /// Stamps.
    pub stamps: Vec<((UserKey, ProductKey), Time, Stamp)>,
    /// Orders.
    pub orders: Vec<(OrderRow, Time, Diff)>,
    /// Order lines.
    pub lines: Vec<(LineRow, Time, Diff)>,
    /// The catalogue.
    pub catalogue: Vec<(CatalogueRow, Time, Diff)>,
}

impl DeltaLog {
    fn new(after: Time) -> Self {
        DeltaLog { after, stamps: Vec::new(), orders: Vec::new(), lines: Vec::new(), catalogue: Vec::new() }
    }

    /// How many updates it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stamps.len() + self.orders.len() + self.lines.len() + self.catalogue.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes out what was given in ticks up to `tick`.
    fn split(&mut self, tick: Time) -> DeltaLog {
        DeltaLog {
            after: std::mem::replace(&mut self.after, tick),
            stamps: split(&mut self.stamps, tick),
            orders: split(&mut self.orders, tick),
            lines: split(&mut self.lines, tick),
            catalogue: split(&mut self.catalogue, tick),
        }
    }
}

/// Ticks never go back, so what belongs to a cut is the first part.
fn split<T, R>(updates: &mut Vec<(T, Time, R)>, tick: Time) -> Vec<(T, Time, R)> {
    let later = updates.split_off(updates.partition_point(|update| update.1 <= tick));
    std::mem::replace(updates, later)
}

/// How much a worker has noted since the last cut, of what it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FillLevel {
    /// Less than half.
    Little,
    /// Half or more.
    Half,
    /// More than it may: it has given up noting until the next cut.
    Spilt,
}

/// Writes a worker's journal; bounded, and given up when there is more than it may hold.
pub(crate) struct DeltaLogs {
    delta_log: DeltaLog,
    max: usize,
    /// There was more than it may hold: nothing is kept until the next cut.
    spilt: bool,
}

impl DeltaLogs {
    pub(crate) fn new(max: usize, after: Time) -> Self {
        DeltaLogs { delta_log: DeltaLog::new(after), max, spilt: false }
    }

    /// The journal to write to, unless it has spilt.
    pub(crate) fn open(&mut self) -> Option<&mut DeltaLog> {
        if self.spilt {
            return None;
        }
        if self.delta_log.len() >= self.max {
            self.spilt = true;
            self.delta_log = DeltaLog::new(self.delta_log.after);
            return None;
        }
        Some(&mut self.delta_log)
    }

    pub(crate) fn fill_level(&self) -> FillLevel {
        match self.delta_log.len() {
            _ if self.spilt => FillLevel::Spilt,
            noted if noted > 0 && noted >= self.max / 2 => FillLevel::Half,
            _ => FillLevel::Little,
        }
    }

    /// Everything given up to `tick` since the cut before; none if that was too much. Begins anew after `tick`.
    pub(crate) fn cut(&mut self, tick: Time) -> Option<DeltaLog> {
        // A worker cuts before it gives anything of a later tick, so nothing after the tick can have been lost.
        let delta_log = self.delta_log.split(tick);
        if std::mem::take(&mut self.spilt) { None } else { Some(delta_log) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;

    fn give(delta_logs: &mut DeltaLogs, tick: Time) {
        let pair = (Ids::new([0; 16]).user("ada"), ProductKey::default());
        if let Some(delta_log) = delta_logs.open() {
            delta_log.stamps.push((pair, tick, Stamp::view(tick)));
        }
    }

    #[test]
    fn a_cut_takes_what_was_given_up_to_its_tick() {
        let mut delta_logs = DeltaLogs::new(10, 0);
        [3, 4, 4, 6].into_iter().for_each(|tick| give(&mut delta_logs, tick));
        assert_eq!(delta_logs.cut(4).unwrap().len(), 3);
        assert_eq!(delta_logs.cut(6).unwrap().len(), 1);
        let last = delta_logs.cut(9).unwrap();
        assert!(last.is_empty() && last.after == 6);
    }

    #[test]
    fn too_much_is_given_up_until_the_next_cut() {
        let mut delta_logs = DeltaLogs::new(2, 0);
        assert_eq!(delta_logs.fill_level(), FillLevel::Little);
        give(&mut delta_logs, 1);
        assert_eq!(delta_logs.fill_level(), FillLevel::Half);
        [2, 3].into_iter().for_each(|tick| give(&mut delta_logs, tick));
        assert_eq!(delta_logs.fill_level(), FillLevel::Spilt);
        assert!(delta_logs.cut(3).is_none());
        assert_eq!(delta_logs.fill_level(), FillLevel::Little);
        give(&mut delta_logs, 4);
        assert_eq!(delta_logs.cut(4).unwrap().len(), 1);
    }
}
