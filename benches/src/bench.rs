//! The benchmarks, one file each.

mod backfill;
mod bot;
mod churn;
mod co_views;
mod commit;
mod features;
mod freshness;
mod join;
mod links;
mod lookups;
mod memory;
mod push;
mod restart;
mod rules;
mod scale;
mod skew;
mod slide;
mod years;

use clap::ValueEnum;

use crate::context::Context;
use crate::figures::Figures;

pub(crate) use co_views::{CoViewsArgs, run_part as run_co_views};
pub(crate) use memory::{MemoryArgs, run_part};
pub(crate) use push::{ReadersArgs, run_part as run_readers};

/// Which benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// All views of a topic in Kafka, compared with a bare consumer that parses
    Backfill,
    /// The same with one worker and with two
    Scale,
    /// Histories over HTTP, idle and while events arrive, compared with a bare hyper
    Lookups,
    /// From a view's acknowledgement to the answer that shows it
    Freshness,
    /// From a PostgreSQL commit to the answer that shows it
    Commit,
    /// Bytes per (user, product) and per order line
    Memory,
    /// The window moves by a second, and by a day
    Slide,
    /// A user with a million products, compared with an ordinary user
    Bot,
    /// Half of all orders on one product
    Skew,
    /// Similar products and recommendations: their cost while views are read, and the time of an answer
    CoViews,
    /// A restart from a checkpoint, compared with reading the topic again; look-ups while checkpoints are taken
    Restart,
    /// Features: their cost and memory beside histories alone, their answers beside a bare hyper, and erasures
    Features,
    /// From a merchandising rule to the list that follows it
    Rules,
    /// Features just before the times of a million rows, compared with reading the topic twice
    Join,
    /// The link between two processes, encrypted and not
    Links,
    /// A thousand clients that follow lists while fifty lists a second change
    Push,
    /// Memory while the same rows change for half an hour; runs only if it is named
    Churn,
    /// Memory in the course of two years, on a clock that is set; runs only if it is named
    Years,
}

impl Name {
    /// The benchmarks that run by default.
    pub(crate) fn usual() -> Vec<Name> {
        Name::value_variants().iter().copied().filter(|name| ![Name::Churn, Name::Years].contains(name)).collect()
    }

    /// Whether it measures programs of any build, so that two builds can be compared. The other benchmarks run the graph in this
    /// process, or measure what an earlier build may lack.
    pub(crate) fn compares_builds(self) -> bool {
        use Name::{Backfill, Commit, Freshness, Lookups, Memory, Push, Restart, Scale};
        [Backfill, Scale, Lookups, Freshness, Commit, Memory, Push, Restart].contains(&self)
    }
}

/// Runs one benchmark.
pub(crate) fn run(name: Name, context: &Context, figures: &mut Figures) -> anyhow::Result<()> {
    match name {
        Name::Backfill => backfill::run(context, figures),
        Name::Scale => scale::run(context, figures),
        Name::Lookups => lookups::run(context, figures),
        Name::Freshness => freshness::run(context, figures),
        Name::Commit => commit::run(context, figures),
        Name::Memory => memory::run(context, figures),
        Name::Slide => slide::run(context, figures),
        Name::Bot => bot::run(context, figures),
        Name::Skew => skew::run(context, figures),
        Name::CoViews => co_views::run(context, figures),
        Name::Restart => restart::run(context, figures),
        Name::Features => features::run(context, figures),
        Name::Rules => rules::run(context, figures),
        Name::Join => join::run(context, figures),
        Name::Links => links::run(context, figures),
        Name::Push => push::run(context, figures),
        Name::Churn => churn::run(context, figures),
        Name::Years => years::run(context, figures),
    }
}
