//! The report: one line per fault with the differences found afterwards, and a summary line.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Differences told of one fault.
const TOLD_MAX: usize = 12;

/// Counts faults of all kinds, and those after which something differed.
pub(crate) struct Tally {
    faults: AtomicUsize,
    differing: AtomicUsize,
    /// Kinds that could not be tried.
    left_out: Mutex<BTreeSet<&'static str>>,
    start: Instant,
}

/// Tells the faults of one kind, beside others.
pub(crate) struct Report {
    name: &'static str,
    of_name: usize,
    tally: Arc<Tally>,
}

impl Tally {
    pub(crate) fn start() -> Arc<Tally> {
        Arc::new(Tally {
            faults: AtomicUsize::new(0),
            differing: AtomicUsize::new(0),
            left_out: Mutex::default(),
            start: Instant::now(),
        })
    }

    /// Faults after which something differed.
    pub(crate) fn differing(&self) -> usize {
        self.differing.load(Ordering::Relaxed)
    }

    /// Kinds that could not be tried here.
    pub(crate) fn left_out(&self) -> Vec<&'static str> {
        self.left_out.lock().expect("no holder of this lock panics").iter().copied().collect()
    }
}

impl Report {
    pub(crate) fn new(name: &'static str, tally: Arc<Tally>) -> Report {
        Report { name, of_name: 0, tally }
    }

    /// Tells one fault with what was done and seen.
    pub(crate) fn fault(&mut self, what: &str, differences: Vec<String>) {
        self.of_name += 1;
        self.tally.faults.fetch_add(1, Ordering::Relaxed);
        let found = if differences.is_empty() { "as it should be" } else { "DIFFERS" };
        let mut told = format!("{what}: {found}");
        if !differences.is_empty() {
            self.tally.differing.fetch_add(1, Ordering::Relaxed);
            differences.iter().take(TOLD_MAX).for_each(|difference| told += &format!("\n         - {difference}"));
            if differences.len() > TOLD_MAX {
                told += &format!("\n         - and {} more", differences.len() - TOLD_MAX);
            }
        }
        self.tell(&format!("{} {}: {told}", self.name, self.of_name));
    }

    /// Tells why a fault cannot be injected here. It is not counted.
    pub(crate) fn skip(&self, why: &str) {
        self.tally.left_out.lock().expect("no holder of this lock panics").insert(self.name);
        self.tell(&format!("{}: left out: {why}", self.name));
    }

    /// In one piece, as other kinds tell theirs at the same time.
    fn tell(&self, what: &str) {
        println!("{:5} s  {what}", self.tally.start.elapsed().as_secs());
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} faults, {} differ", self.faults.load(Ordering::Relaxed), self.differing())
    }
}
