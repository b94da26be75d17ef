//! The status of all parts in one object, for people and for the page.

use std::collections::BTreeMap;

use dataflow::source_status::{Lines, SourceView, State};
use serde::Serialize;
use utoipa::ToSchema;

use super::online::OnlineCounts;
use crate::app::{AlsStatus, ArchiveStatus, ContentStatus, LastCheckpoint, SinkStatus};

/// The answer of `/v1/status`, and each event of `/v1/stream`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Status<'a> {
    pub(crate) version: &'a str,
    pub(crate) as_of: String,
    pub(crate) as_of_ms: u64,
    pub(crate) ready: bool,
    pub(crate) reason: Option<String>,
    pub(crate) uptime_s: u64,
    pub(crate) workers: usize,
    pub(crate) embedded: &'a [String],
    pub(crate) sources: Vec<SourceStatus<'a>>,
    pub(crate) indexes: BTreeMap<&'static str, IndexStatus>,
    pub(crate) categories: &'a [String],
    pub(crate) events_total: u64,
    pub(crate) dead_letters: BTreeMap<&'static str, u64>,
    pub(crate) checkpoint: Option<LastCheckpoint>,
    /// Null if no factor model is used.
    pub(crate) als: Option<AlsStatus>,
    /// Null if content vectors are not used.
    pub(crate) content: Option<ContentStatus>,
    /// What became of recommendations; null if it is not counted.
    pub(crate) online: Option<OnlineCounts>,
    /// Null if there is no archive.
    pub(crate) archive: Option<ArchiveStatus>,
    /// The copies of lists in other services.
    pub(crate) sinks: Vec<SinkStatus>,
    pub(crate) rules: RulesStatus,
    /// Events that count as `other` in the feature `user_metadata` because of their value, by the key of metadata.
    pub(crate) metadata_others: BTreeMap<String, u64>,
    /// Whether products, categories, users and purchases can be read here, and written if the store allows it.
    pub(crate) has_rows: bool,
    pub(crate) memory_bytes: u64,
    pub(crate) ticks_total: u64,
    pub(crate) requests_total: u64,
}

/// One source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceStatus<'a> {
    name: &'static str,
    state: &'static str,
    reason: Option<&'a str>,
    /// The time up to which the lists hold this source's data, while the source is away.
    heard_until: Option<String>,
    accepted: u64,
    ignored: &'a BTreeMap<&'static str, u64>,
    rejected: &'a BTreeMap<&'static str, u64>,
    partitions: Vec<PartitionStatus<'a>>,
    /// Absent for sources that hold no order lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    lines_without_order: Option<u64>,
    /// A hint for a person, although the source works.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct PartitionStatus<'a> {
    stream: &'a str,
    partition: i32,
    next: i64,
    end: i64,
    lag: i64,
}

/// The merchandising rules.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RulesStatus {
    /// How many there are.
    pub(crate) rules: usize,
    /// How many of them are effective, as `GET /v1/rules` says.
    pub(crate) effective: usize,
    /// How many products are on no list because of them.
    pub(crate) hidden_products: usize,
    /// Best-seller lists that have no product, of those that the rules are about: `bestsellers`, or `category:` and the id.
    /// At most 50.
    pub(crate) empty_lists: Vec<String>,
}

/// One published index.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IndexStatus {
    /// The number of updates, which equals the number of rows once they are merged.
    pub(crate) rows: usize,
    pub(crate) batches: usize,
}

/// A state's name, and its reason if it has one.
pub(crate) fn state(state: &State) -> (&'static str, Option<&str>) {
    match state {
        State::CatchingUp => ("catching_up", None),
        State::Live => ("live", None),
        State::Retrying(reason) => ("retrying", Some(reason)),
        State::Stopped(reason) => ("stopped", Some(reason)),
    }
}

/// A hint if most lines find no order: lines and orders probably write their ids differently.
fn note(Lines { held, without_order }: Lines) -> Option<String> {
    (without_order > held / 2).then(|| {
        format!(
            "{without_order} of {held} order lines have no order with their id and count in no list: compare the ids of \
             orders with those of their lines"
        )
    })
}

impl<'a> From<&'a SourceView> for SourceStatus<'a> {
    fn from(view: &'a SourceView) -> Self {
        let (state, reason) = state(&view.state);
        let partitions = view.partitions.iter().map(|((stream, partition), progress)| PartitionStatus {
            stream,
            partition: *partition,
            next: progress.next,
            end: progress.end,
            lag: progress.lag(),
        });
        SourceStatus {
            name: view.name,
            state,
            reason: reason.or(view.note.as_deref()),
            heard_until: view.heard_until.map(super::instant::text),
            accepted: view.accepted,
            ignored: &view.ignored,
            rejected: &view.rejected,
            partitions: partitions.collect(),
            lines_without_order: view.lines.map(|lines| lines.without_order),
            note: view.lines.and_then(note),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflow::source_status::SourceRegistry;

    #[test]
    fn lines_without_an_order_are_shown_and_most_of_them_are_worth_a_note() {
        let registry = SourceRegistry::default();
        let source = |lines: Option<Lines>| {
            lines.into_iter().for_each(|lines| registry.source("postgres").lines(lines));
            registry.source("postgres").state(0, State::Live);
            serde_json::to_value(SourceStatus::from(&registry.snapshot()[0])).expect("plain data")
        };
        let none = source(None);
        assert!(none.get("lines_without_order").is_none() && none.get("note").is_none());
        let few = source(Some(Lines { held: 10, without_order: 5 }));
        assert!(few["lines_without_order"] == 5 && few.get("note").is_none());
        let most = source(Some(Lines { held: 10, without_order: 6 }));
        assert!(most["lines_without_order"] == 6 && most["state"] == "live");
        assert!(most["note"].as_str().is_some_and(|note| note.contains("6 of 10 order lines have no order")));
    }
}
