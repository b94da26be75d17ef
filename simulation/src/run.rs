//! One run: applies one operation after another, and after each closed tick compares the shown lists with the correct
//! ones.

mod events;

use std::collections::BTreeMap;

use checkpoints::simulation::{FakeDisk, Loss, Syncing};
use dataflow::time::{Millis, Time};

use crate::clock::BEGINNING;
use crate::join;
use crate::log::{Given, Log, Uid};
use crate::operation::{Fault, Operation};
use crate::oracle::{PlainFacts, Shelves};
use crate::outcome::{Failure, Outcome};
use crate::panics::caught;
use crate::plant::Plant;
use crate::process::{Outside, Process, RowsAt};
use crate::server::Server;
use crate::world::{HISTORY_MS, World};

/// Limit of rounds until all records must be visible.
const ROUNDS_MAX: usize = 80;

/// Consecutive rounds without new records after which the run is at rest: enough for a check of the tables in between.
const QUIET_ROUNDS: usize = 6;

/// The state that a checkpoint must restore.
#[derive(Clone, Default)]
struct Kept {
    given: Given,
    rows: RowsAt,
}

struct Run {
    world: World,
    outside: Outside,
    process: Option<Process>,
    now: Millis,
    skew_ms: i64,
    /// By the tick of the cut.
    kept: BTreeMap<Time, Kept>,
    /// The places in the database's log whose rows should be visible.
    rows: RowsAt,
    /// The newest state that was served.
    served: Time,
    /// With a planted bug: events that were answered and are not in the log.
    unwritten: Vec<(Uid, usize)>,
    outcome: Outcome,
}

/// Applies operations, and comes to rest at the end.
///
/// # Errors
/// The first failure; a panic is a failure too.
pub fn run(operations: &[Operation], plant: Option<Plant>) -> Result<Outcome, Failure> {
    let disk = FakeDisk::new();
    disk.set_syncing(match plant {
        Some(Plant::RenameBeforeFsync) => Syncing::AfterNaming,
        Some(Plant::FsyncIgnored) => Syncing::Never,
        _ => Syncing::AtOnce,
    });
    let outside = Outside { log: Log::new(plant), server: Server::new(plant), disk, plant };
    let mut run = Run {
        world: World::new(),
        outside,
        process: None,
        now: BEGINNING,
        skew_ms: 0,
        kept: BTreeMap::new(),
        rows: RowsAt::default(),
        served: 0,
        unwritten: Vec::new(),
        outcome: Outcome::default(),
    };
    // The second time, all views have left their histories, and none comes back with the checkpoint.
    let age = Operation::Pass { ms: HISTORY_MS };
    let restart = [Operation::Rest, Operation::Kill, Operation::Rest];
    let last = [&restart[..], &[age], &restart].concat();
    let mut after = 0;
    let went = caught(|| {
        operations.iter().chain(&last).try_for_each(|operation| {
            after += 1;
            run.apply(*operation)
        })
    });
    let outcome = run.outcome;
    // After a panic, dropping the state might panic as well.
    let ended = caught(|| {
        drop(run);
        Ok(())
    });
    went.and(ended).map(|()| outcome).map_err(|what| Failure { after, what })
}

impl Run {
    fn apply(&mut self, operation: Operation) -> Result<(), String> {
        match operation {
            Operation::View { .. }
            | Operation::Removal { .. }
            | Operation::Act { .. }
            | Operation::Repeat { .. }
            | Operation::Erase { .. }
            | Operation::Rule { .. } => self.event(operation),
            Operation::Join { seed } => {
                self.outcome.joins += 1;
                return join::compare(&self.world, &self.outside.log.borrow(), seed, self.outside.plant);
            }
            Operation::Abort { topic, partition, records } => {
                self.outside.log.borrow_mut().abort(topic, partition, records);
            }
            Operation::DeleteTopic { topic, anew } => {
                self.look_first();
                let nameless = self.outside.log.borrow().is_nameless(topic);
                self.outside.log.borrow_mut().delete(topic);
                if nameless {
                    // Only the absence of the topic shows that it is a new one when it comes back.
                    self.look_first();
                }
                let mut log = self.outside.log.borrow_mut();
                if let Some(partitions) = anew {
                    log.create(topic, partitions);
                }
            }
            Operation::CreateTopic { topic, partitions } => self.outside.log.borrow_mut().create(topic, partitions),
            Operation::AddPartition { topic } => self.outside.log.borrow_mut().add_partition(topic),
            Operation::Truncate { topic, partition, records } => {
                self.look_first();
                self.outside.log.borrow_mut().truncate(topic, partition, records);
            }
            Operation::Expire { topic, partition, records } => {
                self.outside.log.borrow_mut().expire(topic, partition, records);
            }
            Operation::Transact { seed } => self.outside.server.borrow_mut().transact(seed, self.now),
            Operation::Grow { bytes } => self.outside.server.borrow_mut().grow(bytes),
            Operation::DropSlot | Operation::AdvanceSlot | Operation::LoseSlot => return self.slot(operation),
            Operation::Unpublish { table } => self.outside.server.borrow_mut().unpublish(table),
            Operation::Rewrite { table } => self.outside.server.borrow_mut().rewrite(table, self.now),
            Operation::BreakTable { table } => self.outside.server.borrow_mut().break_table(table),
            Operation::MendTables => self.outside.server.borrow_mut().mend_tables(),
            Operation::Pass { ms } => self.pass(ms),
            Operation::SetClock { skew_ms } => self.skew_ms = skew_ms,
            Operation::Kill => self.process = None,
            Operation::Crash { loss } => self.crash(loss),
            Operation::Start => return self.start(),
            Operation::Rest => return self.rest(),
            Operation::Disconnect
            | Operation::Look { .. }
            | Operation::Follow { .. }
            | Operation::Tick { .. }
            | Operation::Write { .. } => return self.work(operation),
        }
        Ok(())
    }

