//! The core over random changes of the lists, failures of the destination, edits by hand and restarts. The oracle is
//! plain: in the end the destination holds exactly the lists, and nothing was written that was there already.

mod lag;
mod unwritable;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use dataflow::dictionary::Dictionary;
use dataflow::graph::{TouchOutlet as _, TouchedList};
use dataflow::ids::Ids;
use harness::Dice;

use super::*;
use crate::copies::settings::CopiedLists;
use crate::copies::waiting::Touches;

const USERS: usize = 40;
const COMPARE_EVERY: Duration = Duration::from_secs(60);
const PAGE: usize = 7;

/// The time at which copiers start.
const START: Time = 2;

/// The histories of a shop, each as a number that makes its rows; and the time as of which they are read.
#[derive(Default)]
struct Shop {
    histories: BTreeMap<usize, usize>,
    as_of: Time,
}

#[derive(Clone, Default)]
struct Lists(Arc<Mutex<Shop>>);

impl Lists {
    fn shop(&self) -> MutexGuard<'_, Shop> {
        self.0.lock().unwrap()
    }
}

fn user(number: usize) -> TouchedList {
    TouchedList::History(Ids::new([0; 16]).user(&number.to_string()))
}

fn name(number: usize) -> ListName {
    ListName::History(number.to_string().into())
}

/// From this number on, the products of rows have a zero byte in their ids.
const WITH_ZERO_BYTES: usize = 1000;

fn rows(seed: usize) -> Vec<CopiedRow> {
    let sign = if seed < WITH_ZERO_BYTES { '-' } else { '\0' };
    (0..seed % 4).map(|at| CopiedRow { product: format!("p{seed}{sign}{at}").into(), value: Some(at as f64) }).collect()
}

impl ShownLists for Lists {
    fn is_ready(&self) -> bool {
        self.as_of() >= 3
    }

    fn as_of(&self) -> Time {
        self.shop().as_of
    }

    fn read(&mut self, name: &ListName) -> Shown {
        let ListName::History(id) = name else { return Shown::Elsewhere };
        let Ok(number) = id.parse::<usize>() else { return Shown::Rows(self.as_of(), Vec::new()) };
        if number >= USERS {
            // The users of another process.
            return Shown::Elsewhere;
        }
        let shop = self.shop();
        Shown::Rows(shop.as_of, shop.histories.get(&number).map(|seed| rows(*seed)).unwrap_or_default())
    }

    fn all(&self) -> Vec<TouchedList> {
        self.shop().histories.keys().map(|number| user(*number)).collect()
    }

    fn names(&mut self, touched: TouchedList) -> Vec<ListName> {
        (0..USERS).find(|number| user(*number) == touched).map(name).into_iter().collect()
    }
}

/// A destination in memory.
#[derive(Default)]
struct Memory {
    lists: BTreeMap<String, Vec<CopiedRow>>,
    /// Lists that somebody else has changed since they were read last.
    edited: BTreeSet<String>,
    /// Calls of this probability in 16 fail.
    failing: usize,
    dice: Option<Dice>,
    is_open: bool,
    read_after: Option<String>,
    writes: usize,
    /// Called within the next write, before anything is durable.
    at_write: Option<Box<dyn FnOnce() + Send>>,
}

#[derive(Clone, Default)]
struct Copy(Arc<Mutex<Memory>>);

impl Copy {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap()
    }
}

impl Memory {
    fn fails(&mut self) -> bool {
        let failing = self.failing;
        self.dice.as_mut().is_some_and(|dice| dice.below(16) < failing)
    }
}

fn failure() -> DestinationError {
    DestinationError::Refused { doing: "a call".into(), reason: "chance".into() }
}

impl Destination for Copy {
    fn begin(&mut self) -> Result<(), DestinationError> {
        let mut memory = self.memory();
        if memory.fails() {
            return Err(failure());
        }
        (memory.is_open, memory.read_after) = (true, None);
        Ok(())
    }

