//! Erased users: the time up to which a user is erased, and all users of whose erasure a worker's graph has heard.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;

use differential_dataflow::difference::{IsZero, Monoid, Semigroup};
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

use crate::ids::UserKey;
use crate::time::{Millis, Time};
use crate::trace::batch::storable::{PlainColumn, Storable};

/// The time up to which a user is erased, combined by maximum; 0 if the user is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct ErasedUntil(pub Millis);

impl IsZero for ErasedUntil {
    fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl Semigroup for ErasedUntil {
    fn plus_equals(&mut self, other: &Self) {
        self.0 = self.0.max(other.0);
    }
}

impl Storable for ErasedUntil {
    type Column = PlainColumn<ErasedUntil>;
}

impl Monoid for ErasedUntil {
    fn zero() -> Self {
        ErasedUntil(0)
    }
}

/// The time up to which each user is erased.
#[derive(Clone, Debug, Default)]
pub struct ErasedUntilByUser(HashMap<UserKey, Millis, RandomState>);

impl ErasedUntilByUser {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a user was ever erased.
    #[must_use]
    pub fn has(&self, user: UserKey) -> bool {
        self.0.contains_key(&user)
    }

    /// Whether an erasure covers what a user did at `at`.
    #[must_use]
    pub fn cover(&self, user: UserKey, at: Millis) -> bool {
        self.0.get(&user).is_some_and(|until| at <= *until)
    }
}

impl FromIterator<(UserKey, Millis)> for ErasedUntilByUser {
    fn from_iter<I: IntoIterator<Item = (UserKey, Millis)>>(erased: I) -> Self {
        ErasedUntilByUser(erased.into_iter().collect())
    }
}

/// The erasures that a worker's arrangements have received. When an arrangement has completed a tick, the erasures of this tick
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
