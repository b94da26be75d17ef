//! Rows that have left take no memory in the end, though few users are read at a time; those that stay are not touched.

use std::rc::Rc;

use differential_dataflow::input::InputSession;
use differential_dataflow::trace::BatchReader;
use timely::dataflow::operators::probe::Probe;
use timely::dataflow::operators::vec::Broadcast;
use timely::progress::Antichain;

use super::*;
use crate::erased_users::ErasedUntil;
use crate::ids::{Ids, ProductKey};
use crate::rules::{Features, Rules};
use crate::tables::{Activity, Interaction, Interactions, Table};
use crate::trace::arranged::{WithErasures, by_key_erasing};
use crate::trace::handle;
use crate::trace::walk::walk;
use crate::workers;

/// More than are read with one batch.
const USERS: usize = 3 * LOOKS_MAX + 7;
const PRODUCTS: usize = 4;
const DAYS: u64 = 20;
/// More idle steps than merging needs after the last input.
const IDLE_STEPS: usize = 5000;

/// On the first days every user clicks on the last product, and later half of them on the others in turns. Returns the clicks of each
/// row of one of these users, and the number of all updates that are held.
fn held(days: Day) -> (Vec<u64>, usize) {
    let workers = timely::execute(workers::config(1, 1000), move |worker| {
        let ids = Ids::new([1; 16]);
        let users: Vec<UserKey> = (0..USERS).map(|user| ids.user(&user.to_string())).collect();
        let products: Vec<ProductKey> = (0..PRODUCTS).map(|product| ids.product(&product.to_string())).collect();
        let (mut rows, mut erasures) = (InputSession::new(), InputSession::<_, _, ErasedUntil>::new());
        let rules = Rules { features: Features { enabled: true, days, ..Features::OFF }, ..Rules::default() };
        let (mut trace, probe) = worker.dataflow::<Time, _, _>(|scope| {
            let all = erasures.to_collection(scope).inner.broadcast();
            let with = WithErasures {
                erasures: all,
                rule: Interactions::erasure().expect("its rows are of users"),
                restored_at: None,
                listener: Rc::default(),
                retention: Interactions::retention(&rules),
            };
            let arranged = by_key_erasing(rows.to_collection(scope), "Interactions", Interactions::route, None, with);
            (arranged.trace, arranged.stream.probe().0)
        });
        for day in 0..DAYS {
            // Ticks at the beginning of the day, and some in which only one user does something.
            for tick in (0..10).map(|part| day * DAY_MS + part) {
                rows.advance_to(tick);
                erasures.advance_to(tick);
                let active = if tick % DAY_MS == 0 { &users[..] } else { &users[..1] };
                for user in active.iter().step_by(if day < 3 { 1 } else { 2 }) {
                    let product = if day < 3 { PRODUCTS - 1 } else { day as usize % (PRODUCTS - 1) };
                    rows.update((*user, products[product]), Activity::of(Interaction::Click, tick.max(1)));
                }
                rows.advance_to(tick + 1);
                erasures.advance_to(tick + 1);
                rows.flush();
                erasures.flush();
                worker.step_while(|| probe.less_than(&(tick + 1)));
                handle::compact(&mut trace, &Antichain::from_elem(tick), &Antichain::from_elem(tick + 1));
            }
        }
        (0..IDLE_STEPS).for_each(|_| {
            worker.step();
        });
        let (batches, mut clicks) = (handle::batches(&trace), Vec::new());
        walk(&batches, DAYS * DAY_MS, |user, _, activity: Activity| {
            clicks.extend((*user == users[2]).then(|| activity.clicks()).filter(|clicks| *clicks > 0));
        });
        (clicks, batches.iter().map(BatchReader::len).sum::<usize>())
    });
    workers.expect("threads start").join().pop().expect("a worker").expect("no panic")
}

#[test]
fn rows_that_have_left_take_no_memory_in_the_end() {
    let stay = USERS.div_ceil(2) * (PRODUCTS - 1);
    for (days, right) in [(5, [5, 6, 6]), (2, [1, 1, 1])] {
        let (mut clicks, updates) = held(days);
        clicks.sort_unstable();
        assert_eq!(clicks, right, "each product is used every three days, and rows last {days}");
        // Idle workers leave small batches as they are.
        assert!((stay..=stay + stay / 8).contains(&updates), "{updates} updates are held of {stay} rows");
    }
}
