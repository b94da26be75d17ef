//! Up to which time each source has been heard, and so how old the lists are that are made of it.
//!
//! ```text
//! tick        ─────┬──────────────┬──────────▶
//! source      live │ away         │ live
//! its lists   as of│ as of `until`│ as of the tick again, from `since` on
//! ```
//! Ticks go on while a source is away, so that the others' lists stay fresh. What is made of it stays as of the tick in which
//! it stopped or was passed over; where it may come back by itself, half a minute is forgiven. That something is missing is
//! told at once. A source that catches up and holds ticks back (see [`FeedProgress::reached`](crate::feed::FeedProgress::reached)) is not away:
//! the tick says itself how far it has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;

use crate::source_status::state::State;
use crate::time::{Millis, Time};

/// What lists are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Views and removals.
    Views,
    /// Orders, their lines and the catalogue.
    Shop,
}

impl Part {
    /// Both.
    pub const ALL: [Part; 2] = [Part::Views, Part::Shop];
}

/// Up to which tick something has been heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Heard {
    /// States of ticks before `since` hold what there was at this one.
    until: Time,
    /// States of this tick and later ones hold everything; `NEVER` while it is away.
    since: Time,
}

/// So long a source may be away before its lists age, if it may come back by itself. Else every hiccup would have the lists
/// of one page be of different times.
const FORGIVEN_MS: Millis = 30_000;

/// Of something that has not happened.
const NEVER: Time = Time::MAX;

impl Heard {
    /// It is not heard any more; `open` is the tick that is open, so much time after it is forgiven.
    fn lose(&mut self, open: Time, forgiven: Millis) {
        // What came back in this very tick has not shown yet.
        if self.since < open {
            self.until = open - 1 + forgiven;
        }
        self.since = NEVER;
    }

    /// It is not heard, and nothing is forgiven from now on.
    fn give_up(&mut self, open: Time) {
        if self.is_away() {
            self.until = self.until.min(open.saturating_sub(1));
        } else {
            self.lose(open, 0);
        }
    }

    /// It is heard again.
    fn regain(&mut self, open: Time) {
        self.since = self.since.min(open);
    }

    fn is_away(self) -> bool {
        self.since == NEVER
    }

    fn at(self, tick: Time) -> Time {
        if tick >= self.since { tick } else { tick.min(self.until) }
    }
}

/// What is known of one source.
#[derive(Clone, Debug, Default)]
struct Entry {
    parts: Vec<Part>,
    heard: Heard,
    /// When it was last said to be live, and what was known of it before.
    before: Option<(Time, Heard)>,
    /// It says that something is wrong.
    troubled: bool,
    /// Nothing of it has ever been read.
    unmet: bool,
}

#[derive(Debug, Default)]
struct Known {
    sources: BTreeMap<&'static str, Entry>,
    /// Of the other processes of a cluster, by part.
    elsewhere: [Heard; 2],
    /// The first tick whose time says something; 0 before.
    first: Time,
}

/// How old lists are, at one moment.
#[derive(Debug)]
pub struct Freshness {
    /// From this tick on all there is is heard, and nothing is wrong.
    whole_from: Time,
    first: Time,
    /// By part, and what the other processes say of it.
    heard: [Vec<Heard>; 2],
    missing: [Option<Arc<str>>; 2],
    both: Option<Arc<str>>,
}

impl Freshness {
    /// Whether nothing has to be said of states of this tick: all sources are heard.
    #[must_use]
    pub fn is_whole(&self, tick: Time) -> bool {
        tick >= self.whole_from
    }

    /// Up to which time a list that is made of `parts` holds everything, in the state of `tick`; none while no time can be
    /// told at all, shortly after a first start.
    #[must_use]
    pub fn as_of(&self, tick: Time, parts: &[Part]) -> Option<Time> {
        if self.first == 0 || tick < self.first {
            return None;
        }
        let heard = parts.iter().flat_map(|part| &self.heard[*part as usize]);
        Some(heard.map(|heard| heard.at(tick)).min().unwrap_or(tick).max(self.first))
    }

    /// The names of the sources that a list of `parts` lacks, or of which something is wrong.
    #[must_use]
    pub fn missing(&self, parts: &[Part]) -> Option<&Arc<str>> {
        match parts {
            [part] => self.missing[*part as usize].as_ref(),
            _ => self.both.as_ref(),
        }
    }
}

/// Everything that is known of it, shared by the sources, the pace and the readers of one process.
#[derive(Debug)]
pub(crate) struct Hearing {
    known: Mutex<Known>,
    shown: ArcSwap<Freshness>,
}

impl Default for Hearing {
    fn default() -> Self {
        let known = Known::default();
        let shown = ArcSwap::from_pointee(known.freshness());
        Hearing { known: Mutex::new(known), shown }
    }
}

