//! The whole graph on one screen: from the base tables to the published indexes.
//!
//! ```text
//! stamps ────────────────▶ history ─┬────────────────────────────▶ history (with the owner of the user)
//!                                   └▶ pairs ─▶ heaviest ────────▶ similar products, viewers (every process), if on
//! orders ─┐
//! lines ──┼▶ purchases ─▶ window ─▶ buyers ─┬▶ ranks ─▶ first k ─▶ best sellers (every worker); the same for the shadow, if on
//! events ─┤ (if they count)
//!         └▶ purchases of users ─▶ sales ───────────────────────▶ purchases (with the owner), sales, if on
//! interactions ──────────────────────────────────────────────────▶ user products (with the owner), if on
//! session events ────────────────────────────────────────────────▶ open sessions (with the owner), if on
//! metadata values ───────────────────────────────────────────────▶ user metadata (with the owner), others (every worker), if on
//! ticks ───────────────────▲                │
//! erasures ─▶ all tables with rows of users; erased orders are taken out of purchases, and published (with the owner)
//! merchandising rules ─▶ effective hides ───┘                    ▶ rule book, pinned sellers (every worker)
//! catalogue ────────────────────────────────┴────────────────────▶ product categories, category sizes (every worker)
//! names ─────────────────────────────────────────────────────────▶ dictionary of every process
//! ```
//! To add an index, add a file under `graph/` with its row, its declaration ([`Index`], and [`List`] for a list that
//! people see) and its wiring, and add its name to the list below.

pub mod best_sellers;
pub mod buyers;
pub mod category_sizes;
pub mod change_feed;
mod effective_rules;
pub mod erased_orders;
pub mod features;
pub mod history;
pub mod index;
pub mod merchandising;
mod metadata_others;
pub mod names;
pub mod product_categories;
pub mod purchases;
mod sellers;
pub mod sessions;
pub mod shadow;
pub mod shape;
mod shown;
pub mod similar;
pub mod touched;
pub mod user_metadata;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use timely::dataflow::Scope;
use timely::dataflow::operators::vec::{Broadcast, Map as _};

use crate::cluster::{ClusterControl, ClusterPlace};
use crate::cut::Cuts;
use crate::declare::declare_each;
use crate::dictionary::Dictionary;
use crate::graph_part::GraphPart;
use crate::inputs::Inputs;
use crate::publish::Traces;
use crate::rules::Rules;
use crate::source_status::EventObserver;
use crate::time::Time;

pub use best_sellers::{BestSellers, ListId, Seller};
pub use category_sizes::{CategorySize, CategorySizes};
pub use change_feed::{ChangeOutlet, Changed};
pub use erased_orders::ErasedOrders;
pub use features::{Interacted, UserProducts};
pub use history::{History, Place, Viewed};
pub use index::{Index, List, Wiring};
pub use merchandising::{PinnedSellers, RuleBook};
pub use metadata_others::MetadataOthers;
pub use product_categories::ProductCategories;
pub use purchases::{Bought, Purchases, Sale, Sales};
pub use sessions::OpenSessions;
pub use shadow::{ShadowBestSellers, ShadowPinnedSellers};
pub use similar::{Neighbor, Similar, Viewers};
pub use touched::{TouchOutlet, TouchedList};
pub use user_metadata::UserMetadata;

index::declare_indexes! {
    // Lists that people see: their changes go to the change feed, and replays export them.
    lists { history: History, best_sellers: BestSellers, similar: Similar }
    others {
        product_categories: ProductCategories,
        category_sizes: CategorySizes,
        viewers: Viewers,
        purchases: Purchases,
        sales: Sales,
        user_products: UserProducts,
        open_sessions: OpenSessions,
        user_metadata: UserMetadata,
        metadata_others: MetadataOthers,
        rule_book: RuleBook,
        pinned_sellers: PinnedSellers,
        shadow_best_sellers: ShadowBestSellers,
        shadow_pinned_sellers: ShadowPinnedSellers,
        erased_orders: ErasedOrders,
    }
}

