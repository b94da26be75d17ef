//! The comparison of the shadow's lists with those of the shop.

use dataflow::dictionary::Dictionary;
use dataflow::graph::ListId;
use dataflow::ids::ProductKey;
use dataflow::rules::{DAY_MS, Deleted, RecommendationRule, Rules};
use dataflow::source_status::Signal;
use dataflow::time::Time;
use recommend::shadow::{Difference, HITS_AT, HitCounts, HitList, HitTotals, MovedProduct, Placed};
use serde::Serialize;
use utoipa::ToSchema;

use super::instant;

/// The farthest moves that are named of a list.
const MOVES_MAX: usize = 10;

/// The differences of best-seller lists.
pub(crate) struct Differences {
    /// The first products of each list that are compared.
    pub(crate) k: usize,
    pub(crate) compared: usize,
    pub(crate) equal: usize,
    /// The sum of the overlaps of all lists.
    pub(crate) overlaps: f64,
    /// Those that differ, the smallest overlap first.
    pub(crate) lists: Vec<(ListId, Difference)>,
}

/// How both sets of lists differ, and which of them had more hits.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ShadowReport {
    /// The business numbers that differ.
    numbers: Vec<NumberOfBoth>,
    best_sellers: BestSellerDifferences,
    /// The mean overlap of the recommendations for users whose events were compared; null before the first event.
    recommendations_overlap: Option<f64>,
    hits: ShadowHitReport,
    /// The lists are those of this time.
    as_of: String,
}

/// A business number of both sets.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct NumberOfBoth {
    /// Its name in `[rules]` and in `[shadow]`.
    setting: &'static str,
    live: String,
    shadow: String,
}

/// The differences of best-seller lists.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct BestSellerDifferences {
    /// The first products of each list that are compared.
    k: usize,
    /// Lists that are compared: that of the shop, and those of categories.
    compared: usize,
    /// Those that are the same in both sets.
    equal: usize,
    /// The mean overlap of all lists.
    overlap: f64,
    /// Lists that differ, at most 50, the smallest overlap first.
    lists: Vec<ListDifference>,
}

/// How one list differs.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ListDifference {
    /// `bestsellers`, or `category:ID`.
    list: String,
    /// The share of products that both have, of the products of the longer of both.
    overlap: f64,
    /// Products that only the shadow's list has.
    entered: Vec<PlacedProduct>,
    /// Products that only the shop's list has.
    left: Vec<PlacedProduct>,
    /// Products at another place, at most 10, the farthest moves first.
    moved: Vec<MovedPlaces>,
}

/// A product and its place, counted from 1.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct PlacedProduct {
    product: String,
    place: usize,
}

/// A product and its places, counted from 1.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct MovedPlaces {
    product: String,
    live: usize,
    shadow: usize,
}

/// Hits since the start, of the events that this process compared.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ShadowHitReport {
    /// The first products of a list that count.
    at: usize,
    /// Views, clicks and products put into the cart.
    views: SignalHits,
    /// Purchases.
    purchases: SignalHits,
    /// Events that were not compared.
    passed_over: u64,
}

/// The hits of events of one kind.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct SignalHits {
    /// The products of these events.
    products: u64,
    lists: Vec<ListHits>,
}

/// The products of events that were among the first of a list just before the event.
#[derive(Clone, Debug, Serialize, ToSchema)]
struct ListHits {
    /// `bestsellers`, `category` or `recommendations`.
    list: &'static str,
    /// In the list of the shop.
    live: u64,
    /// In that of the shadow.
    shadow: u64,
    /// In both.
    both: u64,
    /// The set with more hits, `live` or `shadow`; null if both have as many.
    more: Option<&'static str>,
}

impl ShadowReport {
    pub(crate) fn new(
        (live, shadow): (&Rules, &Rules),
        found: Differences,
        totals: &HitTotals,
        as_of: Time,
        dictionary: &Dictionary,
    ) -> ShadowReport {
        let lists = found.lists.iter().map(|(list, difference)| ListDifference::new(*list, difference, dictionary));
        let best_sellers = BestSellerDifferences {
            k: found.k,
            compared: found.compared,
            equal: found.equal,
            overlap: found.overlaps / found.compared.max(1) as f64,
            lists: lists.collect(),
        };
        let of = |signal| SignalHits {
            products: totals.products(signal),
            lists: HitList::ALL.map(|list| ListHits::new(list, totals.hits(signal, list))).into(),
        };
        ShadowReport {
            numbers: numbers(live, shadow),
            best_sellers,
            recommendations_overlap: totals.overlap(),
            hits: ShadowHitReport {
                at: HITS_AT,
                views: of(Signal::Interest),
                purchases: of(Signal::Purchase),
                passed_over: totals.passed_over,
            },
            as_of: instant::text(as_of),
        }
    }

    /// The report as JSON. Its lists hold everything up to `as_of`, which may be before their tick.
    pub(crate) fn text(&self, as_of: Time) -> Vec<u8> {
        let report = ShadowReport { as_of: instant::text(as_of), ..self.clone() };
        serde_json::to_vec(&report).expect("texts and finite numbers always serialise")
    }
}

impl ListDifference {
    fn new(list: ListId, difference: &Difference, dictionary: &Dictionary) -> ListDifference {
        let name = |product: ProductKey| dictionary.product_name(product).as_deref().unwrap_or_default().to_owned();
        let placed = |placed: &Placed| PlacedProduct { product: name(placed.product), place: placed.place };
        let moved = |moved: &MovedProduct| {
            let MovedProduct { product, live, shadow } = *moved;
            MovedPlaces { product: name(product), live, shadow }
        };
        let list = match list {
            ListId::General => "bestsellers".to_owned(),
            ListId::Category(key) => {
                format!("category:{}", dictionary.category_name(key).as_deref().unwrap_or_default())
            }
        };
        ListDifference {
            list,
            overlap: difference.overlap,
            entered: difference.entered.iter().map(placed).collect(),
            left: difference.left.iter().map(placed).collect(),
            moved: difference.moved.iter().take(MOVES_MAX).map(moved).collect(),
        }
    }
}

impl ListHits {
    fn new(list: HitList, counts: HitCounts) -> ListHits {
        let list = match list {
            HitList::BestSellers => "bestsellers",
            HitList::Category => "category",
            HitList::Recommendations => "recommendations",
        };
        let HitCounts { live, shadow, both } = counts;
        let more = match live.cmp(&shadow) {
            std::cmp::Ordering::Less => Some("shadow"),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some("live"),
        };
        ListHits { list, live, shadow, both, more }
    }
}

/// The numbers that differ.
fn numbers(live: &Rules, shadow: &Rules) -> Vec<NumberOfBoth> {
    let of = |rules: &Rules| {
        [
            ("list_size", rules.list_size.to_string()),
            ("window_days", (rules.window_ms / DAY_MS).to_string()),
            ("categories_max", rules.categories_max.to_string()),
            ("items_min", rules.items_min.to_string()),
            ("deleted_products", Deleted::WORDS[rules.deleted as usize].to_owned()),
            ("missing_products", if rules.missing_is_deleted { "deleted" } else { "uncategorized" }.to_owned()),
            ("recommendations", RecommendationRule::WORDS[rules.recommendations as usize].to_owned()),
        ]
    };
    let both = of(live).into_iter().zip(of(shadow)).filter(|((_, live), (_, shadow))| live != shadow);
    both.map(|((setting, live), (_, shadow))| NumberOfBoth { setting, live, shadow }).collect()
}
