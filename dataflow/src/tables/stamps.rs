//! Stamps: the latest event of each (user, product), a view or a removal.

use super::Table;
use crate::ids::{ProductKey, UserKey};
use crate::rules::Rules;
use crate::stamp::Stamp;
use crate::trace::arranged::{EraseRule, KeepFirst, UserRows};

/// The table of stamps. Key: user. Value: product. Difference: the latest view or removal; stamps combine by maximum.
pub struct Stamps;

impl Table for Stamps {
    const NAME: &'static str = "stamps";
    const NUMBER: u8 = 1;
    type Key = UserKey;
    type Value = ProductKey;
    type Diff = Stamp;
    type Row = (UserKey, ProductKey);

    fn route(user: &UserKey) -> u64 {
        user.route()
    }

    fn products(_: &UserKey, product: &ProductKey, _: &Stamp) -> [Option<ProductKey>; 2] {
        [Some(*product), None]
    }

    /// A history consists of the products with the latest stamps, and a stamp only grows: a product behind them cannot come
    /// back by itself. Nor can one whose stamp has expired.
    fn kept(rules: &Rules) -> Option<KeepFirst<ProductKey, Stamp>> {
        let latest_first = |one: (&ProductKey, &Stamp), other: (&ProductKey, &Stamp)| {
            other.1.cmp(one.1).then_with(|| one.0.cmp(other.0))
        };
        Some(KeepFirst::new(rules.depth(), latest_first).until(|stamp, ms| stamp.expiry(ms), rules.history_ms))
    }

    fn erasure() -> Option<EraseRule<UserKey, ProductKey, Stamp>> {
        Some(EraseRule {
            subject: |user, _, stamp| stamp.event_at().map(|at| (*user, at)),
            by_user: Some(UserRows::KEYED),
            taken_out: |stamp, erased| {
                stamp.event_at().filter(|at| *at <= erased.until).map(|_| Stamp::erased(erased.until))
            },
            dated: |_, _| {},
            is_void: |stamp| stamp.is_erased(),
        })
    }

    fn in_cut(stamp: Stamp) -> Option<Stamp> {
        stamp.event_at().map(|_| stamp)
    }
}
