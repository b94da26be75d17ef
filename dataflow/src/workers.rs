//! How timely runs the workers of one process.

use timely::Config;

use crate::trace::merging;

/// The configuration of `threads` threads, whose arrangements merge in idle steps of `idle_merge_effort` updates (see
/// [`merging`]).
#[must_use]
pub fn config(threads: usize, idle_merge_effort: usize) -> Config {
    let mut config = match threads {
        // A single worker needs no channels between threads.
        1 => Config::thread(),
        several => Config::process(several),
    };
    merging::configure(&mut config.worker, idle_merge_effort);
    config
}