    fn page(&mut self, page: &mut Vec<FoundList>) -> Result<bool, DestinationError> {
        let mut memory = self.memory();
        assert!(memory.is_open);
        if memory.fails() {
            return Err(failure());
        }
        let after = memory.read_after.clone();
        let next = memory.lists.iter().filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after));
        let found: Vec<FoundList> =
            next.take(PAGE).map(|(name, rows)| FoundList { name: name.clone(), digest: Some(digest(rows)) }).collect();
        memory.edited.retain(|edited| found.iter().all(|found| found.name != *edited));
        let is_more = found.len() == PAGE;
        memory.read_after = found.last().map(|found| found.name.clone()).or(after);
        if !is_more {
            // What was taken away is known to be gone.
            let Memory { edited, lists, .. } = &mut *memory;
            edited.retain(|name| lists.contains_key(name));
        }
        page.extend(found);
        Ok(is_more)
    }

    fn write(&mut self, changes: &[ListChange]) -> Result<(), DestinationError> {
        let at_write = self.memory().at_write.take();
        if let Some(at_write) = at_write {
            at_write();
        }
        let mut memory = self.memory();
        assert!(memory.is_open);
        // A failed write may have happened.
        let (fails, happens) = (memory.fails(), memory.fails());
        if fails && !happens {
            return Err(failure());
        }
        for change in changes {
            let key = change.name.to_string();
            let before = memory.lists.get(&key).cloned().unwrap_or_default();
            let was_edited = memory.edited.remove(&key);
            assert!(was_edited || before != change.rows, "{key} was written although it was there");
            memory.writes += 1;
            match change.rows.is_empty() {
                true => drop(memory.lists.remove(&key)),
                false => drop(memory.lists.insert(key, change.rows.clone())),
            }
        }
        if fails { Err(failure()) } else { Ok(()) }
    }

    fn disconnect(&mut self) {
        self.memory().is_open = false;
    }
}

/// A shop whose lists are copied, and the way to tell the copier of changes.
struct World {
    lists: Lists,
    copy: Copy,
    copier: Copier<Copy, Lists>,
    touches: Arc<Touches>,
    status: SharedCopyStatus,
    now: Duration,
}

impl World {
    fn new(waiting_max: usize) -> World {
        let (lists, copy) = (Lists::default(), Copy::default());
        let (copier, touches, status) = World::copier(&lists, &copy, waiting_max);
        World { lists, copy, copier, touches, status, now: Duration::ZERO }
    }

    fn copier(lists: &Lists, copy: &Copy, waiting_max: usize) -> (Copier<Copy, Lists>, Arc<Touches>, SharedCopyStatus) {
        let dictionary = Arc::new(Dictionary::new(Ids::new([0; 16])));
        let waiting = Arc::new(WaitingLists::new(&[CopiedLists::Histories], waiting_max, dictionary));
        let settings = CopySettings {
            lists: vec![CopiedLists::Histories],
            compare_every: COMPARE_EVERY,
            interval: Duration::ZERO,
            waiting_max,
        };
        let status = SharedCopyStatus::new(waiting.clone(), START);
        let copier = Copier::new(copy.clone(), lists.clone(), waiting.clone(), &settings, status.clone());
        (copier, Arc::new(Touches::new(vec![waiting])), status)
    }

    /// The process is killed and started again: nothing is known any more.
    fn kill(&mut self, waiting_max: usize) {
        self.copy.memory().is_open = false;
        (self.copier, self.touches, self.status) = World::copier(&self.lists, &self.copy, waiting_max);
    }

    /// Histories change in the next tick, which can be read at once or after the one that follows.
    fn change(&mut self, dice: &mut Dice) {
        let mut shop = self.lists.shop();
        let is_seen_first = dice.below(2) == 0;
        let tick = shop.as_of + 1;
        let changed: Vec<usize> = (0..dice.below(6)).map(|_| dice.below(USERS)).collect();
        if is_seen_first {
            self.touches.touched(tick, &mut changed.iter().map(|number| user(*number)));
        }
        for number in &changed {
            match dice.below(9) {
                0 => drop(shop.histories.remove(number)),
                seed => drop(shop.histories.insert(*number, seed)),
            }
        }
        shop.as_of = tick;
        if !is_seen_first {
            self.touches.touched(tick, &mut changed.iter().map(|number| user(*number)));
        }
    }

    /// Somebody edits the copy.
    fn edit(&mut self, dice: &mut Dice) {
        let mut memory = self.copy.memory();
        let key = name(dice.below(USERS)).to_string();
        match dice.below(3) {
            0 => drop(memory.lists.remove(&key)),
            edit => {
                let row = CopiedRow { product: format!("edited-{edit}").into(), value: None };
                memory.lists.insert(key.clone(), vec![row]);
            }
        }
        memory.edited.insert(key);
    }

