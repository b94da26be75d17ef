//! The report on the shadow's lists.

use std::sync::Arc;

use dataflow::graph::ListId;
use dataflow::index_reader::{IndexReader, ReadView};
use dataflow::time::Time;
use recommend::shadow::{Difference, HitTotals, ListMaker, difference};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::answer::shadow::{Differences, ShadowReport};
use crate::app::ShadowLists;
use crate::problem::Problem;

/// Lists that differ and are named in a report at most.
const LISTS_MAX: usize = 50;

/// How often both sets are looked at again if a tick has closed between them.
const LOOKS_MAX: usize = 100;

/// The report that was made last. The lock is held while one is made, also if the request that asked for it is gone: requests
/// at one time share a report.
#[derive(Debug, Default)]
pub(crate) struct KeptReport(Arc<Mutex<Option<Made>>>);

/// A report, and of which tick it is.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    begun: Instant,
    /// The next one is begun at this time at the earliest.
    rest_until: Instant,
    pub(crate) tick: Time,
    pub(crate) report: Arc<ShadowReport>,
}

impl KeptReport {
    /// A report that was begun after the request came, so that it is not older than any answer that the client has had. Making
    /// it reads every best-seller list twice: it is done outside the serving threads, and for half of the time at most.
    pub(crate) async fn made(&self, live: &IndexReader, shadow: &ShadowLists) -> Result<Made, Problem> {
        let came = Instant::now();
        let mut kept = self.0.clone().lock_owned().await;
        if let Some(known) = &*kept {
            if known.begun >= came {
                return Ok(known.clone());
            }
            tokio::time::sleep_until(known.rest_until).await;
        }
        let (live, lists, hits) = (live.clone(), shadow.lists.reader.clone(), shadow.hits.clone());
        let making = tokio::task::spawn_blocking(move || kept.insert(make(&live, &lists, &hits.totals())).clone());
        making.await.map_err(|_| Problem::NotReady("the report was not made: the server is stopping".into()))
    }
}

fn make(live: &IndexReader, shadow: &IndexReader, totals: &HitTotals) -> Made {
    let begun = Instant::now();
    let (tick, found) = compare(live, shadow);
    let report = ShadowReport::new((live.rules(), shadow.rules()), found, totals, tick, live.dictionary());
    let ended = Instant::now();
    Made { begun, rest_until: ended + (ended - begun), tick, report: Arc::new(report) }
}

/// The differences of all best-seller lists, and the tick of which they are.
fn compare(live: &IndexReader, shadow: &IndexReader) -> (Time, Differences) {
    let k = live.rules().list_size.min(shadow.rules().list_size);
    let (of_shop, of_shadow) = views(live, shadow);
    let mut categories = of_shop.selling_categories();
    categories.extend(of_shadow.selling_categories());
    categories.sort_unstable();
    categories.dedup();
    let lists = std::iter::once(ListId::General).chain(categories.into_iter().map(ListId::Category));
    let mut found = Differences { k, compared: 0, equal: 0, overlaps: 0.0, lists: Vec::new() };
    for list in lists {
        let [one, other] = [&of_shop, &of_shadow].map(|view| ListMaker::best_sellers(view, list));
        let difference: Difference = difference(&one, &other, k);
        found.compared += 1;
        found.overlaps += difference.overlap;
        if difference.is_none() {
            found.equal += 1;
        } else {
            found.lists.push((list, difference));
        }
    }
    found.lists.sort_by(|one, other| one.1.overlap.total_cmp(&other.1.overlap).then(one.0.cmp(&other.0)));
    found.lists.truncate(LISTS_MAX);
    (of_shop.as_of().min(of_shadow.as_of()), found)
}

/// Views of both sets, of one time unless ticks close faster than they can be taken.
fn views<'a>(live: &'a IndexReader, shadow: &'a IndexReader) -> (ReadView<'a>, ReadView<'a>) {
    let mut views = (live.view_any(), shadow.view_any());
    for _ in 0..LOOKS_MAX {
        if views.0.as_of() == views.1.as_of() {
            break;
        }
        views = (live.view_any(), shadow.view_any());
    }
    views
}
