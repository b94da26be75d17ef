//! [`ErasedUsers`]: the erased users that a worker's graph has heard of, for cuts.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::ids::UserKey;
use crate::tables::{Pair, Table};
use crate::time::{Millis, Time};

/// The time up to which each user is erased.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErasedUntilByUser(HashMap<UserKey, Millis, RandomState>);

impl ErasedUntilByUser {
    /// Whether an erasure covers an update of a table, given in a later tick.
    pub(crate) fn cover<T: Table>(&self, (key, value): &Pair<T>, diff: &T::Diff) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let subject = T::erasure().and_then(|rule| (rule.subject)(key, value, diff));
        subject.is_some_and(|(user, at)| self.0.get(&user).is_some_and(|until| at <= *until))
    }
}

/// What a worker's arrangements have heard of erasures. When an arrangement has completed a tick, the erasures of this tick
/// are here.
#[derive(Default)]
pub(crate) struct ErasedUsers {
    last: Cell<Time>,
    users: RefCell<Arc<ErasedUntilByUser>>,
}

impl ErasedUsers {
    /// Takes an erasure; `tick` is none if it was restored, together with rows that it has left already.
    pub(crate) fn hear(&self, user: UserKey, until: Millis, tick: Option<Time>) {
        let mut users = self.users.borrow_mut();
        let is_known = users.0.get(&user).is_some_and(|known| until <= *known);
        if !is_known {
            Arc::make_mut(&mut users).0.insert(user, until);
            self.last.set(self.last.get().max(tick.unwrap_or(0)));
        }
    }

    /// The tick of the latest erasure since the start; 0 if there was none.
    pub(crate) fn last(&self) -> Time {
        self.last.get()
    }

    /// All of them.
    pub(crate) fn users(&self) -> Arc<ErasedUntilByUser> {
        self.users.borrow().clone()
    }
}
