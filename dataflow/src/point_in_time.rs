//! The features of users at many times of the past, in one pass over the records.
//!
//! ```text
//! asks, by time ─┬▶ for each time: the records before it ─▶ SteppedGraph, which closes a tick ┐ some thousands of
//!                │                                                                            ┘ times, published together
//!                └▶ for each ask: the features as of the tick before its time ─▶ take
//! ```
//! A tick has no event of after it (see [`ReplaySource`]), and an ask is answered as of the tick before its time, in
//! milliseconds. So no value comes from an event at the time of the ask or later. The values do not depend on how many times
//! are published together: the published rows keep the tick of each update until the next publication.

use crate::ids::UserKey;
use crate::index_reader::UserFeatures;
use crate::replay::{Failure, ReplaySource};
use crate::stepped::SteppedGraph;
use crate::time::{Millis, Time};

/// How much is published together, which affects only speed and memory.
#[derive(Clone, Copy, Debug)]
pub struct Together {
    /// The most times.
    pub times: usize,
    /// About the most records.
    pub records: usize,
}

impl Default for Together {
    fn default() -> Self {
        Together { times: 4096, records: 1 << 17 }
    }
}

/// Records that a source gives between two steps of the graph.
const BATCH: usize = 16_384;

/// A question for a user's features just before a time.
#[derive(Clone, Copy, Debug)]
pub struct Ask<T> {
    /// The time.
    pub at: Millis,
    /// The user.
    pub user: UserKey,
    /// Whatever tells the asks apart.
    pub tag: T,
}

/// Sorts the asks by time, and calls `take` with each and the features just before its time. Sums over products are made
/// only if `sums` says so. The graph must be new, with features on.
///
/// # Errors
/// When a source fails, or `take` does.
pub fn features_before<T>(
    graph: &mut SteppedGraph,
    sources: &mut [Box<dyn ReplaySource>],
    (asks, sums): (&mut [Ask<T>], bool),
    together: Together,
    mut take: impl FnMut(&Ask<T>, &UserFeatures) -> Result<(), Failure>,
) -> Result<(), Failure> {
    asks.sort_unstable_by_key(|ask| ask.at);
    let mut left = &asks[..];
    while !left.is_empty() {
        let (mut asked, mut times, mut records) = (0, 0, 0);
        while asked < left.len() && times < together.times && records < together.records {
            let step = left[asked].at.saturating_sub(1);
            if step >= graph.tick() {
                records += give_by_day(graph, sources, step)?;
                graph.advance_to(step + 1);
                times += 1;
            }
            asked += 1;
        }
        graph.settle();
        let (now, later) = left.split_at(asked);
        for ask in now {
            let view = graph.reader().view_as_of(ask.user, ask.at.saturating_sub(1));
            let view = view.expect("the ticks since the publication before are told apart");
            take(ask, &view.features(ask.user, sums.then(|| graph.reader().attributes())))?;
        }
        left = later;
    }
    Ok(())
}

/// Gives all records up to the step, each to a tick that was opened on its day if features are dropped in the course of time;
/// returns how many.
fn give_by_day(graph: &mut SteppedGraph, sources: &mut [Box<dyn ReplaySource>], step: Time) -> Result<usize, Failure> {
    let (features, mut records) = (graph.reader().rules().features, 0);
    while let Some(day) = features.next_day(graph.tick()).filter(|day| *day <= step) {
        records += give_until(graph, sources, day - 1)?;
        graph.advance_to(day);
    }
    Ok(records + give_until(graph, sources, step)?)
}

/// Gives all records up to the step to the open tick; returns how many.
fn give_until(graph: &mut SteppedGraph, sources: &mut [Box<dyn ReplaySource>], step: Time) -> Result<usize, Failure> {
    let mut records = 0;
    for source in sources {
        loop {
            let went = source.feed(graph.inputs(), step, BATCH)?;
            records += went.records;
            if went.reached {
                break;
            }
            graph.step(went.records == 0);
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
