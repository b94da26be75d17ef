//! Counts by variant, source and version of the model, and the rate of hits by the hour.

use std::collections::{BTreeMap, VecDeque};

use dataflow::source_status::Signal;
use dataflow::time::Millis;

use super::LedTo;
use super::shown::ShownRow;
use crate::source_name::SourceName;
use crate::variant::Variant;

/// Versions of a model that are counted separately for each variant and source; older ones are forgotten.
const MODELS_MAX: usize = 4;

const HOUR_MS: Millis = 60 * 60 * 1000;
const HOURS_OF_DAY: usize = 24;

/// A day now, and the seven days before.
const HOURS_MAX: usize = 9 * HOURS_OF_DAY;

/// Answers below which a rate says nothing.
const RATE_ANSWERS_MIN: u64 = 100;

/// The answers of a variant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AnswerCounts {
    pub(super) answers: u64,
    /// Those of which a product was viewed, clicked or put into the cart.
    pub(super) answers_hit: u64,
    /// Those of which a product was bought.
    pub(super) answers_converted: u64,
}

/// Outcomes of the products that one source recommended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceCounts {
    /// The variant.
    pub variant: Variant,
    /// The source.
    pub source: SourceName,
    /// The version of the model; 0 for a source without versions.
    pub model: u64,
    /// Products shown.
    pub shown: u64,
    /// Those that were viewed, clicked or put into the cart.
    pub hits: u64,
    /// Those that were bought.
    pub conversions: u64,
}

#[derive(Default)]
pub(super) struct Counts {
    variants: [AnswerCounts; 2],
    /// The answers for a user. Every other answer is in variant A, whatever the test says.
    of_users: [AnswerCounts; 2],
    /// By variant, source and version.
    sources: BTreeMap<(Variant, u8, u64), SourceCounts>,
}

impl Counts {
    /// Counts an answer. `is_for_user`: a user was known.
    pub(super) fn shown(&mut self, variant: Variant, is_for_user: bool, rows: &[ShownRow]) {
        self.variants[variant as usize].answers += 1;
        self.of_users[variant as usize].answers += u64::from(is_for_user);
        for row in rows {
            self.of(variant, row.source, row.model).shown += 1;
        }
    }

    pub(super) fn led_to(&mut self, signal: Signal, found: &LedTo) {
        let is_first = u64::from(found.is_first);
        let tallies = [Some(&mut self.variants), found.is_for_user.then_some(&mut self.of_users)];
        for of_variant in tallies.into_iter().flatten().map(|tally| &mut tally[found.variant as usize]) {
            match signal {
                Signal::Interest => of_variant.answers_hit += is_first,
                Signal::Purchase => of_variant.answers_converted += is_first,
            }
        }
        let counts = self.of(found.variant, found.source, found.model);
        match signal {
            Signal::Interest => counts.hits += 1,
            Signal::Purchase => counts.conversions += 1,
        }
    }

    fn of(&mut self, variant: Variant, source: SourceName, model: u64) -> &mut SourceCounts {
        let key = (variant, source as u8, model);
        let versions = || self.sources.range((variant, source as u8, 0)..=(variant, source as u8, u64::MAX));
        if !self.sources.contains_key(&key) && versions().count() >= MODELS_MAX {
            let oldest = versions().next().map(|(key, _)| *key);
            oldest.map(|key| self.sources.remove(&key));
        }
        let none = SourceCounts { variant, source, model, shown: 0, hits: 0, conversions: 0 };
        self.sources.entry(key).or_insert(none)
    }

    pub(super) fn of_variant(&self, variant: Variant) -> AnswerCounts {
        self.variants[variant as usize]
    }

    /// The answers for users of this variant: what the test compares.
    pub(super) fn of_users(&self, variant: Variant) -> AnswerCounts {
        self.of_users[variant as usize]
    }

    pub(super) fn of_sources(&self) -> impl Iterator<Item = SourceCounts> + '_ {
        self.sources.values().copied()
    }
}

/// Answers, and answers that were hit, by the hour in which they were shown.
#[derive(Default)]
pub(super) struct Hours(VecDeque<(Millis, u64, u64)>);

/// The shares of answers that were hit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct HitRates {
    /// In the newest whole day in which every hit has had its time.
    pub(super) day: Option<f64>,
    /// In the seven days before.
    pub(super) week_before: Option<f64>,
}

impl Hours {
    pub(super) fn shown(&mut self, at: Millis) {
        let hour = at / HOUR_MS;
        if self.0.back().is_none_or(|(last, ..)| *last < hour) {
            self.0.push_back((hour, 0, 0));
            if self.0.len() > HOURS_MAX {
                self.0.pop_front();
            }
        }
        if let Some((_, answers, _)) = self.0.back_mut() {
            *answers += 1;
        }
    }

    pub(super) fn hit(&mut self, shown_at: Millis) {
        let hour = shown_at / HOUR_MS;
        if let Some((_, _, hits)) = self.0.iter_mut().rev().find(|(other, ..)| *other == hour) {
            *hits += 1;
        }
    }

    pub(super) fn rates(&self, now: Millis, hit_max: Millis) -> HitRates {
        let end = now.saturating_sub(hit_max) / HOUR_MS;
        let day = end.saturating_sub(HOURS_OF_DAY as Millis);
        let week = day.saturating_sub(7 * HOURS_OF_DAY as Millis);
        HitRates { day: self.rate(day, end), week_before: self.rate(week, day) }
    }

    fn rate(&self, from: Millis, to: Millis) -> Option<f64> {
        let within = self.0.iter().filter(|(hour, ..)| (from..to).contains(hour));
        let (answers, hits) = within.fold((0, 0), |(answers, hits), hour| (answers + hour.1, hits + hour.2));
        (answers >= RATE_ANSWERS_MIN).then(|| hits as f64 / answers as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_of_the_last_day_and_of_the_week_before() {
        let (mut hours, hit_max) = (Hours::default(), HOUR_MS / 2);
        let mut shown = |hour: Millis, answers: u64, hits: u64| {
            (0..answers).for_each(|_| hours.shown(hour * HOUR_MS + 7));
            (0..hits).for_each(|_| hours.hit(hour * HOUR_MS + 9));
        };
        shown(10, 1000, 999);
        shown(20, 100, 50);
        shown(170, 100, 30);
        shown(190, 100, 25);
        shown(213, 100, 15);
        shown(214, 500, 0);
        // Hours 190 to 213 are the day, 22 to 189 the week before it. Answers of 214 may still be hit.
        let rates = hours.rates(214 * HOUR_MS + hit_max, hit_max);
        assert_eq!(rates, HitRates { day: Some(0.2), week_before: Some(0.3) });
        assert_eq!(Hours::default().rates(214 * HOUR_MS, hit_max), HitRates::default());
    }

    #[test]
    fn old_hours_and_old_versions_are_forgotten() {
        let mut hours = Hours::default();
        (0..1000).for_each(|hour| hours.shown(hour * HOUR_MS));
        assert_eq!(hours.0.len(), HOURS_MAX);
        hours.hit(3 * HOUR_MS);
        assert!(hours.0.iter().all(|(_, answers, hits)| (*answers, *hits) == (1, 0)));
        let mut counts = Counts::default();
        (1..=9).for_each(|model| counts.of(Variant::A, SourceName::Als, model).shown += 1);
        counts.of(Variant::A, SourceName::CoViews, 0).shown += 1;
        let models: Vec<u64> = counts.of_sources().map(|counts| counts.model).collect();
        assert_eq!(models, [0, 6, 7, 8, 9]);
    }
}
