//! Lists that no copy can have, because an id in them has a zero byte: how many there are now.

use super::*;

/// Makes one row, whose product has a zero byte in its id.
const UNWRITABLE: usize = WITH_ZERO_BYTES + 1;

impl World {
    /// The history of a user changes to these rows, and is copied.
    fn show(&mut self, number: usize, seed: usize) {
        let as_of = {
            let mut shop = self.lists.shop();
            shop.histories.insert(number, seed);
            shop.as_of += 1;
            shop.as_of
        };
        self.touches.touched(as_of, &mut [user(number)].into_iter());
        self.settle();
    }

    fn unwritable(&self) -> u64 {
        self.status.get().unwritable
    }
}

#[test]
fn each_counts_once_while_it_has_rows_that_cannot_be_copied() {
    let mut world = World::new(10);
    world.lists.shop().histories.extend([(1, 1), (2, UNWRITABLE), (3, UNWRITABLE)]);
    world.lists.shop().as_of = 3;
    world.settle();
    assert_eq!(world.unwritable(), 2);
    for _ in 0..3 {
        world.now += COMPARE_EVERY;
        world.settle();
    }
    assert_eq!((world.unwritable(), world.status.get().comparisons), (2, 4), "comparisons find the same lists");
    world.show(1, UNWRITABLE);
    world.show(2, UNWRITABLE);
    assert_eq!(world.unwritable(), 3);
    assert!(world.copied().is_empty(), "{:?}", world.copied());
    world.show(2, 2);
    assert_eq!(world.unwritable(), 2, "its rows can be copied again");
    world.show(3, 4);
    assert_eq!(world.unwritable(), 1, "it has no rows any more");
    assert_eq!(world.copied().keys().collect::<Vec<_>>(), ["history/2"]);
    world.lists.shop().histories.remove(&1);
    world.now += COMPARE_EVERY;
    world.settle();
    assert_eq!(world.unwritable(), 0, "a list that is gone is not found by the comparison");
}

#[test]
fn a_failed_comparison_changes_nothing() {
    let mut world = World::new(10);
    world.lists.shop().histories.extend([(1, 1), (2, UNWRITABLE)]);
    world.lists.shop().as_of = 3;
    world.settle();
    world.copy.memory().dice = Some(Dice::new(1));
    // Every call fails.
    world.copy.memory().failing = 16;
    world.now += COMPARE_EVERY;
    assert_eq!(world.copier.turn(world.now), Err(failure()));
    assert_eq!(world.unwritable(), 1);
}

#[test]
fn an_id_with_a_zero_byte_counts_only_with_rows() {
    let mut world = World::new(10);
    world.lists.shop().as_of = 3;
    let name = ListName::History("a\0b".into());
    assert_eq!(world.copier.shown(&name), Some((3, Vec::new())));
    assert!(world.copier.unwritable.is_empty());
}
