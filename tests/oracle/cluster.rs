//! Runs a history through the graph: a station per worker on shared slots, paced in one of three ways, and samples the
//! lists.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dataflow::feed::Position;
use dataflow::graph::{Changed, Plan};
use dataflow::index_reader::IndexReader;
use dataflow::publish::PublishedSnapshots;
use dataflow::rules::Rules;
use dataflow::worker_graph::WorkerGraph;
use timely::worker::Worker;

use crate::given::{History, Update, World};
use crate::meeting::Meeting;
use crate::seen::{Sample, Seen, look, look_at_user};

/// How workers go from tick to tick.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pacing {
    /// So many ticks are given and closed before anything is stepped; then all wait until they show. With 1, every
    /// tick is looked at; with more, one batch holds several times.
    Bursts(usize),
    /// Each worker goes its own way, a few steps here and there, as this seed decides; whatever shows is looked at.
    Straggling(u64),
}

/// What became of a run.
pub(crate) struct Outcome {
    /// What was seen from the workers' own threads, and from the reader's.
    pub(crate) samples: Vec<Sample>,
    /// Every list's changes.
    pub(crate) changes: Vec<Changed>,
    /// Everything there is to see after the last tick.
    pub(crate) last: Vec<Sample>,
}

/// A worker's share of the position after each tick.
fn position(worker: usize, ticks: usize) -> Position {
    Position::new(format!("worker {worker}"), 0, ticks as i64)
}

/// Runs `history` on so many workers.
pub(crate) fn run(world: &Arc<World>, history: &History, workers: usize, pacing: Pacing) -> Result<Outcome, String> {
    let changes: Arc<Mutex<Vec<Changed>>> = Arc::default();
    let handed_out = changes.clone();
    let outlet = move |changed| handed_out.lock().expect("nobody panics with this lock").push(changed);
    let plan =
        Plan { changes: Some(Arc::new(Mutex::new(outlet))), ..Plan::new(history.rules, world.dictionary.clone()) };
    let snapshots = Arc::new(PublishedSnapshots::new(workers));
    let reader = IndexReader::new(snapshots.clone(), plan.dictionary.clone(), plan.rules, plan.late_lines.clone());
    let over = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (reader, world, over, history) = (reader.clone(), world.clone(), over.clone(), history.clone());
        move || watch(&reader, &world, &history, workers, &over)
    });
    let config = dataflow::workers::config(workers, 1000);
    let shared = Arc::new((world.clone(), history.clone(), reader, plan, Meeting::new(workers)));
    let guards = timely::execute(config, move |worker| {
        let (world, history, reader, plan, meeting) = &*shared;
        let _alarm = meeting.alarm();
        let worker_graph = WorkerGraph::new(worker, plan, reader.snapshots());
        let mut member =
            Member { worker, worker_graph, world, history, reader, meeting, meetings: 0, samples: Vec::new() };
        match pacing {
            Pacing::Bursts(size) => member.bursts(size),
            Pacing::Straggling(seed) => member.straggle(seed),
        }
        member.finish()
    })?;
    let ended: Vec<_> = guards.join().into_iter().collect();
    over.store(true, Ordering::SeqCst);
    let mut samples = watcher.join().map_err(|_| "the reader saw something impossible".to_owned())?;
    let mut last = Vec::new();
    for ended in ended {
        let (seen, at_the_end) = ended?;
        samples.extend(seen);
        last.extend(at_the_end);
    }
    let changes = std::mem::take(&mut *changes.lock().expect("nobody panics with this lock"));
    Ok(Outcome { samples, changes, last })
}

/// A reader on a thread of its own: time never goes back, and a covered position shows.
fn watch(reader: &IndexReader, world: &World, history: &History, workers: usize, over: &AtomicBool) -> Vec<Sample> {
    const SAMPLES_MAX: usize = 2_000;
    let (mut samples, mut latest, mut covered) = (Vec::new(), 0, vec![0; workers]);
    for round in 0.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let (user, worker) = (world.users[round % world.users.len()], round % workers);
        while covered[worker] < history.ticks.len() && reader.snapshots().covers(&position(worker, covered[worker] + 1))
        {
            covered[worker] += 1;
        }
        let before = samples.len();
        look_at_user(reader, user, &mut samples);
        let as_of = samples[before].as_of;
        assert!(as_of >= latest, "time went back from {latest} to {as_of}");
        if let Some(closed) = covered[worker].checked_sub(1).map(|tick| history.ticks[tick].as_of()) {
            assert!(as_of >= closed, "a position is said to be covered as of {closed}, but {as_of} is shown");
        }
        if as_of == latest && before > SAMPLES_MAX / 2 || before > SAMPLES_MAX {
            samples.truncate(before);
        }
        latest = as_of;
        std::thread::yield_now();
    }
    samples
}

/// One worker of a run.
struct Member<'a> {
    worker: &'a mut Worker,
    worker_graph: WorkerGraph,
    world: &'a World,
    history: &'a History,
    reader: &'a IndexReader,
    meeting: &'a Meeting,
    meetings: usize,
    samples: Vec<Sample>,
}

