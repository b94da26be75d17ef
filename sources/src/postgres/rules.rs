//! The table of merchandising rules, which the shop's staff or another program writes.
//!
//! ```text
//!  thread: SELECT ─▶ rows ─▶ rules ─▶ difference to the rules read before ─▶ Feed ─▶ Inputs (worker 0)
//!            ▲         └──▶ dead letters                                │
//!            └────────────────── a pause ◀───────────────────────────────┘
//! ```
//! - **A source of its own**: the table is small and is read whole, whichever way orders are read. It needs no key and no
//!   publication, and may be a view. Its rules show within [`RuleTable::refresh`](super::RuleTable) of their commit.
//! - **Ids**: the rule of the row `advent` has the id `table.advent`, so that it is no rule of the API or of a topic.
//! - **Versions**: a rule that has changed gets the service time of the reading, and so does the deletion of a rule whose row is
//!   gone or has become wrong. An unchanged rule keeps its version.
//! - **Restart**: the rules of a checkpoint are those read before. Without one, the first reading gives all rules; ticks wait
//!   until the first attempt to read has ended, so that no list is shown without them.
//! - **Errors**: a wrong row goes to the dead letters. While the table cannot be read, the rules stay as they are.

mod changes;
mod feed;
mod query;
mod reader;
mod row;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataflow::dictionary::Dictionary;
use dataflow::feed::{Feed, WorkerContext};
use dataflow::ids::Ids;
use dataflow::merchandising::{RuleId, RuleVersion};
use dataflow::source_status::{SourceRegistry, SourceStatus, State};
use dataflow::time::ServiceClock;
use events::DeadLetterSender;
use postgres::GenericClient;

use super::names::{self, RuleTable};
use super::session::connection::Target;
use super::{Settings, SettingsError};
use row::decode;

pub use query::ReadError;

/// The name of the source in the registry.
pub const NAME: &str = "rules";

/// The rules of one table.
pub struct Source {
    table: RuleTable,
    /// The zone of times that are stored without one; none: that of the session.
    zone: Option<String>,
    target: Target,
    backoff_max: Duration,
    clock: Arc<dyn ServiceClock>,
    status: Arc<SourceStatus>,
    letters: DeadLetterSender,
    /// Taken when the feed is opened.
    resumed: Mutex<Vec<(RuleId, RuleVersion)>>,
}

impl Source {
    /// A source that is not connected yet; none if the settings name no table. `resumed`: the rules that are in the graph
    /// already; those of other origins are not touched.
    ///
    /// # Errors
    /// When the connection string or a name cannot be used.
    pub fn new(
        settings: &Settings,
        clock: Arc<dyn ServiceClock>,
        status: &SourceRegistry,
        letters: DeadLetterSender,
        resumed: Vec<(RuleId, RuleVersion)>,
    ) -> Result<Option<Source>, SettingsError> {
        let table = settings.rules.clone();
        let Some(name) = &table.name else { return Ok(None) };
        names::check_rules(name, &table)?;
        let status = status.source(NAME);
        status.state(0, State::CatchingUp);
        Ok(Some(Source {
            table,
            zone: settings.tables.orders.time_zone.clone(),
            target: settings.target()?,
            backoff_max: settings.backoff_max,
            clock,
            status,
            letters,
            resumed: Mutex::new(resumed),
        }))
    }

    /// Starts to read, for worker 0; the other workers get the rules through the graph. The reading ends when the feed is
    /// dropped.
    #[must_use]
    pub fn open(&self, worker: &WorkerContext) -> Option<Box<dyn Feed>> {
        (worker.index == 0).then(|| Box::new(feed::RulesFeed::open(self, worker)) as Box<dyn Feed>)
    }
}

/// What a table of rules holds, for `vitrine check`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesReport {
    /// The number of rules.
    pub rules: usize,
    /// Why rows are no rules, each reason once.
    pub refused: Vec<String>,
}

/// Reads the table as the source would, and changes nothing; none if the settings name no table.
///
/// # Errors
/// When the table cannot be read.
pub fn inspect(client: &mut impl GenericClient, settings: &Settings) -> Result<Option<RulesReport>, ReadError> {
    let Some(name) = &settings.rules.name else { return Ok(None) };
    let zone = settings.tables.orders.time_zone.as_deref();
    let rows = query::read(client, name, &settings.rules, zone)?;
    let read = decode(&rows, &settings.rules, &Dictionary::new(Ids::new([0; 16])));
    let mut refused: Vec<String> = read.refused.into_iter().map(|(_, refusal)| refusal.detail).collect();
    refused.sort_unstable();
    refused.dedup();
    Ok(Some(RulesReport { rules: read.rules.len(), refused }))
}
