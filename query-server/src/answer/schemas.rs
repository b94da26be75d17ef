//! The shapes of the lists for the OpenAPI document. The lists themselves are written by hand, for speed.

use serde::Serialize;
use utoipa::ToSchema;

use super::moves::ExplainedRule;

/// A user's history.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "user-id": "user-120", "products": ["product-393", "product-17"], "type": "personalized",
    "as_of": "2026-11-20T10:15:00.120Z"
}))]
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

/// A best-seller list.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "category": "tea", "products": [{"product": "product-393", "buyers": 17}], "type": "non-personalized",
    "as_of": "2026-11-20T10:15:00.120Z"
}))]
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
    /// With `explain=true`: the merchandising rules that changed the list, if there are any.
    rules: Option<Vec<ExplainedRule>>,
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
#[schema(example = json!({"user-id": "user-120", "products": ["product-393", "product-17"], "type": "personalized"}))]
pub(crate) struct LegacyList {
    #[serde(rename = "user-id")]
    user_id: String,
    products: Vec<String>,
    #[schema(pattern = "^(non-)?personalized$")]
    r#type: String,
}
