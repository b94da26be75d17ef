//! The shapes of recommendations and similar products for the OpenAPI document.

use serde::Serialize;
use utoipa::ToSchema;

use super::moves::ExplainedRule;

/// Recommendations for a user.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "user-id": "user-120", "products": ["product-393", "product-17"], "type": "personalized",
    "as_of": "2026-11-20T10:15:00.120Z", "answer_id": "kT3Zr0rXQZC2iFz1kqf0Zg"
}))]
pub(crate) struct RecommendationList {
    #[serde(rename = "user-id")]
    user_id: String,
    /// Products, best first.
    products: Vec<String>,
    #[schema(pattern = "^(non-)?personalized$")]
    r#type: String,
    /// The list holds everything up to this time.
    as_of: String,
    /// The id of this answer; absent from best sellers for you.
    answer_id: Option<String>,
    /// With `explain=true`: the rows behind each product.
    explain: Option<Vec<ExplainedRecommendation>>,
    /// With `explain=true`: the merchandising rules that changed the list, if there are any.
    rules: Option<Vec<ExplainedRule>>,
}

/// Recommendations for a visitor who is not known.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "products": ["product-393", "product-17"], "type": "personalized", "as_of": "2026-11-20T10:15:00.120Z",
    "answer_id": "kT3Zr0rXQZC2iFz1kqf0Zg"
}))]
pub(crate) struct VisitorList {
    /// Products, best first.
    products: Vec<String>,
    #[schema(pattern = "^(non-)?personalized$")]
    r#type: String,
    /// The list holds everything up to this time.
    as_of: String,
    /// The id of this answer.
    answer_id: String,
    /// With `explain=true`: the rows behind each product.
    explain: Option<Vec<ExplainedRecommendation>>,
    /// With `explain=true`: the merchandising rules that changed the list, if there are any.
    rules: Option<Vec<ExplainedRule>>,
}

/// Why a product is recommended. The fields depend on the source.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "product": "product-393", "source": "co_views", "score": 18_204, "viewers": 7,
    "views": [{"product": "product-17", "place": 1, "weight": 128, "viewers": 12}]
}))]
pub(crate) struct ExplainedRecommendation {
    product: String,
    /// The source that recommends the product, or `rule` for a product that only a merchandising rule puts there; absent from
    /// best sellers for you.
    source: Option<String>,
    /// Of co-views and of buy again: the score by which the products of this source are ordered.
    score: Option<u64>,
    /// Of co-views: the users in whose histories the product is.
    viewers: Option<u64>,
    /// Of co-views: the products viewed that this product is similar to, newest first.
    views: Option<Vec<ExplainedCoView>>,
    /// Of buy again: the user's orders with the product.
    orders: Option<u64>,
    /// Of buy again: how many orders ago the user bought it last; 0 is the newest order.
    orders_ago: Option<u64>,
    /// Of factors: how well the product fits the history, by which the products of this source are ordered; about 1 is a
    /// good fit.
    fit: Option<f64>,
    /// Of factors: the version of the model.
    model_version: Option<u64>,
    /// Of content: the cosine of the product's vector with those of the history, by which the products of this source are
    /// ordered.
    similarity: Option<f64>,
    /// Of best sellers: the category whose best seller it is; null for the best sellers over all products.
    category: Option<String>,
    /// Of best sellers: the buyers in the window.
    buyers: Option<u64>,
    /// Of best sellers: the place in the list, from 1; 0 for a product that only a merchandising rule puts there.
    rank: Option<u64>,
}

/// A product viewed to which a recommended product is similar.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplainedCoView {
    product: String,
    /// Its place among the products viewed, from 1, newest first.
    place: u64,
    /// How often and how closely both products were viewed together.
    weight: u64,
    /// The users in whose histories it is.
    viewers: u64,
}

/// The similar products of a product.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "product-id": "product-17", "products": ["product-393", "product-5"], "type": "non-personalized",
    "as_of": "2026-11-20T10:15:00.120Z", "answer_id": "kT3Zr0rXQZC2iFz1kqf0Zg"
}))]
pub(crate) struct SimilarList {
    #[serde(rename = "product-id")]
    product_id: String,
    /// Products, most relevant first.
    products: Vec<String>,
    #[schema(pattern = "^(non-)?personalized$")]
    r#type: String,
    /// The list holds everything up to this time.
    as_of: String,
    /// The id of this answer.
    answer_id: String,
    /// With `explain=true`: the row of each product.
    explain: Option<Vec<ExplainedSimilar>>,
    /// With `explain=true`: the merchandising rules that changed the list, if there are any.
    rules: Option<Vec<ExplainedRule>>,
}

/// Why a product is similar.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplainedSimilar {
    product: String,
    /// The source of the similarity, or `rule` for a product that only a merchandising rule puts there.
    source: String,
    /// Of co-views: how often and how closely both products were viewed together.
    weight: Option<u64>,
    /// Of co-views: the users in whose histories the similar product is.
    viewers: Option<u64>,
    /// Of content: the cosine of the vectors of both products.
    similarity: Option<f64>,
}
