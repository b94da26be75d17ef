//! `GET /v1/status`: the status of all parts in one object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::routing::on;
use bytes::Bytes;
use dataflow::graph::{BestSellers, ListId};
use dataflow::index_reader::{IndexReader, ReadView};
use dataflow::merchandising::{MerchList, RuleSet};
use hyper::{Response, StatusCode};

use super::rules::idle_pins;
use crate::answer::status::{IndexStatus, RulesStatus, SourceStatus, Status};
use crate::answer::{self, instant, online};
use crate::body::Body;
use crate::counters::RouteSums;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::metrics::memory;
use crate::operations::Operations;
use crate::readiness::unreadiness;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "status",
    paths: &["/v1/status"],
    owner: Owner::Receiver,
    operations: &[Operation {
        answers: &[Answer::json::<Status<'_>>(200, "The status of this moment")],
        route: Some(|method| on(method, status)),
        tag: Some("operations"),
        ..Operation::get(Scope::Read, "Sources, indexes, checkpoints, models and memory")
    }],
};

async fn status(State(operations): State<Arc<Operations>>) -> Response<Body> {
    answer::whole(StatusCode::OK, answer::JSON, text(&operations).await)
}

/// The status as JSON text.
pub(super) async fn text(operations: &Operations) -> Bytes {
    let app = &operations.app;
    let categories = operations.categories.names(&app.reader).await;
    let as_of = app.reader.view_any().as_of();
    let views = app.registry.snapshot();
    let reason = unreadiness(operations, &views, as_of);
    let mut dead_letters = BTreeMap::new();
    for (reason, letters) in views.iter().flat_map(|view| &view.rejected) {
        *dead_letters.entry(*reason).or_default() += letters;
    }
    let others = views.iter().flat_map(|view| view.ignored.values().chain(view.rejected.values()));
    let events_total = views.iter().map(|view| view.accepted).sum::<u64>() + others.sum::<u64>();
    let sizes = app.reader.index_sizes().into_iter();
    let status = Status {
        version: app.version,
        as_of: instant::text(as_of),
        as_of_ms: as_of,
        ready: reason.is_none(),
        reason,
        uptime_s: operations.started.elapsed().as_secs(),
        workers: app.workers,
        embedded: &app.embedded,
        sources: views.iter().map(SourceStatus::from).collect(),
        indexes: sizes.map(|(name, size)| (name, IndexStatus { rows: size.updates, batches: size.batches })).collect(),
        categories: &categories,
        events_total,
        dead_letters,
        checkpoint: app.checkpoints.as_ref().map(|last| last()),
        als: app.als.as_ref().map(|status| status()),
        content: app.content.as_ref().map(|status| status()),
        online: app.online.as_ref().map(|counts| online::status(counts, &app.reader).into()),
        archive: app.archive.as_ref().map(|status| status()),
        sinks: (app.sinks)(),
        rules: rules_status(operations),
        metadata_others: metadata_others(&app.reader),
        has_rows: app.store.is_some(),
        memory_bytes: memory::resident_bytes(),
        ticks_total: app.ticks.ticks(),
        requests_total: operations.request_sums().iter().map(RouteSums::requests).sum(),
    };
    serde_json::to_vec(&status).expect("the status is plain data").into()
}

/// By the name of the key.
fn metadata_others(reader: &IndexReader) -> BTreeMap<String, u64> {
    let others = reader.view_any().metadata_others().into_iter();
    others.map(|(key, events)| (key.as_str().to_owned(), events)).collect()
}

/// The most lists that are named.
const EMPTY_LISTS_MAX: usize = 50;

fn rules_status(operations: &Operations) -> RulesStatus {
    let reader = &operations.app.reader;
    let view = reader.view_any();
    let (book, idle) = (view.rule_book(), idle_pins(operations, &view));
    let effective = book.iter().filter(|(id, rule, _)| idle.reason(*id, rule).is_none()).count();
    let rules = book.len();
    let Some(set) = view.rule_set() else {
        return RulesStatus { rules, effective, hidden_products: 0, empty_lists: Vec::new() };
    };
    let mut rows = Vec::new();
    let empty = lists_of(&view, set).into_iter().filter(|list| {
        view.list::<BestSellers>(list, &mut rows);
        rows.is_empty()
    });
    let name = |list| match list {
        ListId::General => Some("bestsellers".to_owned()),
        ListId::Category(key) => reader.dictionary().category_name(key).map(|id| format!("category:{id}")),
    };
    let empty_lists = empty.filter_map(name).take(EMPTY_LISTS_MAX).collect();
    RulesStatus { rules, effective, hidden_products: set.off_lists().len(), empty_lists }
}

/// The best-seller lists that the rules are about: those with rules of their own, and those of hidden products.
fn lists_of(view: &ReadView<'_>, set: &RuleSet) -> BTreeSet<ListId> {
    let mut lists: BTreeSet<ListId> = set
        .lists()
        .filter_map(|list| match list {
            MerchList::BestSellers => Some(ListId::General),
            MerchList::Category(category) => Some(ListId::Category(category)),
            _ => None,
        })
        .collect();
    let mut categories = Vec::new();
    for product in set.off_lists() {
        lists.insert(ListId::General);
        view.categories_of(product, &mut categories);
        lists.extend(categories.iter().map(|(category, _)| ListId::Category(*category)));
    }
    lists
}