impl Member<'_> {
    /// Gives this worker's share of a tick, part `part` of `parts`, and closes the tick after the last.
    fn give(&mut self, tick: usize, part: usize, parts: usize) {
        let (index, peers) = (self.worker.index(), self.worker.peers());
        let Some(given) = self.history.ticks.get(tick) else { return };
        let mine = given.given.iter().filter(|handed| handed.hand % peers == index);
        for handed in mine.skip(part).step_by(parts) {
            self.world.give(handed.update, self.worker_graph.inputs());
        }
        if part + 1 == parts {
            self.worker_graph.note(vec![position(index, tick + 1)]);
            self.worker_graph.advance_to(given.next);
        }
    }

    fn bursts(&mut self, size: usize) {
        let ticks = self.history.ticks.len();
        for start in (0..ticks).step_by(size) {
            let end = ticks.min(start + size);
            (start..end).for_each(|tick| self.give(tick, 0, 1));
            self.wait_for(end);
            // All have come before anybody looks, and nobody goes on before all has been seen.
            self.meeting.meet(self.worker, &mut self.meetings);
            if self.worker.index() == end % self.worker.peers() {
                let samples = look(self.reader, self.world);
                let as_of = self.history.ticks[end - 1].as_of();
                assert!(samples.iter().all(|sample| sample.as_of == as_of), "everything up to {as_of} is closed");
                self.samples.extend(samples);
            }
            let covered = |ticks| self.reader.snapshots().covers(&position(self.worker.index(), ticks));
            assert!(covered(end) && !covered(end + 1), "what was fed up to tick {end} shows, and nothing else");
            self.meeting.meet(self.worker, &mut self.meetings);
        }
    }

    fn straggle(&mut self, seed: u64) {
        let mut random = seed ^ (self.worker.index() as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut chance = |of: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % of
        };
        for tick in 0..self.history.ticks.len() {
            let parts = 1 + chance(2) as usize;
            for part in 0..parts {
                self.give(tick, part, parts);
                for _ in 0..chance(8) {
                    self.worker.step();
                    if chance(3) > 0 && self.worker_graph.publish() && chance(2) > 0 {
                        self.samples.extend(look(self.reader, self.world));
                    }
                }
            }
        }
        self.wait_for(self.history.ticks.len());
    }

    /// Steps until the first `ticks` ticks show in all workers.
    fn wait_for(&mut self, ticks: usize) {
        let Some(last) = ticks.checked_sub(1).map(|tick| &self.history.ticks[tick]) else { return };
        let (worker_graph, snapshots) = (&mut self.worker_graph, self.reader.snapshots());
        self.meeting.step_until(self.worker, "for a tick to show", |_| {
            worker_graph.publish();
            snapshots.closed() >= last.next
        });
    }

    /// Looks a last time, then closes the inputs and lets the graph run dry, so that all changes are handed out.
    fn finish(mut self) -> (Vec<Sample>, Vec<Sample>) {
        let last = if self.worker.index() == 0 { look(self.reader, self.world) } else { Vec::new() };
        self.meeting.meet(self.worker, &mut self.meetings);
        drop(self.worker_graph);
        self.meeting.step_until(self.worker, "for the graph to run dry", |worker| !worker.has_dataflows());
        (self.samples, last)
    }
}

/// The histories that show while one of two workers has shown its first tick and the other has not.
pub(crate) fn half_published(world: &Arc<World>, rules: Rules) -> Vec<Seen> {
    let snapshots = Arc::new(PublishedSnapshots::new(2));
    let plan = Plan::new(rules, world.dictionary.clone());
    let reader = IndexReader::new(snapshots.clone(), plan.dictionary.clone(), rules, plan.late_lines.clone());
    let shared = Arc::new((world.clone(), reader, plan, Meeting::new(2)));
    let guards = timely::execute(timely::Config::process(2), move |worker| {
        let (world, reader, plan, meeting) = &*shared;
        let (_alarm, mut meetings) = (meeting.alarm(), 0);
        let mut worker_graph = WorkerGraph::new(worker, plan, reader.snapshots());
        (0..world.users.len())
            .for_each(|user| world.give(Update::View { user, product: 0, at: 1 }, worker_graph.inputs()));
        worker_graph.note(vec![position(worker.index(), 1)]);
        worker_graph.advance_to(1000);
        if worker.index() == 1 {
            meeting.step_until(worker, "for the first tick", |_| {
                worker_graph.publish();
                snapshots.covered_at(&position(1, 1)).is_some()
            });
        }
        meeting.meet(worker, &mut meetings);
        let samples = look(reader, world);
        meeting.meet(worker, &mut meetings);
        samples
    });
    let ended = guards.expect("threads can be started").join();
    let samples = ended.into_iter().flat_map(|samples| samples.expect("no worker panicked"));
    let histories = samples.map(|sample| sample.seen).filter(|seen| matches!(seen, Seen::History(..)));
    histories.filter(|seen| !matches!(seen, Seen::History(_, rows) if rows.is_empty())).collect()
}
