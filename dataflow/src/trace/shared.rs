//! [`Shared`]: an immutable batch behind an `Arc`, with the traits that a spine requires.
//!
//! The traits are foreign and so is `Arc`, so this crate needs its own type. It delegates every call; its only addition
//! is that a clone may leave the worker's thread.

pub mod cursor;

use std::ops::Deref;
use std::sync::Arc;

use differential_dataflow::trace::cursor::Navigable;
use differential_dataflow::trace::{Batch, BatchReader, Builder, Description, Merger};
use timely::progress::Antichain;
use timely::progress::frontier::AntichainRef;

use self::cursor::SharedCursor;

/// A batch that any thread may hold and read.
pub struct Shared<B>(Arc<B>);

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<B> Deref for Shared<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.0
    }
}

impl<B: BatchReader> BatchReader for Shared<B> {
    type Time = B::Time;

    fn len(&self) -> usize {
        self.0.len()
    }

    fn description(&self) -> &Description<Self::Time> {
        self.0.description()
    }
}

impl<B: BatchReader + Navigable> Navigable for Shared<B> {
    type Cursor = SharedCursor<B::Cursor>;

    fn cursor(&self) -> Self::Cursor {
        SharedCursor::new(self.0.cursor())
    }
}

impl<B: Batch> Batch for Shared<B> {
    type Merger = SharedMerger<B>;

    fn empty(lower: Antichain<Self::Time>, upper: Antichain<Self::Time>) -> Self {
        Shared(Arc::new(B::empty(lower, upper)))
    }
}

/// Merges two shared batches into one.
pub struct SharedMerger<B: Batch>(B::Merger);

impl<B: Batch> Merger<Shared<B>> for SharedMerger<B> {
    fn new(first: &Shared<B>, second: &Shared<B>, compaction: AntichainRef<'_, B::Time>) -> Self {
        SharedMerger(first.0.begin_merge(&second.0, compaction))
    }

    fn work(&mut self, first: &Shared<B>, second: &Shared<B>, fuel: &mut isize) {
        self.0.work(&first.0, &second.0, fuel);
    }

    fn done(self) -> Shared<B> {
        Shared(Arc::new(self.0.done()))
    }
}

/// Builds a shared batch from ordered updates.
pub struct SharedBuilder<Bu>(Bu);

impl<Bu: Builder> Builder for SharedBuilder<Bu> {
    type Input = Bu::Input;
    type Time = Bu::Time;
    type Output = Shared<Bu::Output>;

    fn with_capacity(keys: usize, vals: usize, updates: usize) -> Self {
        SharedBuilder(Bu::with_capacity(keys, vals, updates))
    }

    fn push(&mut self, chunk: &mut Self::Input) {
        self.0.push(chunk);
    }

    fn done(self, description: Description<Self::Time>) -> Self::Output {
        Shared(Arc::new(self.0.done(description)))
    }

    fn seal(chain: &mut Vec<Self::Input>, description: Description<Self::Time>) -> Self::Output {
        Shared(Arc::new(Bu::seal(chain, description)))
    }
}
