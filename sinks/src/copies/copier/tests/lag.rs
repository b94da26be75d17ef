//! How far a copy is behind, and how many lists wait: at every moment, also while a call of the destination takes long.

use super::*;

#[test]
fn the_lag_grows_while_the_copy_cannot_be_reached() {
    let mut world = World::new(10);
    world.lists.shop().as_of = 3;
    world.settle();
    assert_eq!(world.status.get().behind_ms(500), 0);
    world.copy.memory().dice = Some(Dice::new(1));
    // Every call fails.
    world.copy.memory().failing = 16;
    world.lists.shop().histories.insert(5, 1);
    for as_of in [4, 1000, 5000] {
        world.lists.shop().as_of = as_of;
        world.touches.touched(as_of, &mut [user(5)].into_iter());
        assert_eq!(world.copier.turn(world.now), Err(failure()));
        let status = world.status.get();
        assert_eq!((status.follows, status.behind_ms(as_of), status.waiting), (false, as_of - 3, 1));
        assert_eq!(status.behind_ms(as_of + 700), as_of + 700 - 3, "it grows between two attempts");
    }
    world.copy.memory().failing = 0;
    world.settle();
    let status = world.status.get();
    assert_eq!((status.behind_ms(9000), status.waiting, world.copied()), (0, 0, world.expected()));
}

#[test]
fn the_lag_of_a_copy_that_was_never_right_grows_from_the_start() {
    let mut world = World::new(10);
    assert_eq!(world.status.get().behind_ms(START + 70), 70);
    world.copy.memory().dice = Some(Dice::new(1));
    world.copy.memory().failing = 16;
    world.lists.shop().as_of = 300;
    assert_eq!(world.copier.turn(world.now), Err(failure()));
    let status = world.status.get();
    assert!(status.trouble.is_some() && !status.follows);
    assert_eq!((status.behind_ms(START + 400), status.behind_ms(START + 900)), (400, 900));
}

#[test]
fn lists_wait_and_the_lag_grows_while_a_write_is_under_way() {
    let mut world = World::new(10);
    world.lists.shop().as_of = 3;
    world.settle();
    world.lists.shop().histories.insert(5, 1);
    world.lists.shop().as_of = 4;
    world.touches.touched(4, &mut [user(5)].into_iter());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (status, touches, seeing) = (world.status.clone(), world.touches.clone(), seen.clone());
    let see = move |now| {
        let status = status.get();
        seeing.lock().unwrap().push((status.follows, status.waiting, status.behind_ms(now)));
    };
    world.copy.memory().at_write = Some(Box::new(move || {
        see(10);
        touches.touched(6, &mut [user(5), user(6)].into_iter());
        see(3004);
    }));
    assert_eq!(world.copier.turn(world.now), Ok(Turn::Done));
    assert_eq!(*seen.lock().unwrap(), [(true, 1, 6), (true, 2, 3000)]);
    let status = world.status.get();
    assert_eq!((status.waiting, status.behind_ms(10)), (2, 4), "the changes that came meanwhile");
    world.lists.shop().as_of = 6;
    world.settle();
    let status = world.status.get();
    assert_eq!((status.waiting, status.behind_ms(10)), (0, 0));
}
