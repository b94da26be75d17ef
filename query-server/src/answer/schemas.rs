//! The shapes of the lists for the OpenAPI document. The lists themselves are written by hand, for speed.

use serde::Serialize;
use utoipa::ToSchema;

/// A user's history.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryList {
    #[serde(rename = "user-id")]
    user_id: String,
    /// Products, newest first.
    products: Vec<String>,
    #[schema(pattern = "^(non-)?personalized$")]
    r#type: String,
    /// The list holds everything up to this time.
    as_of: String,
    /// With `explain=true`: the row of each product.
    explain: Option<Vec<ExplainedView>>,
}

/// Why a product is in a history.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplainedView {
    product: String,
    viewed_at: String,
}

/// Recommendations for a user.
#[derive(Serialize, ToSchema)]
pub(crate) struct RecommendationList {
    #[serde(rename = "user-id")]
    user_id: String,
    /// Products, best first.
    products: Vec<String>,
    #[schema(pattern = "^(non-)?personalized$")]
    r#type: String,
    /// The list holds everything up to this time.
    as_of: String,
    /// With `explain=true`: the row of each product.
    explain: Option<Vec<ExplainedPick>>,
}

/// Why a product is recommended.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplainedPick {
    product: String,
    /// The category whose best seller it is; null for the best sellers over all products.
    category: Option<String>,
    buyers: u64,
    rank: u64,
}

/// A best-seller list.
#[derive(Serialize, ToSchema)]
pub(crate) struct BestSellerList {
    /// Absent for the list over all products.
    category: Option<String>,
    /// Products, most buyers first.
    products: Vec<BestSeller>,
    #[schema(pattern = "^(non-)?personalized$")]
    r#type: String,
    /// The list holds everything up to this time.
    as_of: String,
    /// With `explain=true`: the row of each product.
    explain: Option<Vec<RankedBestSeller>>,
}

/// A product and its buyers.
#[derive(Serialize, ToSchema)]
pub(crate) struct BestSeller {
    product: String,
    buyers: u64,
}

/// A product, its buyers and its rank.
#[derive(Serialize, ToSchema)]
pub(crate) struct RankedBestSeller {
    product: String,
    buyers: u64,
    rank: u64,
}

/// A list at an address that other shops already call.
#[derive(Serialize, ToSchema)]
pub(crate) struct LegacyList {
    #[serde(rename = "user-id")]
    user_id: String,
    products: Vec<String>,
    #[schema(pattern = "^(non-)?personalized$")]
    r#type: String,
}
