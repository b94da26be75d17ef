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
        let newest = match self.all.as_slice() {
            [] => newest(self.own.snapshot()),
            all => all.iter().map(|snapshot| newest(snapshot)).max().unwrap_or_default(),
        };
        (newest <= self.as_of() + 1).then_some(newest)
    }
}

fn newest(snapshot: &Snapshot) -> Time {
    end::<Similar>(snapshot).max(end::<Viewers>(snapshot)).max(end::<ProductCategories>(snapshot))
}

fn end<I: Index>(snapshot: &Snapshot) -> Time {
    newest_end(snapshot.indexes.get::<I>())
}
