//! The whole graph on one screen: from the inputs to the published indexes.
//!
//! ```text
//! stamps ────────────────▶ history ──────────────────────────────▶ history index (with the owner of the user)
//! orders ─┐
//! lines ──┴▶ purchases ─▶ window ─▶ buyers ─┬▶ ranks ─▶ first k ─▶ best sellers (every worker)
//! marks ───────────────────▲                │
//! catalogue ────────────────────────────────┴────────────────────▶ catalogue, categories (every worker)
//! names ─────────────────────────────────────────────────────────▶ dictionary of every process
//! ```

pub mod bestsellers;
pub mod buyers;
pub mod catalogue;
pub mod changes;
pub mod history;
pub mod names;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use timely::dataflow::Scope;
use timely::dataflow::operators::vec::{Broadcast, Map};

use crate::cluster::ClusterControl;
use crate::cut::Cuts;
use crate::cut::base::BaseTraces;
use crate::dictionary::Dictionary;
use crate::inputs::Inputs;
use crate::publish::Traces;
use crate::rules::Rules;
use crate::time::Time;

pub use changes::{Change, ChangeOutlet, Changed};

/// What the graph is built with, the same in every worker.
#[derive(Clone)]
pub struct Plan {
    /// The business numbers.
    pub rules: Rules,
    /// From ids to keys.
    pub dictionary: Arc<Dictionary>,
    /// Counts order lines that had left the window when they arrived.
    pub late_lines: Arc<AtomicU64>,
    /// Where every list's changes go, if anywhere.
    pub changes: Option<ChangeOutlet>,
    /// Where cuts are handed in, if they are taken.
    pub cuts: Option<Arc<Cuts>>,
}

/// Builds the graph in one worker: its inputs, and the traces to publish. `talk` is with other processes, if there are any.
pub(crate) fn build(scope: Scope<'_, Time>, plan: &Plan, control: Option<&ClusterControl>) -> (Inputs, Traces) {
    let (inputs, given) = Inputs::new(scope, plan.dictionary.clone(), control.is_some());
    let names = names::learn(given.names, plan.dictionary.clone());
    let mut marks = given.marks.inner.map(|(mark, _, _)| mark).broadcast();
    if let (Some(control), Some(told)) = (control, given.told) {
        marks = control.follow(marks);
        control.hear_reports(told.reports);
        control.hear_noted(told.noted);
        control.hear_names(names);
    }
    let now = marks.map(|mark| mark.now);
    let history = history::lists(given.stamps, plan.rules.list_size);
    let buyers = buyers::count(given.orders, given.lines, now, plan);
    let best_sellers = bestsellers::lists(buyers.per_product, given.catalogue.clone(), &plan.rules);
    if let Some(outlet) = &plan.changes {
        let shown = history::shown(history.lists.clone(), given.catalogue.clone(), &plan.rules);
        changes::collect(shown, best_sellers.changes, outlet.clone());
    }
    let catalogue = catalogue::replicate(given.catalogue);
    let base = BaseTraces {
        stamps: history.stamps,
        orders: buyers.orders,
        lines: buyers.lines,
        catalogue: best_sellers.categories,
    };
    let traces = Traces {
        history: history.lists.trace,
        best_sellers: best_sellers.lists.trace,
        catalogue: catalogue.by_product.trace,
        categories: catalogue.categories.trace,
        base: plan.cuts.is_some().then_some(base),
    };
    (inputs, traces)
}
