//! Hits of both sets, counted by event: whether the product of an event was among the first ten just before it.
//!
//! A source shows an event here before the event changes any list, so the lists of the newest closed tick are those just
//! before it. Events of the same second beyond a bound are passed over, as are events whose user another process holds and
//! events that are read long after they happened: the lists of their time are gone. No list needs to have been shown.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use dataflow::graph::ListId;
use dataflow::ids::{CategoryKey, ProductKey, UserKey};
use dataflow::index_reader::{IndexReader, WideView};
use dataflow::source_status::{EventObserver, ReadEvent, Signal};
use dataflow::time::{Millis, ServiceClock};

use super::difference::difference;
use super::lists::{Compared, ListMaker};
use crate::workspace::Workspace;

/// Products of a list that count.
pub const HITS_AT: usize = 10;

/// Products of an event that are looked for at most: the first ones.
const PRODUCTS_MAX: usize = 20;

/// Events that are compared in a second at most: both lists of each are made.
const EVENTS_PER_S_MAX: u64 = 100;

/// The longest time between an event and the state that it is compared with.
const AWAY_MS_MAX: Millis = 60_000;

/// The lists in which the product of an event is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitList {
    /// The best sellers of the shop.
    BestSellers,
    /// The best sellers of a category of the product.
    Category,
    /// The recommendations of the user.
    Recommendations,
}

impl HitList {
    /// All of them.
    pub const ALL: [HitList; 3] = [HitList::BestSellers, HitList::Category, HitList::Recommendations];
}

/// The products of events that were among the first ten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HitCounts {
    /// In the list of the shop.
    pub live: u64,
    /// In that of the shadow.
    pub shadow: u64,
    /// In both.
    pub both: u64,
}

/// The counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HitTotals {
    /// Events that were not compared.
    pub passed_over: u64,
    /// Products of events, by signal.
    pub products: [u64; 2],
    /// Hits by signal and list.
    hits: [[HitCounts; HitList::ALL.len()]; 2],
    /// Recommendations that were compared, and the sum of their overlaps.
    overlaps: (u64, f64),
}

impl HitTotals {
    /// The products of events with this signal.
    #[must_use]
    pub fn products(&self, signal: Signal) -> u64 {
        self.products[signal as usize]
    }

    /// The hits of events with this signal in a list.
    #[must_use]
    pub fn hits(&self, signal: Signal, list: HitList) -> HitCounts {
        self.hits[signal as usize][list as usize]
    }

    /// The mean overlap of the recommendations of the users whose events were compared; none before the first.
    #[must_use]
    pub fn overlap(&self) -> Option<f64> {
        let (lists, sum) = self.overlaps;
        (lists > 0).then(|| sum / lists as f64)
    }
}

/// Counts the hits of both sets. Shared by the threads that read events.
pub struct ShadowHits {
    clock: Arc<dyn ServiceClock>,
    compared: OnceLock<Compared>,
    /// The second of the clock, and the events that were compared in it: `second << 16 | events`.
    allowance: AtomicU64,
    passed_over: AtomicU64,
    counting: Mutex<Counting>,
}

#[derive(Default)]
struct Counting {
    totals: HitTotals,
    workspace: Option<Workspace>,
}

/// The lists of one set just before an event.
struct ListsBefore {
    best_sellers: Vec<ProductKey>,
    recommendations: Vec<ProductKey>,
}

impl ShadowHits {
    /// Nothing was counted yet, and nothing is until [`ShadowHits::compare`].
    #[must_use]
    pub fn new(clock: Arc<dyn ServiceClock>) -> ShadowHits {
        let (allowance, passed_over) = (AtomicU64::new(0), AtomicU64::new(0));
        ShadowHits { clock, compared: OnceLock::new(), allowance, passed_over, counting: Mutex::default() }
    }

    /// Begins to compare these sets. Only the first call counts.
    pub fn compare(&self, compared: Compared) {
        let _ = self.compared.set(compared);
    }

    /// The counts up to now.
    #[must_use]
    pub fn totals(&self) -> HitTotals {
        HitTotals { passed_over: self.passed_over.load(Ordering::Relaxed), ..self.counting().totals }
    }

    fn counting(&self) -> MutexGuard<'_, Counting> {
        self.counting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether one more event may be compared in this second of the clock.
    fn is_allowed(&self) -> bool {
        let second = self.clock.now() / 1000;
        let next = |allowance: u64| match (allowance >> 16 == second, allowance & 0xffff) {
            (false, _) => Some(second << 16 | 1),
            (true, events) => (events < EVENTS_PER_S_MAX).then_some(allowance + 1),
        };
        self.allowance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Compares an event, whose lists this process holds and whose time is near that of the state.
    fn count(&self, compared: &Compared, event: &ReadEvent<'_>) {
        let Compared { live, shadow } = compared;
        let mut products = event.products[..event.products.len().min(PRODUCTS_MAX)].to_vec();
        products.sort_unstable();
        products.dedup();
        let mut counting = self.counting();
        let Counting { totals, workspace } = &mut *counting;
        let views = [live.reader.wide_view(event.user), shadow.reader.wide_view(event.user)];
        let workspace = workspace.get_or_insert_with(|| Workspace::new(live.reader.rules()));
        let lists = [(live, &views[0]), (shadow, &views[1])].map(|(maker, view)| ListsBefore {
            best_sellers: ListMaker::best_sellers(view, ListId::General),
            recommendations: maker.recommendations(view, event.user, workspace),
        });
        totals.overlaps.0 += 1;
        totals.overlaps.1 += difference(&lists[0].recommendations, &lists[1].recommendations, HITS_AT).overlap;
        for product in products {
            totals.products[event.signal as usize] += 1;
            for list in HitList::ALL {
                let [live, shadow] = [0, 1].map(|set| is_hit(list, product, &lists[set], &views[set]));
                let counts = &mut totals.hits[event.signal as usize][list as usize];
                counts.live += u64::from(live);
                counts.shadow += u64::from(shadow);
                counts.both += u64::from(live && shadow);
            }
        }
    }
}

impl EventObserver for ShadowHits {
    fn read(&self, event: &ReadEvent<'_>) {
        let Some(compared) = self.compared.get() else { return };
        if is_near(&compared.live.reader, event) && self.is_allowed() {
            self.count(compared, event);
        } else {
            self.passed_over.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Nothing is held of a user.
    fn erased(&self, _user: UserKey) {}
}

/// Whether the reader has the lists of the event's user, as of a time near that of the event.
fn is_near(reader: &IndexReader, event: &ReadEvent<'_>) -> bool {
    let is_elsewhere = reader.owner_elsewhere(event.user).is_some();
    !is_elsewhere && reader.view_any().as_of().abs_diff(event.at) <= AWAY_MS_MAX
}

/// Whether a product is among the first ten of a list.
fn is_hit(list: HitList, product: ProductKey, lists: &ListsBefore, view: &WideView<'_>) -> bool {
    let is_first = |list: &[ProductKey]| list.iter().take(HITS_AT).any(|row| *row == product);
    match list {
        HitList::BestSellers => is_first(&lists.best_sellers),
        HitList::Recommendations => is_first(&lists.recommendations),
        HitList::Category => {
            let mut categories = Vec::new();
            view.categories_of(product, &mut categories);
            let of_category =
                |category: CategoryKey| is_first(&ListMaker::best_sellers(view, ListId::Category(category)));
            categories.iter().any(|(category, _)| of_category(*category))
        }
    }
}

#[cfg(test)]
mod tests;
