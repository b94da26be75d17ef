//! What is held of an erased user leaves the trace, and what comes late does not enter it.

use differential_dataflow::input::InputSession;
use differential_dataflow::trace::BatchReader;
use timely::dataflow::operators::probe::Probe;
use timely::dataflow::operators::vec::Broadcast;
use timely::progress::Antichain;

use super::*;
use crate::erased_users::ErasedUntil;
use crate::ids::{Ids, ProductKey};
use crate::stamp::Stamp;
use crate::tables::{Activity, Interaction, Interactions, Rows, Stamps, Table};
use crate::trace::arranged::{ValTrace, WithErasures, by_key_erasing};
use crate::trace::handle;
use crate::workers;

const PRODUCTS: u64 = 3000;
/// More idle steps than merging needs after the last input.
const IDLE_STEPS: usize = 5000;

type Trace<T> = ValTrace<<T as Table>::Key, <T as Table>::Value, <T as Table>::Diff>;

/// All rows as of a tick, and the number of updates that are held.
fn held<T: Table>(trace: &Trace<T>, tick: Time) -> (Rows<T>, usize) {
    let (batches, mut rows) = (handle::batches(trace), Vec::new());
    walk(&batches, tick, |key, value, diff| rows.push(((*key, *value), diff)));
    (rows, batches.iter().map(BatchReader::len).sum())
}

/// Two users view all products; one of them is erased up to half of the times. `row` is an event at a time. Returns what is
/// left of each in the end, and the number of updates held.
fn left_of<T>(row: fn(Millis) -> T::Diff) -> ([usize; 2], usize)
where
    T: Table<Key = UserKey, Value = ProductKey>,
{
    let workers = timely::execute(workers::config(1, 1000), move |worker| {
        let ids = Ids::new([1; 16]);
        let (ada, ben) = (ids.user("ada"), ids.user("ben"));
        let (mut rows, mut erasures) = (InputSession::new(), InputSession::<_, _, ErasedUntil>::new());
        let (mut trace, probe) = worker.dataflow::<Time, _, _>(|scope| {
            let all = erasures.to_collection(scope).inner.broadcast();
            let rule = T::erasure().expect("its rows are of users");
            let with =
                WithErasures { erasures: all, rule, restored_at: None, listener: Rc::default(), retention: None };
            let arranged = by_key_erasing(rows.to_collection(scope), T::NAME, T::route, None, with);
            (arranged.trace, arranged.stream.probe().0)
        });
        let mut tick = 0;
        let mut close = |rows: &mut InputSession<_, _, _>,
                         erasures: &mut InputSession<_, _, _>,
                         worker: &mut timely::worker::Worker| {
            tick += 1;
            rows.advance_to(tick);
            erasures.advance_to(tick);
            rows.flush();
            erasures.flush();
            worker.step_while(|| probe.less_than(&tick));
            handle::compact(&mut trace, &Antichain::from_elem(tick - 1), &Antichain::from_elem(tick));
            tick - 1
        };
        for at in 1..=PRODUCTS {
            for user in [ada, ben] {
                rows.update((user, ids.product(&at.to_string())), row(at));
            }
            if at % 100 == 0 {
                close(&mut rows, &mut erasures, worker);
            }
        }
        erasures.update((ada, ()), ErasedUntil(PRODUCTS / 2));
        close(&mut rows, &mut erasures, worker);
        // These come late, and the last one is new.
        for at in [1, PRODUCTS / 2, PRODUCTS + 1] {
            rows.update((ada, ids.product(&at.to_string())), row(at));
        }
        let tick = close(&mut rows, &mut erasures, worker);
        (0..IDLE_STEPS).for_each(|_| {
            worker.step();
        });
        let (rows, updates) = held::<T>(&trace, tick);
        let rows: Vec<_> = rows.into_iter().filter(|(_, diff)| T::in_cut(*diff).is_some()).collect();
        ([ada, ben].map(|user| rows.iter().filter(|((of, _), _)| *of == user).count()), updates)
    });
    workers.expect("threads start").join().pop().expect("a worker").expect("no panic")
}

#[test]
fn stamps_up_to_the_erasure_take_no_memory_in_the_end() {
    let ([ada, ben], updates) = left_of::<Stamps>(Stamp::view);
    assert_eq!([ada, ben], [PRODUCTS as usize / 2 + 1, PRODUCTS as usize]);
    assert_eq!(updates, ada + ben);
}

#[test]
fn counts_up_to_the_tick_of_the_erasure_take_no_memory_in_the_end() {
    let ([ada, ben], updates) = left_of::<Interactions>(|at| Activity::of(Interaction::Click, at));
    assert_eq!([ada, ben], [1, PRODUCTS as usize]);
    assert_eq!(updates, ada + ben);
}
