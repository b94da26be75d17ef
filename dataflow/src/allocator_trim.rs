//! Memory that is not needed any more goes back to the system though nothing happens.
//!
//! Allocators keep freed pages for a while, and many look whether that is over only when large pieces come and go. A
//! worker that has merged its last batches frees the large ones and then has no use for any: a quiet shop's process would
//! stay as large as it was at its busiest.

use std::time::{Duration, Instant};

/// How often there is an airing.
const EVERY: Duration = Duration::from_secs(1);

/// Large enough to be no piece of a page; not a byte of it is touched.
const PIECE_BYTES: usize = 4 << 20;

/// Airs the allocator of one thread from time to time.
pub(crate) struct AllocatorTrim(Instant);

impl AllocatorTrim {
    pub(crate) fn new() -> Self {
        AllocatorTrim(Instant::now())
    }

    /// To be called whenever there is nothing else to do.
    pub(crate) fn rest(&mut self) {
        if self.0.elapsed() >= EVERY {
            self.0 = Instant::now();
            // Not to be left out for having no effect that a compiler can see.
            drop(std::hint::black_box(Vec::<u8>::with_capacity(PIECE_BYTES)));
        }
    }
}
