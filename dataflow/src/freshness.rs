//! Tracks up to which time each source has been heard, and from that the age of the lists made from it.
//!
//! ```text
//! tick        ─────┬──────────────┬──────────▶
//! source      live │ away         │ live
//! its lists   as of│ as of `until`│ as of the tick again, from `since` on
//! ```
//! Ticks continue while a source is away, so that the lists of the other sources stay fresh. The lists made from the
//! missing source stay as of the tick in which it stopped or was passed over. If the source may come back by itself,
//! its lists age only after a grace period of half a minute. Readers learn at once that a source is missing. A source
//! that is catching up and holds ticks back (see [`FeedProgress::reached`](crate::feed::FeedProgress::reached)) is not
//! away: the time of the tick is the time its records have reached.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::ArcSwap;

use crate::source_status::state::State;
use crate::time::{Millis, Time};

/// The kinds of input that lists are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InputKind {
    /// Views and removals.
    Views,
    /// Orders, their lines and the catalogue.
    Shop,
}

impl InputKind {
    /// Both kinds.
    pub const ALL: [InputKind; 2] = [InputKind::Views, InputKind::Shop];
}

/// Up to which tick a source, or all sources of a kind of input, have been heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct HeardUntil {
    /// States of ticks before `since` hold all records up to this tick.
    until: Time,
    /// States of this tick and of later ticks hold all records; `NEVER` while the source is away.
    since: Time,
}

/// How long a source that may come back by itself may be away before its lists age. Without this grace period, every
/// short interruption would give the lists of one page different times.
const FORGIVEN_MS: Millis = 30_000;

/// The time of an event that has not happened.
const NEVER: Time = Time::MAX;

impl HeardUntil {
    /// The source is no longer heard. `open` is the open tick; the lists age only `forgiven` milliseconds after it.
    fn lose(&mut self, open: Time, forgiven: Millis) {
        // A source that came back in this same tick is not visible yet.
        if self.since < open {
            self.until = open - 1 + forgiven;
        }
        self.since = NEVER;
    }

    /// The source is not heard, and its grace period ends now.
    fn give_up(&mut self, open: Time) {
        if self.is_away() {
            self.until = self.until.min(open.saturating_sub(1));
        } else {
            self.lose(open, 0);
        }
    }

    /// The source is heard again.
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

/// The state of one source.
#[derive(Clone, Debug, Default)]
struct Entry {
    kinds: Vec<InputKind>,
    heard: HeardUntil,
    /// The tick in which the source last reported to be live, and its state before.
    before: Option<(Time, HeardUntil)>,
    /// The source reports a failure.
    troubled: bool,
    /// No record of the source has ever been read.
    unmet: bool,
}

#[derive(Debug, Default)]
struct Known {
    sources: BTreeMap<&'static str, Entry>,
    /// The state of the other processes of a cluster, by kind of input.
    elsewhere: [HeardUntil; 2],
    /// The first tick with a known time; 0 before that tick.
    first: Time,
}

/// The age of the lists at one moment.
#[derive(Debug)]
pub struct Freshness {
    /// From this tick on, all sources are heard and none reports a failure.
    whole_from: Time,
    first: Time,
    /// By kind of input: the state of each source of this process, then the state of the other processes.
    heard: [Vec<HeardUntil>; 2],
    missing: [Option<Arc<str>>; 2],
    both: Option<Arc<str>>,
}

impl Freshness {
    /// Whether all sources are heard in the states of this tick, so that answers need no further information.
    #[must_use]
    pub fn is_whole(&self, tick: Time) -> bool {
        tick >= self.whole_from
    }

    /// Up to which time a list made from `kinds` holds all records, in the state of `tick`; `None` while no time is
    /// known, shortly after a first start.
    #[must_use]
    pub fn as_of(&self, tick: Time, kinds: &[InputKind]) -> Option<Time> {
        if self.first == 0 || tick < self.first {
            return None;
        }
        let heard = kinds.iter().flat_map(|kind| &self.heard[*kind as usize]);
        Some(heard.map(|heard| heard.at(tick)).min().unwrap_or(tick).max(self.first))
    }

    /// The names of the sources that a list made from `kinds` lacks, or that report a failure.
    #[must_use]
    pub fn missing(&self, kinds: &[InputKind]) -> Option<&Arc<str>> {
        match kinds {
            [kind] => self.missing[*kind as usize].as_ref(),
            _ => self.both.as_ref(),
        }
    }
}

/// Tracks the freshness of all sources; shared by the sources, the tick scheduler and the readers of one process.
#[derive(Debug)]
pub(crate) struct FreshnessTracker {
    known: Mutex<Known>,
    shown: ArcSwap<Freshness>,
}

impl Default for FreshnessTracker {
    fn default() -> Self {
        let known = Known::default();
        let shown = ArcSwap::from_pointee(known.freshness());
        FreshnessTracker { known: Mutex::new(known), shown }
    }
}

impl FreshnessTracker {
    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.known();
        change(&mut known);
        self.shown.store(Arc::new(known.freshness()));
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no holder of this lock can panic")
    }

    /// Declares which kinds of input the source with this name provides.
    pub(crate) fn gives(&self, name: &'static str, kinds: &[InputKind]) {
        self.change(|known| known.sources.entry(name).or_default().kinds = kinds.to_vec());
    }

