//! Erasures: the users who asked to be forgotten, each with the time up to which nothing of them counts.

use super::{ColumnReader, ColumnWriter, Columns, Table};
pub use crate::erased_users::ErasedUntil;
use crate::ids::UserKey;

/// The table of erasures. Key: user. Value: nothing. Difference: the time of the latest erasure, by maximum. A row stays for
/// ever, because the user's events may be read again.
///
/// From the tick of an erasure on, nothing of the user at or before its time counts:
/// - stamps, purchases from events and order lines of that time or an earlier one are as if they had never been, whenever
///   they are read;
/// - counts of interactions hold no times. All that were given up to the tick of the erasure are gone; what is given in a
///   later tick counts if it is later than the erasure.
///
/// An erasure that is not later than a known one changes nothing.
pub struct Erasures;

impl Table for Erasures {
    const NAME: &'static str = "erasures";
    const NUMBER: u8 = 12;
    type Key = UserKey;
    type Value = ();
    type Diff = ErasedUntil;
    type Row = (UserKey, ());

    const REFERS: bool = false;
    const OF_FEATURES: bool = true;

    fn route(user: &UserKey) -> u64 {
        user.route()
    }
}

impl Columns for ErasedUntil {
    const WIDTH: usize = 1;

    fn write(&self, to: &mut impl ColumnWriter) {
        to.write(&self.0);
    }

    fn read<R: ColumnReader>(from: &mut R) -> Result<Self, R::Error> {
        from.read().map(ErasedUntil)
    }
}
