//! The handle that ends a worker's wait.

use std::thread::Thread;

/// Ends a worker's wait; cheap to clone, callable from any thread.
#[derive(Clone, Debug)]
pub struct Waker(Thread);

impl Waker {
    /// A waker of the calling thread.
    #[must_use]
    pub fn of_this_thread() -> Self {
        Waker(std::thread::current())
    }

    /// Ends the worker's current or next wait.
    pub fn wake(&self) {
        self.0.unpark();
    }
}
