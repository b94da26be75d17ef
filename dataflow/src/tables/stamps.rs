//! Stamps: the latest event of each (user, product), a view or a removal.

use super::Table;
use crate::ids::{ProductKey, UserKey};
use crate::stamp::Stamp;

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
}
