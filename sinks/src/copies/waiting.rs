//! The lists that have changed and wait to be copied: each once, and at most so many.
//!
//! ```text
//! tick of the change ─▶ is the list waiting? ─┬ no  ─▶ it waits behind the others
//!                                             └ yes ─▶ its tick is raised: the latest state is copied
//! too many ─▶ no more are taken, and everything has to be compared
//! ```
//! A list that the copier has taken counts as waiting until it is written: a write may take as long as its time limit.
//!
//! The ids of the users of these lists are not forgotten before their copier has taken them.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use dataflow::dictionary::{Dictionary, Hold};
use dataflow::graph::{TouchOutlet, TouchedList};
use dataflow::time::Time;

use super::settings::CopiedLists;

/// The lists that are passed over at once after a comparison.
const PART: usize = 4000;

/// The lists that wait for one copier.
pub struct WaitingLists {
    lists: Vec<CopiedLists>,
    max: usize,
    dictionary: Arc<Dictionary>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether lists are taken; else everything is going to be compared.
    is_open: bool,
    order: VecDeque<TouchedList>,
    ticks: HashMap<TouchedList, Ticks>,
    /// The lists that the copier has taken and not written yet, each with the tick of its first change.
    taken: Vec<(TouchedList, Time)>,
    /// The lists that were forgotten, because too many waited, and that no comparison has copied since.
    forgotten: Option<Forgotten>,
    /// The latest tick of a change so far.
    latest: Time,
    /// The hold of the lists that came last, while one of them waits.
    hold: Weak<Hold>,
}

/// How many lists were forgotten, and the tick of the change that had waited longest.
#[derive(Clone, Copy)]
struct Forgotten {
    lists: usize,
    first: Time,
}

/// The ticks of the first and of the last change of a list that waits.
struct Ticks {
    first: Time,
    last: Time,
    /// Taken at the last change; shared by the lists of one round.
    hold: Arc<Hold>,
}

impl WaitingLists {
    /// At most `max` lists, of those that `lists` names, by the keys of `dictionary`. None waits before
    /// [`WaitingLists::reopen`].
    #[must_use]
    pub fn new(lists: &[CopiedLists], max: usize, dictionary: Arc<Dictionary>) -> Self {
        WaitingLists { lists: lists.to_vec(), max, dictionary, state: Mutex::default() }
    }

    /// For the copier, while it reads the ids of lists that it takes, or of all lists.
    #[must_use]
    pub fn hold(&self) -> Hold {
        self.dictionary.hold()
    }

    /// Lists wait from now on. If too many waited, they are forgotten. Returns the earliest time as of which everything has to
    /// be compared, so that no change is missed.
    pub fn reopen(&self) -> Time {
        let mut state = self.state();
        let latest = state.latest;
        if std::mem::replace(&mut state.is_open, true) {
            return latest;
        }
        if let Some(first) = state.first() {
            let new = Forgotten { lists: state.order.len(), first };
            let old = state.forgotten.unwrap_or(new);
            state.forgotten = Some(Forgotten { lists: new.lists.max(old.lists), first: new.first.min(old.first) });
        }
        let forgotten = (std::mem::take(&mut state.order), std::mem::take(&mut state.ticks));
        drop(state);
        // Outside of the lock: no worker waits while many lists are freed.
        drop(forgotten);
        latest
    }

    /// Whether too many lists waited: everything has to be compared.
    #[must_use]
    pub fn has_overflowed(&self) -> bool {
        !self.state().is_open
    }

    /// Takes up to `max` lists whose first change is visible as of `as_of`, the longest waiting first. A list that also
    /// changed later waits on. All of them count as waiting until [`WaitingLists::written`] or [`WaitingLists::put_back`].
    pub fn take(&self, as_of: Time, max: usize) -> Vec<TouchedList> {
        let mut state = self.state();
        let state = &mut *state;
        let mut taken = Vec::new();
        // A list that waits on goes to the end, where it is not looked at again.
        for _ in 0..state.order.len().min(max) {
            let Some(list) = state.order.front().copied().filter(|list| state.ticks[list].first <= as_of) else {
                break;
            };
            state.order.pop_front();
            if let Entry::Occupied(mut waiting) = state.ticks.entry(list) {
                let ticks = waiting.get_mut();
                state.taken.push((list, ticks.first));
                if ticks.last > as_of {
                    ticks.first = ticks.last;
                    state.order.push_back(list);
                } else {
                    waiting.remove();
                }
            }
            taken.push(list);
        }
        taken
    }

    /// The lists that were taken are in the copy.
    pub fn written(&self) {
        self.state().taken = Vec::new();
    }

    /// The lists that were taken may not be in the copy, and wait again.
    pub fn put_back(&self) {
        let mut state = self.state();
        let taken = std::mem::take(&mut state.taken);
        let hold = state.hold(&self.dictionary);
        taken.into_iter().for_each(|(list, tick)| state.add(list, tick, self.max, &hold));
    }

