//! The first tick closes though one worker has filled it before another one could read anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dataflow::dictionary::Dictionary;
use dataflow::engine::{Engine, Settings};
use dataflow::feed::{Feed, FeedProgress, Position};
use dataflow::ids::Ids;
use dataflow::inputs::Inputs;
use dataflow::tick_scheduler::TickPolicy;
use dataflow::time::{ServiceClock, Time};

const BATCH_MAX: usize = 1000;

struct Wall;

impl ServiceClock for Wall {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        Time::try_from(since.as_millis()).expect("it is not long after 1970")
    }
}

/// Has more to read than one tick takes. The first worker's begins when the other's has filled the tick.
struct Behind {
    worker: usize,
    filled: Arc<AtomicBool>,
    unread: usize,
}

impl Feed for Behind {
    fn feed(&mut self, inputs: &mut Inputs, budget: usize) -> FeedProgress {
        if budget == 0 {
            self.filled.store(true, Ordering::SeqCst);
        }
        let may_read = self.worker > 0 || self.filled.load(Ordering::SeqCst);
        let records = if may_read { self.unread.min(budget) } else { 0 };
        let ids = inputs.dictionary().clone();
        for number in 0..records {
            let product = ids.product(&number.to_string()).expect("few ids do not collide");
            inputs.view(ids.user("ada"), product, 1);
        }
        self.unread -= records;
        let begun = self.unread < 2 * BATCH_MAX;
        // What has not been read has no time.
        let reached = (self.unread > 0).then_some(u64::from(begun));
        FeedProgress { records, waiting: self.unread, reached }
    }

    fn positions(&self, out: &mut Vec<Position>) {
        out.push(Position::new("behind", i32::from(self.worker > 0), (2 * BATCH_MAX - self.unread) as i64));
    }
}

#[test]
fn a_worker_that_comes_late_has_its_turn() {
    let filled = Arc::new(AtomicBool::new(false));
    let engine = Engine::start(Settings {
        workers: 2,
        ticks: TickPolicy { batch_max: BATCH_MAX, ..TickPolicy::default() },
        ..Settings::new(
            Arc::new(Dictionary::new(Ids::new([0; 16]))),
            Arc::new(Wall),
            Arc::new(move |context| {
                vec![Box::new(Behind { worker: context.index, filled: filled.clone(), unread: 2 * BATCH_MAX })
                    as Box<dyn Feed>]
            }),
            1000,
        )
    })
    .expect("threads can be started");
    let snapshots = engine.reader().snapshots();
    for partition in [0, 1] {
        let end = Position::new("behind", partition, (2 * BATCH_MAX) as i64);
        let shown = snapshots.wait_until(Duration::from_secs(120), || snapshots.covers(&end));
        assert!(shown, "partition {partition} does not show");
    }
    engine.stop().expect("no worker panicked");
}
