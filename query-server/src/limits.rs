//! Counted places: how many waits and streams there are at a time, and how many bytes of bodies are held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of places, or of bytes, shared by all threads.
#[derive(Clone, Debug)]
pub(crate) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    taken: AtomicUsize,
    most: usize,
}

/// Taken places; given back when dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    places: Places,
    amount: usize,
}

impl Places {
    pub(crate) fn new(most: usize) -> Self {
        Places(Arc::new(Inner { taken: AtomicUsize::new(0), most }))
    }

    /// Takes one place, if one is free.
    pub(crate) fn take(&self) -> Option<Taken> {
        let mut taken = self.none();
        taken.grow(1).then_some(taken)
    }

    /// Nothing taken yet, to grow later.
    pub(crate) fn none(&self) -> Taken {
        Taken { places: self.clone(), amount: 0 }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }
}

impl Taken {
    /// Takes `more` in addition; false, and nothing changed, when there are not as many.
    pub(crate) fn grow(&mut self, more: usize) -> bool {
        let inner = &self.places.0;
        let fits = |taken: usize| taken.checked_add(more).filter(|sum| *sum <= inner.most);
        let grown = inner.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok();
        self.amount += if grown { more } else { 0 };
        grown
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.places.0.taken.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        let places = Places::new(2);
        let first = places.take().unwrap();
        let mut second = places.take().unwrap();
        assert!(places.take().is_none());
        assert!(!second.grow(1));
        drop(first);
        assert!(second.grow(1));
        drop(second);
        assert_eq!(places.taken(), 0);
        assert!(!places.none().grow(3));
        assert_eq!(places.taken(), 0);
    }
}
