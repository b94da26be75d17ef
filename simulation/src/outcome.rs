//! The result of a run.

use std::ops::AddAssign;

/// The failure, and the number of operations before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The number of operations before the failure.
    pub after: usize,
    /// The observed state, and the correct one.
    pub what: String,
}

/// The statistics of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The number of compared ticks.
    pub ticks: usize,
    /// The number of these ticks at which the source skipped a table of the database.
    pub partial: usize,
    /// The number of compared ticks of states with repeats of events, with erased users, and with hidden products.
    pub repeats: usize,
    /// See [`Outcome::repeats`].
    pub erased: usize,
    /// See [`Outcome::repeats`].
    pub hidden: usize,
    /// The number of compared ticks of states in which a view has left its history because of its age.
    pub retired: usize,
    /// The number of comparisons of features before times of the past.
    pub joins: usize,
    /// The number of reads of the database's tables.
    pub readings: usize,
    /// The number of starts of the process.
    pub starts: usize,
    /// The number of starts that continued from a checkpoint.
    pub restores: usize,
    /// The number of full checkpoints, and of deltas.
    pub checkpoints: [usize; 2],
    /// The number of failed checkpoints.
    pub failed: usize,
    /// The number of cuts without a delta log because it overflowed.
    pub overflows: usize,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Outcome) {
        let Outcome { ticks, partial, repeats, erased, hidden, retired, joins, readings, .. } = other;
        let Outcome { starts, restores, checkpoints: [full, changes], failed, overflows, .. } = other;
        self.ticks += ticks;
        self.repeats += repeats;
        self.erased += erased;
        self.hidden += hidden;
        self.retired += retired;
        self.joins += joins;
        self.partial += partial;
        self.readings += readings;
        self.starts += starts;
        self.restores += restores;
        self.checkpoints = [self.checkpoints[0] + full, self.checkpoints[1] + changes];
        self.failed += failed;
        self.overflows += overflows;
    }
}