    /// Copies until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..1000 {
            if self.copier.turn(self.now) == Ok(Turn::Done) {
                return;
            }
        }
        panic!("the copier does not come to an end");
    }

    fn writes(&self) -> usize {
        self.copy.memory().writes
    }

    fn expected(&self) -> BTreeMap<String, Vec<CopiedRow>> {
        let shop = self.lists.shop();
        let shown = shop.histories.iter().map(|(number, seed)| (name(*number).to_string(), rows(*seed)));
        shown.filter(|(_, rows)| !rows.is_empty()).collect()
    }

    /// The lists of this process in the copy.
    fn copied(&self) -> BTreeMap<String, Vec<CopiedRow>> {
        let is_own = |name: &str| name.strip_prefix("history/").is_some_and(|id| id.parse::<usize>().is_ok());
        let memory = self.copy.memory();
        memory.lists.iter().filter(|(name, _)| is_own(name)).map(|(name, rows)| (name.clone(), rows.clone())).collect()
    }
}

#[test]
fn the_copy_is_right_after_any_failure_edit_and_kill() {
    for seed in 0..300 {
        let mut dice = Dice::new(seed);
        let waiting_max = [3, 1000][dice.below(2)];
        let mut world = World::new(waiting_max);
        let others: Vec<(String, Vec<CopiedRow>)> = vec![("foreign".into(), rows(3)), ("x/1".into(), rows(2))];
        world.copy.memory().lists.extend(others.clone());
        world.copy.memory().lists.insert("history/gone".into(), rows(3));
        world.copy.memory().dice = Some(Dice::new(seed + 1000));
        for _ in 0..120 {
            world.copy.memory().failing = [0, 0, 5, 16][dice.below(4)];
            match dice.below(8) {
                0 => world.edit(&mut dice),
                1 if dice.below(3) == 0 => world.kill(waiting_max),
                2 => world.now += COMPARE_EVERY / 3,
                3..6 => world.change(&mut dice),
                _ => drop(world.copier.turn(world.now)),
            }
        }
        world.copy.memory().failing = 0;
        world.change(&mut dice);
        world.lists.shop().as_of += 3;
        world.now += COMPARE_EVERY;
        world.settle();
        assert_eq!(world.copied(), world.expected(), "seed {seed}");
        let memory = world.copy.memory();
        assert!(others.iter().all(|(name, rows)| memory.lists.get(name) == Some(rows)), "foreign names are left alone");
        assert!(!memory.lists.contains_key("history/gone"), "a stale list is removed");
        drop(memory);
        // Nothing has changed: nothing is written.
        let writes = world.writes();
        world.now += COMPARE_EVERY;
        world.settle();
        assert_eq!((world.writes(), world.status.get().foreign), (writes, 2), "seed {seed}");
    }
}

#[test]
fn nothing_is_read_or_written_before_the_lists_are_ready() {
    let mut world = World::new(10);
    world.copy.memory().lists.insert(name(1).to_string(), rows(3));
    for _ in 0..2 {
        assert_eq!(world.copier.turn(world.now), Ok(Turn::Early));
        world.lists.shop().as_of += 1;
    }
    assert_eq!((world.copied().len(), world.writes()), (1, 0));
    assert!(!world.copy.memory().is_open);
    world.lists.shop().as_of = 3;
    world.settle();
    assert_eq!(world.copied(), BTreeMap::new());
    let status = world.status.get();
    assert_eq!((status.removed, status.written, status.follows), (1, 0, true));
}

#[test]
fn a_list_that_changes_many_times_is_written_once_with_its_last_rows() {
    let mut world = World::new(10);
    world.lists.shop().as_of = 3;
    world.settle();
    for seed in 1..=7 {
        let mut shop = world.lists.shop();
        shop.as_of += 1;
        shop.histories.insert(5, seed);
        let tick = shop.as_of;
        drop(shop);
        world.touches.touched(tick, &mut [user(5)].into_iter());
    }
    world.settle();
    assert_eq!((world.writes(), world.copied()), (1, world.expected()));
    // It changes and changes back.
    for seed in [6, 7] {
        world.lists.shop().histories.insert(5, seed);
    }
    world.touches.touched(world.lists.as_of(), &mut [user(5)].into_iter());
    world.settle();
    assert_eq!((world.writes(), world.status.get().waiting), (1, 0));
}
