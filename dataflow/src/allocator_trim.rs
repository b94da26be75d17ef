//! Returns unused memory to the system while the process is idle.
//!
//! Allocators keep freed pages for a while, and many check whether to release them only when large blocks are allocated
//! or freed. A worker that has merged its last batches frees the large ones and then needs none: the process of a quiet
//! shop would stay as large as at its busiest time.

use std::time::{Duration, Instant};

/// How often the allocator is made to trim.
const EVERY: Duration = Duration::from_secs(1);

/// Larger than a page, so that the allocator treats it as a large block. No byte of it is touched.
const PIECE_BYTES: usize = 4 << 20;

/// Makes the allocator of one thread trim from time to time.
pub(crate) struct AllocatorTrim(Instant);

impl AllocatorTrim {
    pub(crate) fn new() -> Self {
        AllocatorTrim(Instant::now())
    }

    /// Call this whenever there is no other work.
    pub(crate) fn rest(&mut self) {
        if self.0.elapsed() >= EVERY {
            self.0 = Instant::now();
            // `black_box` keeps the compiler from removing the allocation, which has no effect that it can see.
            drop(std::hint::black_box(Vec::<u8>::with_capacity(PIECE_BYTES)));
        }
    }
}
