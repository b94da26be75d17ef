//! [`Leaving`]: when the batches of an arrangement end so that rows can leave it, and which rows do.

use differential_dataflow::ExchangeData;

use super::batch::ValBatch;
use super::batch::storable::Storable;
use super::erasing::{Erasing, Updates};
use super::retaining::Retaining;
use crate::ids::UserKey;
use crate::time::{Millis, Time};

/// What leaves an arrangement: what erasures cover, and what was too long ago, if there is a rule for that.
pub(super) struct Leaving<K, V, R> {
    erasing: Erasing<K, V, R>,
    retaining: Option<Retaining<K, R>>,
}

impl<K: ExchangeData, V: ExchangeData, R: ExchangeData + Storable> Leaving<K, V, R> {
    pub(super) fn new(erasing: Erasing<K, V, R>, retaining: Option<Retaining<K, R>>) -> Self {
        Leaving { erasing, retaining }
    }

    /// Takes an erasure that was given at `tick`.
    pub(super) fn hear(&mut self, user: UserKey, tick: Time, until: Millis) {
        self.erasing.hear(user, tick, until);
    }

    /// The first tick with an erasure whose batch is not made.
    pub(super) fn next_erasure(&self) -> Option<Time> {
        self.erasing.next()
    }

    /// Drops the updates that an erasure of an earlier tick covers, and takes note of the others. All erasures of the ticks before
    /// these updates must be heard.
    pub(super) fn admit(&mut self, updates: &mut Updates<K, V, R>) {
        self.erasing.leave_out(updates);
        if let Some(retaining) = &mut self.retaining {
            retaining.note(updates);
        }
    }

    /// Where the next batch must end, if that is not after `reached`: after the tick of an erasure, and before a day on which rows
    /// may leave. A closed input has no more days.
    pub(super) fn next_end(&self, reached: Time) -> Option<Time> {
        let erasure = self.erasing.next().filter(|tick| *tick < reached).map(|tick| tick + 1);
        let day = self.retaining.as_ref().filter(|_| reached < Time::MAX).and_then(Retaining::next);
        erasure.into_iter().chain(day.filter(|day| *day <= reached)).min()
    }

    /// Changes the updates of a batch that ends before `end`, none of which is before `time`, so that they take out what leaves.
    /// `held` returns all batches before it. Returns whether there is something that leaves.
    pub(super) fn take_out(
        &mut self,
        (time, end): (Time, Time),
        held: impl Fn() -> Vec<ValBatch<K, V, R>>,
        chain: &mut Vec<Updates<K, V, R>>,
    ) -> bool {
        let have_left = self.retaining.as_mut().is_some_and(|retaining| retaining.take_out(time, &held, chain));
        let erasure = self.erasing.next().filter(|tick| tick + 1 == end);
        erasure.is_some_and(|tick| self.erasing.take_out(tick, &held(), chain)) || have_left
    }

    /// The batch that ends before `end` is made.
    pub(super) fn pass(&mut self, end: Time) {
        if let Some(retaining) = &mut self.retaining {
            retaining.pass(end);
        }
    }
}
