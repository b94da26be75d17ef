//! The lists that have changed and wait to be copied: each once, and at most so many.
//!
//! ```text
//! tick of the change ─▶ is the list waiting? ─┬ no  ─▶ it waits behind the others
//!                                             └ yes ─▶ its tick is raised: the latest state is copied
//! too many ─▶ no more are taken, and everything has to be compared
//! ```

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflow::graph::{TouchOutlet, TouchedList};
use dataflow::time::Time;

use super::settings::CopiedLists;

/// The lists that wait for one copier.
pub struct WaitingLists {
    lists: Vec<CopiedLists>,
    max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whether lists are taken; else everything is going to be compared.
    is_open: bool,
    order: VecDeque<TouchedList>,
    ticks: HashMap<TouchedList, Ticks>,
    /// The latest tick of a change so far.
    latest: Time,
}

/// The ticks of the first and of the last change of a list that waits.
struct Ticks {
    first: Time,
    last: Time,
}

impl WaitingLists {
    /// At most `max` lists, of those that `lists` names. None waits before [`WaitingLists::restart`].
    #[must_use]
    pub fn new(lists: &[CopiedLists], max: usize) -> Self {
        WaitingLists { lists: lists.to_vec(), max, state: Mutex::default() }
    }

    /// Forgets what waits, and takes lists from now on. Returns the earliest time as of which everything has to be read, so
    /// that no change is missed.
    pub fn restart(&self) -> Time {
        let mut state = self.state();
        state.is_open = true;
        let (latest, forgotten) = (state.latest, (std::mem::take(&mut state.order), std::mem::take(&mut state.ticks)));
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
    /// changed later waits on.
    pub fn take(&self, as_of: Time, max: usize) -> Vec<TouchedList> {
        let mut state = self.state();
        let mut taken = Vec::new();
        // A list that waits on goes to the end, where it is not looked at again.
        for _ in 0..state.order.len().min(max) {
            let Some(list) = state.order.front().copied().filter(|list| state.ticks[list].first <= as_of) else {
                break;
            };
            state.order.pop_front();
            let last = state.ticks[&list].last;
            if last > as_of {
                state.ticks.insert(list, Ticks { first: last, last });
                state.order.push_back(list);
            } else {
                state.ticks.remove(&list);
            }
            taken.push(list);
        }
        taken
    }

    /// How many lists wait, and the tick of the change that waits longest.
    #[must_use]
    pub fn waiting(&self) -> (usize, Option<Time>) {
        let state = self.state();
        (state.order.len(), state.order.front().map(|list| state.ticks[list].first))
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
    fn add(&mut self, list: TouchedList, tick: Time, max: usize) {
        if !self.is_open {
            return;
        }
        match self.ticks.entry(list) {
            Entry::Occupied(mut waiting) => waiting.get_mut().last = tick.max(waiting.get().last),
            Entry::Vacant(new) => {
                new.insert(Ticks { first: tick, last: tick });
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
        for list in lists {
            for (copier, state) in copiers.iter_mut().filter(|(copier, _)| copier.wants(list)) {
                state.add(list, tick, copier.max);
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
        let waiting = Arc::new(WaitingLists::new(&[CopiedLists::Histories], max));
        (waiting.clone(), Touches::new(vec![waiting]))
    }

    fn touch(touches: &Touches, tick: Time, lists: &[TouchedList]) {
        touches.touched(tick, &mut lists.iter().copied());
    }

    #[test]
    fn a_list_waits_once_until_its_last_change_can_be_read() {
        let (waiting, touches) = waiting(10);
        waiting.restart();
        touch(&touches, 5, &[user(1), user(2)]);
        touch(&touches, 7, &[user(1)]);
        assert_eq!(waiting.waiting(), (2, Some(5)));
        assert_eq!(waiting.take(4, 9), []);
        assert_eq!(waiting.take(5, 9), [user(1), user(2)]);
        assert_eq!(waiting.waiting(), (1, Some(7)), "the later change of the first waits on");
        assert_eq!(waiting.take(6, 9), []);
        assert_eq!(waiting.take(7, 9), [user(1)]);
        assert_eq!(waiting.waiting(), (0, None));
        touch(&touches, 8, &[TouchedList::Activity(Ids::new([0; 16]).user("1"))]);
        assert_eq!(waiting.waiting(), (0, None), "no list of this copier");
    }

    #[test]
    fn too_many_are_not_taken_and_the_comparison_is_late_enough_to_see_them() {
        let (waiting, touches) = waiting(2);
        touch(&touches, 3, &[user(1)]);
        assert!(waiting.has_overflowed(), "nothing waits before the first comparison");
        assert_eq!(waiting.restart(), 3);
        touch(&touches, 8, &[user(1)]);
        touch(&touches, 9, &[user(2)]);
        assert!(!waiting.has_overflowed());
        touch(&touches, 6, &[user(3)]);
        assert!(waiting.has_overflowed());
        touch(&touches, 12, &[user(4)]);
        assert_eq!(waiting.restart(), 12);
        touch(&touches, 20, &[user(4)]);
        assert_eq!(waiting.restart(), 20, "a restart forgets what waits");
    }
}
