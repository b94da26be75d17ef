//! What was injected, and what differed afterwards: a line a fault, and one at the end.

use std::fmt;
use std::time::Instant;

/// Differences told of one fault.
const TOLD_MAX: usize = 12;

/// Counts faults, and those after which something differed.
pub(crate) struct Report {
    name: &'static str,
    of_name: usize,
    faults: usize,
    differing: usize,
    start: Instant,
}

impl Default for Report {
    fn default() -> Report {
        Report { name: "", of_name: 0, faults: 0, differing: 0, start: Instant::now() }
    }
}

impl Report {
    /// From now on faults are of this name.
    pub(crate) fn begin(&mut self, name: &'static str) {
        (self.name, self.of_name) = (name, 0);
    }

    /// Tells one fault with what was done and seen.
    pub(crate) fn fault(&mut self, what: &str, differences: Vec<String>) {
        self.of_name += 1;
        self.faults += 1;
        let (name, number, at_s) = (self.name, self.of_name, self.start.elapsed().as_secs());
        let found = if differences.is_empty() { "as it should be" } else { "DIFFERS" };
        println!("{at_s:5} s  {name} {number}: {what}: {found}");
        if !differences.is_empty() {
            self.differing += 1;
            differences.iter().take(TOLD_MAX).for_each(|difference| println!("         - {difference}"));
            if differences.len() > TOLD_MAX {
                println!("         - and {} more", differences.len() - TOLD_MAX);
            }
        }
    }

    /// Tells why a fault cannot be injected here. It is not counted.
    pub(crate) fn skip(&self, why: &str) {
        println!("{:5} s  {}: left out: {why}", self.start.elapsed().as_secs(), self.name);
    }

    /// Faults after which something differed.
    pub(crate) fn differing(&self) -> usize {
        self.differing
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} faults, {} differ", self.faults, self.differing)
    }
}