    /// Everything was compared with lists as of `as_of` or later: changes up to then wait no more.
    pub fn compared(&self, as_of: Time) {
        // In parts: no worker waits while many lists are passed over.
        while self.take(as_of, PART).len() == PART {
            self.written();
        }
        let mut state = self.state();
        // If too many waited meanwhile, the changes that were not taken are later than `as_of`.
        let forgotten = Forgotten { lists: state.order.len(), first: as_of };
        state.forgotten = (!state.is_open).then_some(forgotten);
        state.taken = Vec::new();
    }

    /// How many lists wait, and the tick of the change that waits longest. While too many wait, the number is a lower bound.
    #[must_use]
    pub fn waiting(&self) -> (usize, Option<Time>) {
        let state = self.state();
        // A list that has changed since it was taken counts once.
        let taken = state.taken.iter().filter(|(list, _)| !state.ticks.contains_key(list)).count();
        let lists = (state.order.len() + taken).max(state.forgotten.map_or(0, |forgotten| forgotten.lists));
        let taken = state.taken.first().map(|(_, first)| *first);
        let forgotten = state.forgotten.map(|forgotten| forgotten.first);
        (lists, [state.first(), taken, forgotten].into_iter().flatten().min())
    }

    fn wants(&self, list: TouchedList) -> bool {
        let any = |wanted: &[CopiedLists]| self.lists.iter().any(|lists| wanted.contains(lists));
        match list {
            TouchedList::History(_) => any(&[CopiedLists::Histories, CopiedLists::Recommendations]),
            TouchedList::BestSellers(_) => any(&[CopiedLists::BestSellers]),
            TouchedList::Similar(_) => any(&[CopiedLists::Similar]),
            TouchedList::Activity(_) => any(&[CopiedLists::Features]),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The tick of the change that waits longest and was not taken.
    fn first(&self) -> Option<Time> {
        self.order.front().map(|list| self.ticks[list].first)
    }

    /// The hold of lists that change now.
    fn hold(&mut self, dictionary: &Dictionary) -> Arc<Hold> {
        let held = self.hold.upgrade().filter(|hold| hold.is_of_current_round());
        let hold = held.unwrap_or_else(|| Arc::new(dictionary.hold()));
        self.hold = Arc::downgrade(&hold);
        hold
    }

    fn add(&mut self, list: TouchedList, tick: Time, max: usize, hold: &Arc<Hold>) {
        if !self.is_open {
            return;
        }
        match self.ticks.entry(list) {
            Entry::Occupied(mut waiting) => {
                let ticks = waiting.get_mut();
                ticks.last = tick.max(ticks.last);
                ticks.hold = hold.clone();
            }
            Entry::Vacant(new) => {
                new.insert(Ticks { first: tick, last: tick, hold: hold.clone() });
                self.order.push_back(list);
                self.is_open = self.order.len() <= max;
            }
        }
    }
}

/// Gives the lists that change to every copier.
pub struct Touches(Vec<Arc<WaitingLists>>);

impl Touches {
    /// For these copiers.
    #[must_use]
    pub fn new(copiers: Vec<Arc<WaitingLists>>) -> Self {
        Touches(copiers)
    }
}

impl TouchOutlet for Touches {
    fn touched(&self, tick: Time, lists: &mut dyn Iterator<Item = TouchedList>) {
        let mut copiers: Vec<_> = self.0.iter().map(|copier| (copier, copier.state())).collect();
        copiers.iter_mut().for_each(|(_, state)| state.latest = state.latest.max(tick));
        if copiers.iter().all(|(_, state)| !state.is_open) {
            return;
        }
        let holds: Vec<_> = copiers.iter_mut().map(|(copier, state)| state.hold(&copier.dictionary)).collect();
        for list in lists {
            for ((copier, state), hold) in copiers.iter_mut().zip(&holds).filter(|((copier, _), _)| copier.wants(list))
            {
                state.add(list, tick, copier.max, hold);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dataflow::ids::Ids;

    use super::*;

    fn user(number: usize) -> TouchedList {
        TouchedList::History(Ids::new([0; 16]).user(&number.to_string()))
    }

    fn waiting(max: usize) -> (Arc<WaitingLists>, Touches) {
        waiting_of(max, &Arc::new(Dictionary::new(Ids::new([0; 16]))))
    }

    fn waiting_of(max: usize, dictionary: &Arc<Dictionary>) -> (Arc<WaitingLists>, Touches) {
        let waiting = Arc::new(WaitingLists::new(&[CopiedLists::Histories], max, dictionary.clone()));
        (waiting.clone(), Touches::new(vec![waiting]))
    }

    fn touch(touches: &Touches, tick: Time, lists: &[TouchedList]) {
        touches.touched(tick, &mut lists.iter().copied());
    }

    #[test]
    fn a_list_waits_once_until_its_last_change_can_be_read() {
        let (waiting, touches) = waiting(10);
        waiting.reopen();
        touch(&touches, 5, &[user(1), user(2)]);
        touch(&touches, 7, &[user(1)]);
        assert_eq!(waiting.waiting(), (2, Some(5)));
        assert_eq!(waiting.take(4, 9), []);
        assert_eq!(waiting.take(5, 9), [user(1), user(2)]);
        waiting.written();
        assert_eq!(waiting.waiting(), (1, Some(7)), "the later change of the first waits on");
        assert_eq!(waiting.take(6, 9), []);
        assert_eq!(waiting.take(7, 9), [user(1)]);
        waiting.written();
        assert_eq!(waiting.waiting(), (0, None));
        touch(&touches, 8, &[TouchedList::Activity(Ids::new([0; 16]).user("1"))]);
        assert_eq!(waiting.waiting(), (0, None), "no list of this copier");
    }

    #[test]
    fn too_many_are_not_taken_and_the_comparison_is_late_enough_to_see_them() {
        let (waiting, touches) = waiting(2);
        touch(&touches, 3, &[user(1)]);
        assert!(waiting.has_overflowed(), "nothing waits before the first comparison");
        assert_eq!(waiting.reopen(), 3);
        touch(&touches, 8, &[user(1)]);
        touch(&touches, 9, &[user(2)]);
        assert!(!waiting.has_overflowed());
        touch(&touches, 6, &[user(3)]);
        assert!(waiting.has_overflowed());
        touch(&touches, 12, &[user(4)]);
        assert_eq!(waiting.reopen(), 12);
        touch(&touches, 20, &[user(4)]);
        assert_eq!(waiting.reopen(), 20);
        assert_eq!(waiting.waiting(), (3, Some(8)), "what was forgotten is not in the copy");
        waiting.compared(19);
        assert_eq!(waiting.waiting(), (1, Some(20)), "what waits is not forgotten without need");
        waiting.compared(20);
        assert_eq!(waiting.waiting(), (0, None));
        touch(&touches, 21, &[user(1), user(2), user(3), user(4)]);
        waiting.compared(20);
        assert_eq!(waiting.waiting(), (3, Some(20)), "too many waited while the others were compared");
        waiting.compared(21);
        assert_eq!(waiting.waiting().1, Some(21), "the change of the fourth was not taken");
    }

    #[test]
    fn what_is_taken_waits_until_it_is_written() {
        let (waiting, touches) = waiting(10);
        waiting.reopen();
        touch(&touches, 5, &[user(1), user(2)]);
        assert_eq!(waiting.take(5, 9), [user(1), user(2)]);
        assert_eq!(waiting.waiting(), (2, Some(5)));
        touch(&touches, 8, &[user(1), user(3)]);
        assert_eq!(waiting.waiting(), (3, Some(5)), "a list that changes again counts once");
        waiting.put_back();
        assert_eq!(waiting.waiting().0, 3, "the write failed");
        assert_eq!(waiting.reopen(), 8);
        assert_eq!(waiting.waiting().0, 3, "the comparison has just begun");
        waiting.compared(8);
        assert_eq!(waiting.waiting(), (0, None));
        touch(&touches, 9, &[user(1)]);
        assert_eq!(waiting.take(9, 9), [user(1)]);
        waiting.written();
        assert_eq!(waiting.waiting(), (0, None));
    }

    #[test]
    fn ids_are_held_while_their_lists_wait_and_not_for_ever() {
        let dictionary = Arc::new(Dictionary::new(Ids::new([0; 16])).remembering_users());
        let (waiting, touches) = waiting_of(10, &dictionary);
        waiting.reopen();
        let end_round = || dictionary.end_round().map(|round| round.end()).is_some();
        touch(&touches, 5, &[user(1)]);
        assert!(end_round() && !end_round(), "the list waits since before the last round");
        touch(&touches, 6, &[user(2)]);
        assert_eq!(waiting.take(5, 9), [user(1)]);
        assert!(end_round() && !end_round(), "the second list waits since then");
        touch(&touches, 7, &[user(3)]);
        assert_eq!(waiting.take(6, 9), [user(2)]);
        assert!(end_round(), "only the last one waits");
        assert_eq!(waiting.take(7, 9), [user(3)]);
        assert!(end_round() && end_round(), "nothing waits");
        for tick in 8..12 {
            touch(&touches, tick, &[user(1)]);
            assert!(end_round(), "a list that changes in every round waits since the last change only");
        }
        assert!(!end_round());
        waiting.compared(11);
        assert!(end_round(), "what was compared waits no more");
    }
}
