//! `GET /v1/status`: how everything is doing, in one object.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;

use super::Reply;
use super::health::unreadiness;
use crate::answer::status::{Index, Status};
use crate::answer::{self, instant};
use crate::metrics::counters::Sums;
use crate::metrics::memory;
use crate::shared::Shared;

/// Categories named at most.
const CATEGORIES_MAX: usize = 50;

/// Naming the categories looks at every list, so it is done at most this often, and beside the serving threads.
const CATEGORIES_EVERY: Duration = Duration::from_secs(1);

/// The categories that had best sellers when they were last looked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Categories {
    at: Option<Instant>,
    names: Arc<[String]>,
}

/// Answers with the status of this moment.
pub(crate) fn answer(shared: &Arc<Shared>) -> Reply {
    let shared = shared.clone();
    Reply::Later(Box::pin(async move { Ok(answer::whole(StatusCode::OK, answer::JSON, text(&shared).await)) }))
}

/// The status as JSON text.
pub(crate) async fn text(shared: &Arc<Shared>) -> Bytes {
    let categories = categories(shared).await;
    let app = &shared.app;
    let as_of = app.reader.view_any().as_of();
    let views = app.registry.snapshot();
    let reason = unreadiness(shared, &views, as_of);
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
        uptime_s: shared.started.elapsed().as_secs(),
        workers: app.workers,
        embedded: &app.embedded,
        sources: views.iter().map(Into::into).collect(),
        indexes: sizes.map(|(name, size)| (name, Index { rows: size.updates, batches: size.batches })).collect(),
        categories: &categories,
        events_total,
        dead_letters,
        checkpoint: app.checkpoints.as_ref().map(|last| last()),
        memory_bytes: memory::resident_bytes(),
        ticks_total: app.ticks.ticks(),
        requests_total: sums(shared).requests(),
    };
    serde_json::to_vec(&status).expect("the status is plain data").into()
}

/// All threads' counters.
pub(crate) fn sums(shared: &Shared) -> Sums {
    let mut sums = Sums::default();
    shared.counters.iter().for_each(|counters| counters.add_to(&mut sums));
    sums
}

async fn categories(shared: &Arc<Shared>) -> Arc<[String]> {
    let known = shared.categories.lock().expect("no holder of this lock can panic").clone();
    if known.at.is_some_and(|at| at.elapsed() < CATEGORIES_EVERY) {
        return known.names;
    }
    let looking = shared.clone();
    let Ok(names) = tokio::task::spawn_blocking(move || look_for_categories(&looking)).await else {
        return known.names;
    };
    let fresh = Categories { at: Some(Instant::now()), names };
    *shared.categories.lock().expect("no holder of this lock can panic") = fresh.clone();
    fresh.names
}

fn look_for_categories(shared: &Shared) -> Arc<[String]> {
    let reader = &shared.app.reader;
    let keys = reader.view_any().selling_categories();
    let names = keys.into_iter().filter_map(|key| reader.dictionary().category_name(key));
    let mut names: Vec<String> = names.take(CATEGORIES_MAX).map(|name| name.to_string()).collect();
    names.sort_unstable();
    names.into()
}
