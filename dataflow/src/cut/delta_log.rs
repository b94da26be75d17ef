//! The updates that a worker was given since the last cut, in the order in which they were given.

use std::sync::Arc;

use crate::erased_users::{ErasedUntilByUser, ErasedUsers};
use crate::tables::{self, Pair, Table, Tables, Updates};
use crate::time::Time;

/// Updates, with the tick in which they were given.
pub struct DeltaLog {
    /// The log begins after this tick: the tick of the previous cut, or of the state from which the worker started.
    pub after: Time,
    updates: Tables<Updates>,
    /// The users whose updates of earlier times the graph has left out.
    erased: Arc<ErasedUntilByUser>,
}

impl DeltaLog {
    fn new(after: Time) -> Self {
        DeltaLog { after, updates: Tables::make(&mut Empty), erased: Arc::default() }
    }

    /// The updates of a table as they were given, also those that the graph has left out.
    #[must_use]
    pub fn of<T: Table>(&self) -> &[(Pair<T>, Time, T::Diff)] {
        self.updates.get::<T>()
    }

    /// Removes and returns the updates of a table, without those that the graph has left out.
    pub fn take<T: Table>(&mut self) -> Vec<(Pair<T>, Time, T::Diff)> {
        let mut updates = std::mem::take(self.updates.get_mut::<T>());
        if let Some(rule) = T::erasure().filter(|_| !self.erased.is_empty()) {
            updates.retain(|((key, value), _, diff)| {
                (rule.subject)(key, value, diff).is_none_or(|(user, at)| !self.erased.cover(user, at))
            });
        }
        updates
    }

    /// The log without what erasures before it cover; `None` if there was an erasure since it began, because the log does not
    /// name the rows that the erasure took out.
    pub(crate) fn without(self, erased: &ErasedUsers) -> Option<DeltaLog> {
        (erased.last() <= self.after).then(|| DeltaLog { erased: erased.users(), ..self })
    }

    /// Removes the updates of ticks up to `tick`, and returns them with their number.
    fn split(&mut self, tick: Time) -> (DeltaLog, usize) {
        let mut split = Split { tick, taken: 0 };
        let updates = self.updates.map_mut(&mut split);
        let after = std::mem::replace(&mut self.after, tick);
        (DeltaLog { after, updates, erased: Arc::default() }, split.taken)
    }
}

struct Empty;

impl tables::Make<Updates> for Empty {
    fn make<T: Table>(&mut self) -> Vec<(Pair<T>, Time, T::Diff)> {
        Vec::new()
    }
}

struct Split {
    tick: Time,
    taken: usize,
}

impl tables::MapMut<Updates, Updates> for Split {
    /// Ticks never go back, so the updates of a cut are the first ones.
    fn map<T: Table>(&mut self, updates: &mut Vec<(Pair<T>, Time, T::Diff)>) -> Vec<(Pair<T>, Time, T::Diff)> {
        let later = updates.split_off(updates.partition_point(|update| update.1 <= self.tick));
        self.taken += updates.len();
        std::mem::replace(updates, later)
    }
}

/// The fill level of a worker's delta log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FillLevel {
    /// Less than half.
    Low,
    /// Half or more.
    Half,
    /// Over the limit: no updates are logged until the next cut.
    Overflowed,
}

/// Writes a worker's delta log. The log is bounded; when it overflows, it stays empty until the next cut.
pub(crate) struct DeltaLogWriter {
    log: DeltaLog,
    len: usize,
    max: usize,
    overflowed: bool,
}

impl DeltaLogWriter {
    pub(crate) fn new(max: usize, after: Time) -> Self {
        DeltaLogWriter { log: DeltaLog::new(after), len: 0, max, overflowed: false }
    }

    /// Logs an update, unless the log has overflowed.
    pub(crate) fn note<T: Table>(&mut self, row: Pair<T>, tick: Time, diff: T::Diff) {
        if self.overflowed {
            return;
        }
        if self.len >= self.max {
            self.overflowed = true;
            self.len = 0;
            self.log = DeltaLog::new(self.log.after);
            return;
        }
        self.len += 1;
        self.log.updates.get_mut::<T>().push((row, tick, diff));
    }

    pub(crate) fn fill_level(&self) -> FillLevel {
        match self.len {
            _ if self.overflowed => FillLevel::Overflowed,
            len if len > 0 && len >= self.max / 2 => FillLevel::Half,
            _ => FillLevel::Low,
        }
    }

    /// All updates up to `tick` since the previous cut; `None` if the log overflowed. The log starts again after
    /// `tick`.
    pub(crate) fn cut(&mut self, tick: Time) -> Option<DeltaLog> {
        // A worker cuts before it gives any update of a later tick, so no update after the tick can have been lost.
        let (log, taken) = self.log.split(tick);
        self.len -= taken;
        if std::mem::take(&mut self.overflowed) { None } else { Some(log) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ids, ProductKey};
    use crate::stamp::Stamp;
    use crate::tables::Stamps;

    fn give(log: &mut DeltaLogWriter, tick: Time) {
        let pair = (Ids::new([0; 16]).user("ada"), ProductKey::default());
        log.note::<Stamps>(pair, tick, Stamp::view(tick));
    }

    #[test]
    fn a_cut_takes_what_was_given_up_to_its_tick() {
        let mut log = DeltaLogWriter::new(10, 0);
        [3, 4, 4, 6].into_iter().for_each(|tick| give(&mut log, tick));
        assert_eq!(log.cut(4).unwrap().take::<Stamps>().len(), 3);
        assert_eq!(log.cut(6).unwrap().take::<Stamps>().len(), 1);
        let mut last = log.cut(9).unwrap();
        assert!(last.take::<Stamps>().is_empty() && last.after == 6);
    }

    #[test]
    fn too_much_is_given_up_until_the_next_cut() {
        let mut log = DeltaLogWriter::new(2, 0);
        assert_eq!(log.fill_level(), FillLevel::Low);
        give(&mut log, 1);
        assert_eq!(log.fill_level(), FillLevel::Half);
        [2, 3].into_iter().for_each(|tick| give(&mut log, tick));
        assert_eq!(log.fill_level(), FillLevel::Overflowed);
        assert!(log.cut(3).is_none());
        assert_eq!(log.fill_level(), FillLevel::Low);
        give(&mut log, 4);
        assert_eq!(log.cut(4).unwrap().take::<Stamps>().len(), 1);
    }

    #[test]
    fn a_log_since_an_erasure_is_whole_and_one_with_an_erasure_is_not() {
        let (erased, ada) = (ErasedUsers::default(), Ids::new([0; 16]).user("ada"));
        erased.hear(ada, 5, Some(4));
        let mut log = DeltaLogWriter::new(10, 3);
        [4, 5, 6].into_iter().for_each(|tick| give(&mut log, tick));
        assert!(log.cut(4).unwrap().without(&erased).is_none());
        let rest = log.cut(6).unwrap().without(&erased).unwrap().take::<Stamps>();
        assert_eq!(rest.iter().map(|(_, tick, _)| *tick).collect::<Vec<_>>(), [6]);
    }
}
