//! Activities add up in any order, and stop at their largest values; erasures and silence take out what was before them.

use super::*;
use crate::rules::DAY_MS;

fn sum(events: &[(Interaction, Millis)]) -> Activity {
    let mut sum = Activity::zero();
    events.iter().for_each(|(interaction, at)| sum.plus_equals(&Activity::of(*interaction, *at)));
    sum
}

#[test]
fn events_add_up_in_any_order() {
    let view = |time_on_page_ms| Interaction::View { time_on_page_ms };
    let events = [
        (view(Some(300)), 5),
        (Interaction::Click, 9),
        (view(None), 7),
        (Interaction::AddToCart, 2),
        (view(Some(u64::MAX)), 1),
    ];
    let mut reversed = events;
    reversed.reverse();
    let all = sum(&events);
    assert_eq!(all, sum(&reversed));
    assert_eq!((all.views(), all.clicks(), all.carts(), all.last_at()), (3, 1, 1, Some(9)));
    assert_eq!(all.time_on_page(), (300 + TIME_ON_PAGE_MS_MAX, 2));
    assert_eq!(sum(&[(Interaction::Other, 4)]).last_at(), Some(4));
    assert!(Activity::zero().is_zero() && Activity::zero().last_at().is_none() && !all.is_zero());
}

#[test]
fn an_erasure_takes_out_what_was_before_it_in_any_order() {
    let old = Activity::of(Interaction::Click, 5);
    let new = Activity { last: Latest::new(1, 9), ..Activity::of(Interaction::AddToCart, 9) };
    let parts = [old, Activity::erased(1), new, old];
    for first in 0..parts.len() {
        let mut all = Activity::zero();
        (0..parts.len()).for_each(|nth| all.plus_equals(&parts[(first + nth) % parts.len()]));
        assert_eq!(all, new);
    }
    let mut none = old;
    none.plus_equals(&Activity::erased(1));
    assert_eq!((none.last_at(), none.clicks(), Interactions::in_cut(none)), (None, 0, None));
    assert_eq!(Interactions::in_cut(new), Some(Activity::of(Interaction::AddToCart, 9)));
}

#[test]
fn silence_takes_out_what_was_before_it_however_sums_are_made() {
    let at = |day: Day, ms: Millis| Activity::of(Interaction::Click, day * DAY_MS + ms);
    // Given one after the other; silence from day 2 on was noticed on day 9.
    let given = [at(0, 5), at(2, 7), at(1, 3), at(0, 1).dropped(2), at(8, 0), at(3, 1), at(9, 0)];
    let sum = |parts: &[Activity]| {
        let mut sum = Activity::zero();
        parts.iter().for_each(|part| sum.plus_equals(part));
        sum
    };
    let left = sum(&given[4..]);
    assert_eq!((left.clicks(), left.last_at()), (3, Some(9 * DAY_MS)));
    for cuts in (0..=given.len()).flat_map(|one| (one..=given.len()).map(move |other| (one, other))) {
        let parts = [&given[..cuts.0], &given[cuts.0..cuts.1], &given[cuts.1..]].map(sum);
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
            assert_eq!(Interactions::in_cut(sum(&order.map(|part| parts[part]))), Some(left), "{cuts:?}");
        }
    }
    let none = sum(&given[..4]);
    assert_eq!((none.last_at(), none.clicks(), Interactions::in_cut(none)), (None, 0, None));
    assert!(left.counts(3 * DAY_MS) && left.counts(9 * DAY_MS) && !left.counts(3 * DAY_MS - 1) && !none.counts(DAY_MS));
    let mut erased = none;
    erased.plus_equals(&Activity::erased(1));
    assert_eq!((erased.last_at(), sum(&[erased, left]).clicks()), (None, 0));
}

#[test]
fn numbers_stop_at_their_largest_value() {
    let mut many = Activity { views: u32::MAX - 1, ..Activity::default() };
    (0..3).for_each(|_| many.plus_equals(&Activity::of(Interaction::View { time_on_page_ms: None }, 1)));
    assert_eq!(many.views(), u64::from(u32::MAX));
    let mut long = Activity { page: PageTime::new(0, PageTime::MS_MAX - 1), ..many };
    long.add_gap(2);
    assert_eq!((long.time_on_page().0, long.page.first_day()), (PageTime::MS_MAX, 0));
}