    /// The actions that a running process takes by itself.
    fn work(&mut self, operation: Operation) -> Result<(), String> {
        let Some(process) = &mut self.process else { return Ok(()) };
        match operation {
            Operation::Disconnect => process.disconnect(),
            Operation::Follow { transactions } => process.follow(transactions).map(drop),
            Operation::Tick { budget, cut, unseen } => self.tick(budget, cut, unseen).map(drop),
            Operation::Write { fault } => self.write(fault),
            Operation::Look { deep } => {
                process.look(deep);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The source takes a fingerprint some seconds after it has read a topic; it does not detect earlier damage.
    fn look_first(&mut self) {
        if let Some(process) = &mut self.process {
            process.look(true);
        }
    }

    /// Another program changes the slot, which is possible while there is no connection.
    fn slot(&mut self, operation: Operation) -> Result<(), String> {
        if let Some(process) = &mut self.process {
            process.disconnect()?;
        }
        let mut server = self.outside.server.borrow_mut();
        match operation {
            Operation::DropSlot => server.drop_slot(),
            Operation::AdvanceSlot => server.advance_slot(),
            _ => server.lose_slot(),
        }
        Ok(())
    }

    fn wall(&self) -> Millis {
        self.now.saturating_add_signed(self.skew_ms)
    }

    fn pass(&mut self, ms: Millis) {
        self.now += ms;
        let wall = self.wall();
        if let Some(process) = &mut self.process {
            process.pass(wall);
        }
    }

    fn start(&mut self) -> Result<(), String> {
        if self.process.is_some() {
            return Ok(());
        }
        let mut process = Process::start(&self.outside, self.wall())?;
        self.outcome.starts += 1;
        if process.floor < self.served {
            return Err(format!(
                "a state as of {} was served, and later only as of {} is promised",
                self.served, process.floor
            ));
        }
        let kept = match process.restored {
            None => Kept::default(),
            Some(tick) => {
                self.outcome.restores += 1;
                self.kept
                    .get(&tick)
                    .cloned()
                    .ok_or_else(|| format!("a checkpoint as of {tick}, of which no cut was"))?
            }
        };
        self.outside.log.borrow_mut().start_from(kept.given, process.restored);
        (self.rows, process.rows) = (kept.rows, kept.rows);
        self.unwritten.clear();
        let restored = process.restored;
        self.process = Some(process);
        restored.map_or(Ok(()), |tick| self.compare(tick))
    }

    fn crash(&mut self, loss: u64) {
        self.process = None;
        self.outside.disk.crash(match loss % 4 {
            0 => Loss::Everything,
            1 => Loss::Nothing,
            _ => Loss::Some(loss),
        });
    }

    /// Feeds records, and closes a tick if time has advanced; returns whether records were fed or were not visible yet.
    fn tick(&mut self, budget: usize, cut: bool, unseen: bool) -> Result<bool, String> {
        let Some(process) = &mut self.process else { return Ok(false) };
        for (uid, partition) in self.unwritten.drain(..) {
            self.outside.log.borrow_mut().append(uid, partition, self.now);
        }
        let mut fed = process.feed(budget)?;
        self.outcome.readings += std::mem::take(&mut process.readings);
        let closed = process.close(cut);
        fed |= closed.is_none();
        if let Some(tick) = closed {
            self.rows = process.rows;
            if cut {
                let given = self.outside.log.borrow().given.clone();
                self.kept.insert(tick, Kept { given, rows: self.rows });
            }
            if !unseen {
                process.show()?;
                self.outcome.overflows += std::mem::take(&mut process.overflows);
                self.compare(tick)?;
            }
        }
        Ok(fed)
    }

    fn compare(&mut self, tick: Time) -> Result<(), String> {
        let Some(process) = &self.process else { return Ok(()) };
        let as_of = process.reader().view_any().as_of();
        if as_of != tick {
            return Err(format!("{tick} was closed, and {as_of} is shown"));
        }
        if as_of >= process.floor {
            self.served = self.served.max(as_of);
        }
        if self.silently_changed().is_some() || self.outside.server.borrow().redates(self.rows.places) {
            return Ok(());
        }
        let tables = self.outside.server.borrow().tables_at_each(self.rows.places);
        let facts = PlainFacts::new(&self.outside.log.borrow(), as_of);
        let right = Shelves::right(&self.world, &facts, &tables, as_of);
        let mut shown = Shelves::shown(&self.world, process.reader());
        if self.outside.plant == Some(Plant::HideAfterTake) {
            shown.leave_out(&self.world, &facts);
        }
        self.outcome.ticks += 1;
        self.outcome.partial += usize::from(process.passes_over());
        self.outcome.repeats += usize::from(facts.has_repeats);
        self.outcome.erased += usize::from(facts.has_erased());
        self.outcome.hidden += usize::from(!facts.hidden.is_empty());
        self.outcome.retired += usize::from(facts.has_retired(as_of));
        match Shelves::difference(&right, &shown) {
            None => Ok(()),
            Some(difference) => Err(format!("as of {} ms, {difference}", as_of - BEGINNING)),
        }
    }

    /// A table that was changed since it was read, in a way that the log did not report.
    fn silently_changed(&self) -> Option<usize> {
        let (server, RowsAt { places, read, .. }) = (self.outside.server.borrow(), self.rows);
        (0..3).find(|table| !server.tells(*table, read[*table], places[*table]))
    }

    fn write(&mut self, fault: Option<Fault>) -> Result<(), String> {
        let Some(process) = &mut self.process else { return Ok(()) };
        let disk = &self.outside.disk;
        let crash = match fault {
            Some(Fault::Crash(operation, loss)) => Some((disk.operations() + operation, loss)),
            _ => None,
        };
        match fault {
            None => {}
            Some(Fault::Crash(operation, _)) => disk.crash_at(disk.operations() + operation),
            Some(Fault::Fail(operation)) => disk.fail_at(disk.operations() + operation, std::io::ErrorKind::Other),
            Some(Fault::Full(bytes)) => {
                let used: usize = disk.files().iter().map(|(_, content)| content.len()).sum();
                disk.set_capacity(Some(used as u64 + bytes));
            }
        }
        match process.write() {
            Ok(None) => {}
            Ok(Some(full)) => self.outcome.checkpoints[usize::from(!full)] += 1,
            Err(error) if fault.is_none() => return Err(format!("a checkpoint failed on a sound disk: {error}")),
            Err(_) => self.outcome.failed += 1,
        }
        disk.heal();
        if let Some((at, loss)) = crash
            && disk.operations() > at
        {
            self.crash(loss);
        }
        Ok(())
    }

    /// Lets all records become visible, and checks that they are.
    fn rest(&mut self) -> Result<(), String> {
        self.start()?;
        self.outside.server.borrow_mut().mend_tables();
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            self.pass(700);
            let Some(process) = &mut self.process else { return Ok(()) };
            process.look(true);
            let followed = process.follow(100)?;
            let fed = self.tick(1000, false, false)?;
            quiet = if fed || followed { 0 } else { quiet + 1 };
            if quiet == QUIET_ROUNDS {
                break;
            }
        }
        if quiet < QUIET_ROUNDS {
            return Err("the run does not come to rest".to_owned());
        }
        if let Some(uid) = self.outside.log.borrow().missed() {
            let event = self.outside.log.borrow().events[uid];
            return Err(format!("event {uid} was acknowledged and is still in the log, and was never read: {event:?}"));
        }
        let server = self.outside.server.borrow();
        let (all, fed) = (server.tables_at(server.end()), server.tables_at_each(self.rows.places));
        if *all != fed {
            return Err(format!("the database is at {}, and only {:?} was read", server.end(), self.rows.places));
        }
        if let Some(table) = self.silently_changed() {
            return Err(format!(
                "table {table} was changed in a way that the log has not told, and was not read again"
            ));
        }
        Ok(())
    }
}