    /// A source reports its state in the tick `open`; `was_live` says whether it was live before.
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
                // A source that has not been live yet is away only when it is passed over.
                (false, _) | (true, State::Live) => {}
                (true, _) => match entry.before.take() {
                    // The source failed in the same tick, or another part of it made its first report: no visible
                    // state shows that it was live.
                    Some((at, before)) if at == open && (before.is_away() || !troubled) => entry.heard = before,
                    _ => entry.heard.lose(open, FORGIVEN_MS),
                },
            }
        });
    }

    /// The source is away, and ticks do not wait for it.
    pub(crate) fn pass_over(&self, name: &'static str, open: Time) {
        let passed = |entry: &Entry| entry.heard.is_away() && entry.heard.until < open;
        let passed = self.known().sources.get(name).is_some_and(passed);
        if !passed {
            self.change(|known| known.sources.entry(name).or_default().heard.give_up(open));
        }
    }

    /// No process has read any record of the source yet.
    pub(crate) fn unmet(&self, name: &'static str) {
        self.change(|known| known.sources.entry(name).or_default().unmet = true);
    }

    /// The source answers, and ticks wait for its records.
    pub(crate) fn meet(&self, name: &'static str) {
        let unmet = self.known().sources.get(name).is_some_and(|entry| entry.unmet);
        if unmet {
            self.change(|known| known.sources.entry(name).or_default().unmet = false);
        }
    }

    /// Whether, for every source, records were read or ticks wait for them.
    pub(crate) fn has_met_all(&self) -> bool {
        !self.known().sources.values().any(|entry| entry.unmet)
    }

    /// `tick` is the first tick with a known time.
    pub(crate) fn begin(&self, tick: Time) {
        self.change(|known| known.first = if known.first == 0 { tick } else { known.first.min(tick) });
    }

    /// Up to which tick a source was heard, if it is away.
    pub(crate) fn until(&self, name: &str, open: Time) -> Option<Time> {
        let known = self.known();
        let entry = known.sources.get(name).filter(|entry| entry.heard.is_away() && !entry.kinds.is_empty());
        entry.map(|entry| entry.heard.at(open.saturating_sub(1)).max(known.first))
    }

    /// By kind of input, whether all sources of this process that provide it are heard.
    pub(crate) fn here(&self) -> [bool; 2] {
        let known = self.known();
        InputKind::ALL.map(|kind| !known.giving(kind).any(|entry| entry.heard.is_away()))
    }

    /// By kind of input, up to which time all its sources are heard in the state of `tick`, if one of them is away.
    pub(crate) fn at(&self, tick: Time) -> [Option<Time>; 2] {
        let shown = self.shown.load();
        InputKind::ALL.map(|kind| {
            let heard = &shown.heard[kind as usize];
            let is_away = heard.iter().any(|heard| heard.is_away());
            is_away.then(|| heard.iter().map(|heard| heard.at(tick)).min().unwrap_or(tick))
        })
    }

    /// For the leader: whether the other processes hear their sources from the tick `open` on, by kind of input.
    pub(crate) fn others(&self, heard: [bool; 2], open: Time) {
        let differs = |known: &Known| {
            InputKind::ALL.iter().any(|kind| known.elsewhere[*kind as usize].is_away() == heard[*kind as usize])
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

    /// For the other processes: takes the result of the leader's [`FreshnessTracker::at`].
    pub(crate) fn told(&self, tick: Time, heard: [Option<Time>; 2]) {
        let now = |before: HeardUntil, until: Option<Time>| match until {
            None => HeardUntil { since: before.since.min(tick), ..before },
            Some(until) => HeardUntil { until, since: NEVER },
        };
        let before = self.known().elsewhere;
        let after = [now(before[0], heard[0]), now(before[1], heard[1])];
        if before != after {
            self.change(|known| known.elsewhere = after);
        }
    }

    /// The current freshness.
    pub(crate) fn freshness(&self) -> arc_swap::Guard<Arc<Freshness>> {
        self.shown.load()
    }
}

impl Known {
    fn giving(&self, kind: InputKind) -> impl Iterator<Item = &Entry> {
        self.sources.values().filter(move |entry| entry.kinds.contains(&kind))
    }

    fn freshness(&self) -> Freshness {
        let heard = InputKind::ALL.map(|kind| {
            let here = self.giving(kind).map(|entry| entry.heard);
            here.chain([self.elsewhere[kind as usize]]).collect::<Vec<_>>()
        });
        let lacks = |kinds: &[InputKind]| {
            let away = |kind: &InputKind| self.elsewhere[*kind as usize].is_away();
            let lacks = |entry: &Entry| {
                let mut given = kinds.iter().filter(|kind| entry.kinds.contains(kind));
                given.clone().next().is_some() && (entry.heard.is_away() || entry.troubled || given.any(away))
            };
            let names: Vec<&str> =
                self.sources.iter().filter(|(_, entry)| lacks(entry)).map(|(name, _)| *name).collect();
            (!names.is_empty()).then(|| Arc::from(names.join(", ")))
        };
        let missing = InputKind::ALL.map(|kind| lacks(&[kind]));
        let both: Option<Arc<str>> = lacks(&InputKind::ALL);
        let since = heard.iter().flatten().map(|heard| heard.since).max().unwrap_or(0);
        let whole_from = if both.is_some() || self.first == 0 { NEVER } else { since.max(self.first) };
        Freshness { whole_from, first: self.first, heard, missing, both }
    }
}

#[cfg(test)]
mod tests;