impl Hearing {
    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known();
        change(&mut known);
        self.shown.store(Arc::new(known.freshness()));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no holder of this lock can panic")
    }

    /// Lists of these parts are made of what the source with this name gives.
    pub(crate) fn gives(&self, name: &'static str, parts: &[Part]) {
        self.change(|known| known.sources.entry(name).or_default().parts = parts.to_vec());
    }

    /// A source says in the tick `open` how it is doing; before that it was live, or not.
    pub(crate) fn hear(&self, name: &'static str, open: Time, was_live: bool, state: &State) {
        self.change(|known| {
            let entry = known.sources.entry(name).or_default();
            let troubled = matches!(state, State::Retrying(_) | State::Stopped(_));
            entry.troubled = troubled;
            match (was_live, state) {
                (false, State::Live) => {
                    entry.before = Some((open, entry.heard));
                    entry.heard.regain(open);
                    entry.unmet = false;
                }
                (_, State::Stopped(_)) => entry.heard.give_up(open),
                // One that has not been live yet is away only when it is passed over.
                (false, _) | (true, State::Live) => {}
                (true, _) => match entry.before.take() {
                    // It went at once, or another part of it has begun to speak: nothing has shown that it was live.
                    Some((at, before)) if at == open && (before.is_away() || !troubled) => entry.heard = before,
                    _ => entry.heard.lose(open, FORGIVEN_MS),
                },
            }
        });
    }

    /// Ticks do not wait for a source that is away.
    pub(crate) fn pass_over(&self, name: &'static str, open: Time) {
        let passed = |entry: &Entry| entry.heard.is_away() && entry.heard.until < open;
        let passed = self.known().sources.get(name).is_some_and(passed);
        if !passed {
            self.change(|known| known.sources.entry(name).or_default().heard.give_up(open));
        }
    }

    /// Nothing of the source has been read yet, by any process.
    pub(crate) fn unmet(&self, name: &'static str) {
        self.change(|known| known.sources.entry(name).or_default().unmet = true);
    }

    /// The source answers, and its records are waited for.
    pub(crate) fn meet(&self, name: &'static str) {
        let unmet = self.known().sources.get(name).is_some_and(|entry| entry.unmet);
        if unmet {
            self.change(|known| known.sources.entry(name).or_default().unmet = false);
        }
    }

    /// Whether something of every source was read, or is waited for.
    pub(crate) fn has_met_all(&self) -> bool {
        !self.known().sources.values().any(|entry| entry.unmet)
    }

    /// `tick` is the first one whose time says something.
    pub(crate) fn begin(&self, tick: Time) {
        self.change(|known| known.first = if known.first == 0 { tick } else { known.first.min(tick) });
    }

    /// Up to which tick a source was heard, where it is away.
    pub(crate) fn until(&self, name: &str, open: Time) -> Option<Time> {
        let known = self.known();
        let entry = known.sources.get(name).filter(|entry| entry.heard.is_away() && !entry.parts.is_empty());
        entry.map(|entry| entry.heard.at(open.saturating_sub(1)).max(known.first))
    }

    /// Whether the sources of this process that give a part are heard, by part.
    pub(crate) fn here(&self) -> [bool; 2] {
        let known = self.known();
        Part::ALL.map(|part| !known.giving(part).any(|entry| entry.heard.is_away()))
    }

    /// By part, up to which time everything is heard in the state of `tick`, if something is away.
    pub(crate) fn at(&self, tick: Time) -> [Option<Time>; 2] {
        let shown = self.shown.load();
        Part::ALL.map(|part| {
            let heard = &shown.heard[part as usize];
            let is_away = heard.iter().any(|heard| heard.is_away());
            is_away.then(|| heard.iter().map(|heard| heard.at(tick)).min().unwrap_or(tick))
        })
    }

    /// For the leader: whether the other processes hear their sources, by part, from the tick `open` on.
    pub(crate) fn others(&self, heard: [bool; 2], open: Time) {
        let differs = |known: &Known| {
            Part::ALL.iter().any(|part| known.elsewhere[*part as usize].is_away() == heard[*part as usize])
        };
        if differs(&self.known()) {
            self.change(|known| {
                for (heard, elsewhere) in heard.into_iter().zip(&mut known.elsewhere) {
                    match heard {
                        true => elsewhere.regain(open),
                        false if !elsewhere.is_away() => elsewhere.lose(open, FORGIVEN_MS),
                        false => {}
                    }
                }
            });
        }
    }

    /// For the others: the leader says what [`Hearing::at`] told it.
    pub(crate) fn told(&self, tick: Time, heard: [Option<Time>; 2]) {
        let now = |before: Heard, until: Option<Time>| match until {
            None => Heard { since: before.since.min(tick), ..before },
            Some(until) => Heard { until, since: NEVER },
        };
        let before = self.known().elsewhere;
        let after = [now(before[0], heard[0]), now(before[1], heard[1])];
        if before != after {
            self.change(|known| known.elsewhere = after);
        }
    }

    /// As of now.
    pub(crate) fn freshness(&self) -> arc_swap::Guard<Arc<Freshness>> {
        self.shown.load()
    }
}

impl Known {
    fn giving(&self, part: Part) -> impl Iterator<Item = &Entry> {
        self.sources.values().filter(move |entry| entry.parts.contains(&part))
    }

    fn freshness(&self) -> Freshness {
        let heard = Part::ALL.map(|part| {
            let here = self.giving(part).map(|entry| entry.heard);
            here.chain([self.elsewhere[part as usize]]).collect::<Vec<_>>()
        });
        let lacks = |parts: &[Part]| {
            let away = |part: &Part| self.elsewhere[*part as usize].is_away();
            let lacks = |entry: &Entry| {
                let mut given = parts.iter().filter(|part| entry.parts.contains(part));
                given.clone().next().is_some() && (entry.heard.is_away() || entry.troubled || given.any(away))
            };
            let names: Vec<&str> =
                self.sources.iter().filter(|(_, entry)| lacks(entry)).map(|(name, _)| *name).collect();
            (!names.is_empty()).then(|| Arc::from(names.join(", ")))
        };
        let missing = Part::ALL.map(|part| lacks(&[part]));
        let both: Option<Arc<str>> = lacks(&Part::ALL);
        let since = heard.iter().flatten().map(|heard| heard.since).max().unwrap_or(0);
        let whole_from = if both.is_some() || self.first == 0 { NEVER } else { since.max(self.first) };
        Freshness { whole_from, first: self.first, heard, missing, both }
    }
}

#[cfg(test)]
mod tests;
