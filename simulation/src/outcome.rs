//! What a run comes to.

use std::ops::AddAssign;

/// What was wrong, and after how many operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Operations until then.
    pub after: usize,
    /// What was seen, and what is right.
    pub what: String,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Ticks that were compared.
    pub ticks: usize,
    /// Ticks among them at which a table of the database was passed over.
    pub partial: usize,
    /// Readings of the database's tables.
    pub readings: usize,
    /// Starts of the process.
    pub starts: usize,
    /// Starts that went on from a checkpoint.
    pub restores: usize,
    /// Checkpoints of everything, and of changes.
    pub checkpoints: [usize; 2],
    /// Checkpoints that failed.
    pub failed: usize,
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Outcome) {
        let Outcome { ticks, partial, readings, starts, restores, checkpoints: [full, changes], failed } = other;
        self.ticks += ticks;
        self.partial += partial;
        self.readings += readings;
        self.starts += starts;
        self.restores += restores;
        self.checkpoints = [self.checkpoints[0] + full, self.checkpoints[1] + changes];
        self.failed += failed;
    }
}
