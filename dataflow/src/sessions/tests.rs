//! When rows of sessions are settled, and which gaps they have.

use super::*;
use crate::dictionary::Dictionary;
use crate::ids::Ids;

const EVENTS_MAX: usize = 50;

fn user(dictionary: &Dictionary, user: usize) -> UserKey {
    dictionary.user(&user.to_string())
}

#[test]
fn equal_events_follow_each_other_at_once_and_the_last_of_them_waits() {
    let ids = Dictionary::new(Ids::new([1; 16]));
    let (lamp, session) = (ids.product("lamp").unwrap(), ids.row([&b"s"[..]]));
    let event = |at, page| SessionEvent { session, at, recorded: at, page };
    let rows = [(event(10, lamp), 3), (event(40, ProductKey::NONE), 2), (event(90, lamp), 1)];
    let gap = |at, ms| Gap { product: lamp, at, ms };
    let mut gaps = Vec::new();
    each_gap(rows.iter().copied(), &mut |gap| gaps.push(gap));
    assert_eq!(gaps, [gap(10, 0), gap(10, 0), gap(10, 30)]);
    let (mut settling, ada) = (Settling::new(EVENTS_MAX), user(&ids, 0));
    let settled = settling.settle(ada, &rows, 40 + HELD_MS);
    assert_eq!(settled, Settled { rows: rows[..1].to_vec(), gaps });
    assert_eq!(settling.settle(ada, &rows[2..], 89 + 2 * HELD_MS), Settled::default());
    let last = settling.settle(ada, &rows[2..], 90 + 2 * HELD_MS);
    assert_eq!(last, Settled { rows: rows[2..].to_vec(), gaps: Vec::new() });
}

#[test]
fn users_are_due_once_their_rows_may_be_settled_and_one_batch_is_shown_before_the_next() {
    let ids = Dictionary::new(Ids::new([1; 16]));
    let event = SessionEvent { session: ids.row([&b"s"[..]]), at: 10, recorded: 10, page: ProductKey::NONE };
    let mut settling = Settling::new(EVENTS_MAX);
    (0..300).for_each(|of| settling.note(user(&ids, of), &event));
    let due = (10 + HELD_MS).next_multiple_of(LOOK_MS);
    assert_eq!(settling.take_due(due - 1, due), []);
    assert_eq!(settling.take_due(due, due + 5).len(), USERS_MAX);
    assert_eq!(settling.take_due(due + 4, due + 6), [], "what was settled is not shown yet");
    assert_eq!(settling.take_due(due + 5, due + 6).len(), 300 - USERS_MAX);
    assert!(settling.due.is_empty());
}
