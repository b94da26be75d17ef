//! The features of users at many times of the past, in one pass over the records.
//!
//! ```text
//! asks, by time ─▶ for each time: the records before it, in a tick of that time ─▶ graph of features ┐ until there are enough
//!                                                                                                    ┘ records: published
//! asks of these times, by user and time ─▶ the user's rows, read once ─▶ features as of the tick before each time ─▶ take
//! ```
//! A tick has no event of after it (see [`ReplaySource`]), and an ask is answered as of the tick before its time, in
//! milliseconds. So no value comes from an event at the time of the ask or later. The values do not depend on how many times
//! are published together: the published rows keep the tick of each update until the next publication.
//!
//! # What it costs
//! Only the tables and indexes of features are built ([`SteppedGraph::of_features`]). The ticks of a publication are begun within
//! one open tick: each update gets its own time, and the graph sees them all at once, so that a time of an ask costs next to
//! nothing. The asks of a publication are answered user by user ([`FeatureWalk`](crate::index_reader::FeatureWalk)): each costs as
//! much as what happened since the user's ask before, also for a user with very many events.
//!
//! # What is held
//! The rows that features are made from, as a server holds them; the asks; the records since the last publication, about
//! [`Together::records`] of them, but at least those of an hour in which more happens; and while the asks of a user are answered,
//! the user's rows.

use crate::ids::{ProductKey, UserKey};
use crate::index_reader::{UserFeatures, Wanted};
use crate::replay::{Failure, ReplaySource};
use crate::rules::DAY_MS;
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
        Together { times: 1 << 17, records: 1 << 17 }
    }
}

/// Records that a source gives between two steps of the graph.
const BATCH: usize = 16_384;

/// A tick begins at least so often while there are records, so that many of them can be published before the next ask.
const HOUR_MS: Millis = 60 * 60 * 1000;

/// A question for a user's features just before a time.
#[derive(Clone, Copy, Debug)]
pub struct Ask<T> {
    /// The time.
    pub at: Millis,
    /// The user.
    pub user: UserKey,
    /// The product that is asked for if not all are; [`ProductKey::NONE`] if there is none.
    pub product: ProductKey,
    /// Whatever tells the asks apart.
    pub tag: T,
}

/// Sorts the asks, and calls `take` with each and the features just before its time; asks of later times come later, as far as
/// they are not published together. The graph must be new, and made by [`SteppedGraph::of_features`].
///
/// # Errors
/// When a source fails, or `take` does.
pub fn features_before<T>(
    graph: &mut SteppedGraph,
    sources: &mut [Box<dyn ReplaySource>],
    (asks, wanted): (&mut [Ask<T>], Wanted),
    together: Together,
    mut take: impl FnMut(&Ask<T>, &UserFeatures) -> Result<(), Failure>,
) -> Result<(), Failure> {
    asks.sort_unstable_by_key(|ask| ask.at);
    let mut left = asks;
    let mut pass = Pass { graph, sources, together, is_busy: false };
    while !left.is_empty() {
        let reached = pass.publish_next(left)?;
        let (now, later) = left.split_at_mut(reached);
        answer(pass.graph, now, wanted, &mut take)?;
        left = later;
    }
    Ok(())
}

/// The last tick that an ask sees.
fn step_of<T>(ask: &Ask<T>) -> Time {
    ask.at.saturating_sub(1)
}

/// Answers asks whose times are published.
fn answer<T>(
    graph: &SteppedGraph,
    asks: &mut [Ask<T>],
    wanted: Wanted,
    take: &mut impl FnMut(&Ask<T>, &UserFeatures) -> Result<(), Failure>,
) -> Result<(), Failure> {
    asks.sort_unstable_by_key(|ask| (ask.user, ask.at));
    let walks = graph.reader().feature_walks(wanted);
    for of_user in asks.chunk_by(|one, next| one.user == next.user) {
        let times = (step_of(&of_user[0]), step_of(&of_user[of_user.len() - 1]));
        let walk = walks.of(of_user[0].user, times);
        let mut walk = walk.expect("the ticks since the publication before are told apart");
        for ask in of_user {
            take(ask, walk.as_of(step_of(ask), ask.product))?;
        }
    }
    Ok(())
}

/// The pass over the records.
struct Pass<'a> {
    graph: &'a mut SteppedGraph,
    sources: &'a mut [Box<dyn ReplaySource>],
    together: Together,
    /// Whether there were records lately.
    is_busy: bool,
}

impl Pass<'_> {
    /// Gives the records before the first asks, which are in the order of their times, and publishes; returns the number of these
    /// asks. There may be none if there are many records before the next one.
    fn publish_next<T>(&mut self, asks: &[Ask<T>]) -> Result<usize, Failure> {
        let (together, mut reached, mut times, mut records) = (self.together, 0, 0, 0);
        while let Some(ask) = asks.get(reached) {
            if self.graph.tick() > step_of(ask) {
                reached += 1;
                continue;
            }
            if times >= together.times || records >= together.records {
                break;
            }
            let end = self.end_of_part().min(step_of(ask));
            let given = self.give_until(end)?;
            self.is_busy = given > 0;
            self.graph.begin_tick(end + 1);
            // Parts in which nothing happens need not be told apart from each other: a graph begins with many of them.
            times += usize::from(given > 0 || end == step_of(ask));
            records += given;
        }
        if times > 0 {
            self.graph.close_begun();
        }
        self.graph.settle();
        Ok(reached)
    }

    /// The end of the hour of the open tick, or of the day while nothing happens. A tick is always opened on the day of the events
    /// that are given in it, as it was on that day: features are dropped at the beginning of days.
    fn end_of_part(&self) -> Time {
        let part = if self.is_busy { HOUR_MS } else { DAY_MS };
        (self.graph.tick() / part + 1) * part - 1
    }

    /// Gives all records up to the step; returns how many.
    fn give_until(&mut self, step: Time) -> Result<usize, Failure> {
        let mut records = 0;
        for source in &mut *self.sources {
            loop {
                let went = source.feed(self.graph.inputs(), step, BATCH)?;
                records += went.records;
                if went.reached {
                    break;
                }
                self.graph.step(went.records == 0);
            }
        }
        Ok(records)
    }
}