/// The parameters of the graph, the same in every worker.
#[derive(Clone)]
pub struct Plan {
    /// The business numbers.
    pub rules: Rules,
    /// The dictionary of ids and keys.
    pub dictionary: Arc<Dictionary>,
    /// Counts order lines that were older than orders are kept when they arrived.
    pub late_lines: Arc<AtomicU64>,
    /// Takes the changes of every list, if a sink is configured.
    pub changes: Option<ChangeOutlet>,
    /// Takes the lists that have changed, if a sink copies lists.
    pub touched: Option<Arc<dyn TouchOutlet>>,
    /// Takes the parts of cuts, if cuts are taken.
    pub cuts: Option<Arc<Cuts>>,
    /// The observer of what sources read, if there is one.
    pub observer: Option<Arc<dyn EventObserver>>,
    /// The tick of the restored state, if the graph starts from one.
    pub restored_at: Option<Time>,
    /// The ticks of a millisecond: 1, or see [`Plan::finer`].
    pub ticks_per_ms: Time,
}

impl Plan {
    /// A plan of the lists alone: nobody takes changes, no cuts are taken, and the graph starts empty.
    #[must_use]
    pub fn new(rules: Rules, dictionary: Arc<Dictionary>) -> Plan {
        let late_lines = Arc::new(AtomicU64::new(0));
        Plan {
            rules,
            dictionary,
            late_lines,
            changes: None,
            touched: None,
            cuts: None,
            observer: None,
            restored_at: None,
            ticks_per_ms: 1,
        }
    }

    /// A plan as [`Plan::new`] makes it, for a caller that reads several states of the same millisecond: it has `ticks_per_ms`
    /// ticks. Ticks and the times of rows are given in these ticks, and the times of `rules`, in milliseconds, are made so.
    /// Features, sessions and identities of events, which know days and seconds, must be off.
    #[must_use]
    pub fn finer(mut rules: Rules, dictionary: Arc<Dictionary>, ticks_per_ms: Time) -> Plan {
        // Orders are kept for `features.days`, whether features are on or off.
        let times =
            [&mut rules.history_ms, &mut rules.window_ms, &mut rules.co_views.every_ms, &mut rules.features.days];
        for time in times {
            *time = time.saturating_mul(ticks_per_ms);
        }
        Plan { ticks_per_ms, ..Plan::new(rules, dictionary) }
    }
}

/// Builds the graph, or a part of it, in one worker: its inputs, and the traces to publish. `control` exchanges messages with
/// the other processes, if there are any.
pub(crate) fn build(
    scope: Scope<'_, Time>,
    plan: &Plan,
    part: GraphPart,
    control: Option<&ClusterControl>,
) -> (Inputs, Traces) {
    let (inputs, given) = Inputs::new(scope, plan.dictionary.clone(), (&plan.rules, part), control.is_some());
    let names = names::learn(given.names, plan.dictionary.clone());
    let mut ticks = given.tick_messages.inner.map(|(mark, _, _)| mark).broadcast();
    if let (Some(control), Some(streams)) = (control, given.control) {
        ticks = control.follow(ticks);
        control.receive_reports(streams.reports);
        control.receive_positions(streams.positions);
        control.receive_names(names);
    }
    let now = ticks.map(|tick| tick.now);
    let place = control.map_or(ClusterPlace::alone(scope.peers()), ClusterControl::place);
    let mut wiring = Wiring::new(given.tables, now, (plan, part), place);
    let published = Indexes::make(&mut wiring);
    if let Some(outlet) = &plan.touched {
        index::wiring::report_touched(&published, place, scope.index(), outlet);
    }
    let (traces, changes) = index::wiring::split(published);
    if let Some(outlet) = &plan.changes {
        change_feed::collect(changes, plan.rules.items_min, outlet.clone());
    }
    let (erased_users, settling) = (wiring.erased_users(), sessions::note_rows(&wiring));
    let base = plan.cuts.is_some().then(|| wiring.into_base());
    (inputs, Traces { indexes: traces, base, rules: plan.rules, erased_users, settling })
}
