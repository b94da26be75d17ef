//! The archive as the beginning of what is read: each partition in the order of its offsets.
//!
//! ```text
//! replay:  listed at its start, and   ─▶ Archived    ┐
//!          again when a file is gone                 ├─▶ reading: a thread a partition ─▶ records
//! server:  listed whenever it is asked ─▶ LiveArchive ┘
//! ```

mod lists;
mod live;
mod reading;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use dataflow::feed::Waker;
use sources::kafka::past::{Past, PastError, PastOffsets, PastRecords};
use sources::kafka::upstream::PartitionId;

use crate::chain::{Chain, Segment, Survey};
use crate::settings::{Gaps, Settings};
use crate::store::{Store, StoreError};

use lists::{ListOfPartition, SharedList};
use reading::Lists;

pub use live::LiveArchive;

/// An archive as it is when it is opened. Files may be merged meanwhile.
pub struct Archived {
    store: Arc<dyn Store>,
    list: Arc<SharedList>,
    gaps: Gaps,
}

impl Archived {
    /// Surveys the archive.
    ///
    /// # Errors
    /// When the store does not answer.
    pub fn open(store: Arc<dyn Store>, settings: &Settings) -> Result<Archived, StoreError> {
        let list = Arc::new(SharedList::open(store.clone())?);
        Ok(Archived { store, list, gaps: settings.gaps })
    }
}

impl Past for Archived {
    fn offsets(&self, id: &PartitionId, _: i64) -> Result<Option<PastOffsets>, PastError> {
        offsets(self.list.latest().survey.chains.get(id))
    }

    fn allows_gaps(&self) -> bool {
        self.gaps == Gaps::Skip
    }

    fn open(&self, id: &PartitionId, offsets: Range<i64>, waker: &Waker) -> Box<dyn PastRecords> {
        let list = ListOfPartition::new(id.clone(), self.list.clone());
        reading::open(self.store.clone(), list.segments(), offsets, waker, Lists::MadeHere(list))
    }
}

/// The offsets of a chain, if it can be read.
fn offsets(chain: Option<&Chain>) -> Result<Option<PastOffsets>, PastError> {
    let Some(chain) = chain else { return Ok(None) };
    if let Some(range) = chain.overlaps().first() {
        let reason = format!("it has the offsets {} to {} several times", range.start(), range.end());
        return Err(PastError::Unreadable(reason));
    }
    let missing = chain.missing().into_iter().map(|range| *range.start()..*range.end() + 1).collect();
    let first = chain.segments.first().map(|segment| segment.first);
    Ok(first.zip(chain.next()).map(|(first, next)| PastOffsets { range: first..next, missing }))
}

fn segments(survey: &Survey, id: &PartitionId) -> Vec<Segment> {
    survey.chains.get(id).map(|chain| chain.segments.clone()).unwrap_or_default()
}
