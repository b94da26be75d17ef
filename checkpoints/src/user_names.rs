//! [`UserNames`]: which ids of users a checkpoint holds, where sinks need them.
//!
//! ```text
//! a user who was never erased ─▶ the id
//! an erased user ─▶ the id only if a row that is written is of a later time than the erasure
//! ```
//! So the id of an erased user is in no checkpoint after the erasure, also if an old event or the shop's table names the user
//! again. The dictionary of a running process keeps the id until it is forgotten ([`Round`](dataflow::dictionary::Round)): copies of
//! lists need it to remove the user's lists.

use std::collections::BTreeSet;
use std::sync::Arc;

use dataflow::cut::{Cut, ErasedUntilByUser};
use dataflow::dictionary::{Dictionary, Name};
use dataflow::ids::UserKey;
use dataflow::tables::{Pair, Table};

/// The ids of users in a checkpoint. It sees all rows before it is asked for names.
pub(crate) struct UserNames<'d> {
    dictionary: &'d Dictionary,
    /// Empty if no ids of users are remembered.
    erased: Arc<ErasedUntilByUser>,
    /// The erased users who have done something since.
    living: BTreeSet<UserKey>,
}

impl<'d> UserNames<'d> {
    /// For a checkpoint of a cut.
    pub(crate) fn of(cut: &Cut, dictionary: &'d Dictionary) -> Self {
        // Every worker has heard of all erasures.
        let part = cut.parts.first().filter(|_| dictionary.remembers_users());
        let erased = part.map(|part| part.erased.clone()).unwrap_or_default();
        UserNames { dictionary, erased, living: BTreeSet::new() }
    }

    /// Takes note of a row that is written.
    pub(crate) fn see<T: Table>(&mut self, (key, value): &Pair<T>, diff: &T::Diff) {
        if self.erased.is_empty() {
            return;
        }
        let Some((user, at)) = T::subject(key, value, diff).filter(|(user, _)| self.erased.has(*user)) else { return };
        // A table with a rule of erasures has no rows that they cover; an erasure of a later tick may cover some.
        if T::erasure().is_some() || !self.erased.cover(user, at) {
            self.living.insert(user);
        }
    }

    /// Whether it is the name of an erased user.
    pub(crate) fn is_of_erased(&self, name: &Name) -> bool {
        matches!(name, Name::User(user, _) if self.erased.has(*user))
    }

    /// The names of the erased users who have done something since.
    pub(crate) fn of_living(&self) -> impl Iterator<Item = Name> {
        let name = |user: &UserKey| Some(Name::User(*user, self.dictionary.user_name(*user)?.to_string()));
        self.living.iter().filter_map(name)
    }
}

#[cfg(test)]
mod tests {
    use dataflow::cut::{Base, Part};
    use dataflow::ids::Ids;
    use dataflow::stamp::Stamp;
    use dataflow::tables::{Orders, Placed, Stamps};

    use super::*;

    #[test]
    fn an_erased_user_is_named_for_a_later_row_only() {
        let dictionary = Dictionary::new(Ids::new([1; 16])).remembering_users();
        let [ada, ben, cid] = ["ada", "ben", "cid"].map(|id| dictionary.user(id));
        let (lamp, order) = (dictionary.product("lamp").unwrap(), dictionary.order("1"));
        let erased = Arc::new([(ada, 100), (ben, 100)].into_iter().collect());
        let part = Part { base: Base::empty(), delta_log: None, positions: Arc::new([]), erased };
        let cut = Cut { tick: 200, parts: vec![part] };
        let name = |user| Name::User(user, dictionary.user_name(user).unwrap().to_string());
        let named = |see: &dyn Fn(&mut UserNames<'_>)| {
            let mut names = UserNames::of(&cut, &dictionary);
            see(&mut names);
            names.of_living().collect::<Vec<_>>()
        };
        let ordered = |user, at| {
            move |names: &mut UserNames<'_>| names.see::<Orders>(&(order, (user, Placed::new(at, true))), &1)
        };
        assert_eq!(named(&|_| {}), []);
        assert_eq!(named(&ordered(ada, 100)), [], "the shop's table keeps the order");
        assert_eq!(named(&ordered(ada, 101)), [name(ada)]);
        assert_eq!(named(&|names| names.see::<Stamps>(&(ben, lamp), &Stamp::view(101))), [name(ben)]);
        assert_eq!(named(&ordered(cid, 101)), [], "this user is named with all others");
        let names = UserNames::of(&cut, &dictionary);
        assert_eq!([ada, ben, cid].map(|user| names.is_of_erased(&name(user))), [true, true, false]);
        let forgetful = Dictionary::new(Ids::new([1; 16]));
        assert!(UserNames::of(&cut, &forgetful).erased.is_empty(), "rows are not looked at without need");
    }
}
