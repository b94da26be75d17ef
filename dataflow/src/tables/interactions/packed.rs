//! The form of an [`Activity`] in batches: 12 bytes for nearly all users and products.

use super::{Activity, ClicksAndCarts, Latest, PageTime};
use crate::trace::arranged::{Pack, PackedColumn, Storable, Word};

/// The widths in bits of the numbers of a packed activity: the time of the latest event until the year 2109, 70 minutes on pages,
/// 127 views and as many whose time is known, 31 clicks, 15 additions to the cart, and 255 days from the first event to the latest.
/// There was no erasure, and events of all days count.
const WIDTHS: [u32; 7] = [42, 22, 7, 7, 5, 4, 8];

impl Storable for Activity {
    type Column = PackedColumn<Activity>;
}

impl Pack for Activity {
    #[inline]
    fn pack(&self) -> Option<Word> {
        let days = self.clicks_and_carts.days();
        let (views, timed_views) = (self.views.into(), self.timed_views.into());
        let numbers = [self.last.0, self.page.0, views, timed_views, self.clicks(), self.carts(), days];
        let mut bits = 0u128;
        for (number, width) in numbers.into_iter().zip(WIDTHS) {
            if number >> width != 0 {
                return None;
            }
            bits = bits << width | u128::from(number);
        }
        Some([(bits >> 64) as u32, (bits >> 32) as u32, bits as u32])
    }

    #[inline]
    fn unpack([first, second, third]: Word) -> Activity {
        let mut bits = u128::from(first) << 64 | u128::from(second) << 32 | u128::from(third);
        let mut numbers = [0; 7];
        for (number, width) in numbers.iter_mut().zip(WIDTHS).rev() {
            *number = bits as u64 & ((1 << width) - 1);
            bits >>= width;
        }
        from_numbers(numbers)
    }
}

/// The activity with these numbers, which are in the order of [`WIDTHS`].
fn from_numbers([last, page, views, timed_views, clicks, carts, days]: [u64; 7]) -> Activity {
    Activity {
        last: Latest(last),
        page: PageTime(page),
        views: views as u32,
        timed_views: timed_views as u32,
        clicks_and_carts: ClicksAndCarts::new(days, clicks, carts),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::trace::arranged::WHOLE;
    use crate::trace::batch::storable::DiffColumn;

    /// Numbers at and beside every boundary, and others.
    fn number(bits: u32) -> impl Strategy<Value = u64> {
        let near = (0..=bits, -1..=1i64).prop_map(move |(bit, by)| {
            let max = u64::MAX >> (64 - bits);
            1u64.checked_shl(bit).unwrap_or(0).wrapping_add_signed(by) & max
        });
        prop_oneof![2 => 0..4u64, 2 => near, 1 => any::<u64>().prop_map(move |number| number >> (64 - bits))]
    }

    /// Activities whose numbers have at most these numbers of bits, in the order of [`WIDTHS`].
    fn activity([last, page, views, timed_views, clicks, carts, days]: [u32; 7]) -> impl Strategy<Value = Activity> {
        let counts = [number(views), number(timed_views), number(clicks), number(carts), number(days)];
        (number(last), number(page), counts).prop_map(|(last, page, [views, timed_views, clicks, carts, days])| {
            from_numbers([last, page, views, timed_views, clicks, carts, days])
        })
    }

    fn any_activity() -> impl Strategy<Value = Activity> {
        activity([64, 64, 32, 32, 24, 24, 16])
    }

    fn small_activity() -> impl Strategy<Value = Activity> {
        activity(WIDTHS)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn an_unpacked_activity_is_the_packed_one(any in any_activity(), small in small_activity()) {
            if let Some(packed) = any.pack() {
                prop_assert_eq!((packed[0] & WHOLE, Activity::unpack(packed)), (0, any));
            }
            prop_assert_eq!(small.pack().map(Activity::unpack), Some(small));
        }

        #[test]
        fn a_column_holds_every_activity(
            own in vec(prop_oneof![small_activity(), any_activity()], 0..9),
            other in vec(prop_oneof![small_activity(), any_activity()], 1..9),
        ) {
            let [mut made, more] = [&own, &other].map(|activities| {
                let mut column = <Activity as Storable>::Column::with_capacity(activities.len());
                activities.iter().for_each(|activity| column.push(*activity));
                column
            });
            made.extend(&more, 0..other.len());
            let plain = [own, other].concat();
            let held: Vec<Activity> = (0..made.count()).map(|place| made.with(place, |activity| *activity)).collect();
            prop_assert_eq!(held, plain);
        }
    }

    #[test]
    fn the_greatest_numbers_that_fit_are_packed_and_greater_ones_are_not() {
        let greatest = WIDTHS.map(|width| (1u64 << width) - 1);
        assert_eq!(from_numbers(greatest).pack().map(Activity::unpack), Some(from_numbers(greatest)));
        for nth in 0..WIDTHS.len() {
            let mut numbers = greatest;
            numbers[nth] += 1;
            assert_eq!(from_numbers(numbers).pack(), None, "{numbers:?}");
        }
        let erased = Activity { last: Latest::new(1, 5), ..Activity::default() };
        let dropped = Activity { page: PageTime::new(1, 0), ..Activity::default() };
        assert_eq!([erased, dropped].map(|activity| activity.pack()), [None, None]);
    }
}
