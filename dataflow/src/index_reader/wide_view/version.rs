//! When similar products changed last, so that readers can keep what they made from them.

use super::WideView;
use crate::graph::{Index, ProductCategories, Similar, Viewers};
use crate::publish::Snapshot;
use crate::publish::snapshot::newest_end;
use crate::time::Time;

impl WideView<'_> {
    /// A number that is equal in two views only if both have the same similar products, viewers and catalogue. `None`
    /// while changes of these are published that this view does not show yet, and while merchandising rules are effective.
    ///
    /// It is the end of the newest batch with updates. If a later merge finds that the updates of such a batch cancel
    /// each other, the state is that of the number before, and so is the number.
    #[must_use]
    pub fn similar_version(&self) -> Option<Time> {
        if self.rule_set().is_some() {
            return None;
        }
        self.version(|snapshot| viewers(snapshot).max(end::<Similar>(snapshot)).max(end::<ProductCategories>(snapshot)))
    }

    /// A number that is equal in two views only if every product has the same number of viewers in both. `None` while changes of
    /// these numbers are published that this view does not show yet.
    pub(super) fn version_of_viewers(&self) -> Option<Time> {
        self.version(viewers)
    }

    /// The newest end of all workers' snapshots, unless this view does not show what comes before it.
    fn version(&self, newest: impl Fn(&Snapshot) -> Time) -> Option<Time> {
        let newest = match self.all.as_slice() {
            [] => newest(self.own.snapshot()),
            all => all.iter().map(|snapshot| newest(snapshot)).max().unwrap_or_default(),
        };
        (newest <= self.as_of() + 1).then_some(newest)
    }
}

fn viewers(snapshot: &Snapshot) -> Time {
    end::<Viewers>(snapshot)
}

fn end<I: Index>(snapshot: &Snapshot) -> Time {
    newest_end(snapshot.indexes.get::<I>())
}
