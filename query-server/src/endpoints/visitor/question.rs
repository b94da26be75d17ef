//! The body of `POST /v1/recommendations`.

use recommend::Page;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, Schema};

use crate::endpoints::rules::nearest::unknown_field;
use crate::ids;
use crate::openapi::values;
use crate::parameters::LONG_LIST_MAX;
use crate::problem::Problem;
use crate::read_state::ReadState;

const FIELDS: &[&str] = &["viewed", "exclude", "category", "context", "limit"];

/// What a visitor viewed, and which products are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RecommendationRequest, example = json!({
    "viewed": ["product-17", "product-5"], "exclude": ["product-40"], "context": "product", "limit": 5
}))]
pub(super) struct Question {
    /// The products viewed, newest first.
    #[schema(schema_with = viewed_schema, required = false)]
    pub(super) viewed: Vec<String>,
    /// Products that are not wanted.
    #[schema(schema_with = exclude_schema, required = false)]
    pub(super) exclude: Vec<String>,
    /// The only category whose products are recommended.
    #[schema(schema_with = category_schema, required = false)]
    pub(super) category: Option<String>,
    /// The kind of the page: `home` (the default), `product` or `basket`.
    #[schema(schema_with = values::context, required = false)]
    pub(super) context: Option<String>,
    /// The most products to answer with, from 1 to 100.
    #[schema(value_type = usize, minimum = 1, maximum = 100, required = false)]
    pub(super) limit: Option<usize>,
}

fn viewed_schema() -> Array {
    let sentences = "The products viewed, newest first: at most `recommendations.viewed_max`. Unknown products are passed \
                     over. They are not recommended.";
    values::ids().description(Some(sentences)).build()
}

fn exclude_schema() -> Array {
    values::ids().description(Some("Products that are not wanted, at most `recommendations.exclude_max`.")).build()
}

fn category_schema() -> Schema {
    let sentence = "If given, only products of this category are recommended.";
    values::id_or_null().description(Some(sentence)).build().into()
}

impl Question {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not a JSON object, or when a field is unknown, of another type or beyond its bound. Errors hold no
    /// value of the body.
    pub(super) fn read(body: &[u8], read: &ReadState) -> Result<Question, Problem> {
        let bounds = read.recommender.settings();
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return Err(Problem::NoObject(FIELDS)) };
        let mut question = Question::default();
        for (name, value) in fields {
            match name.as_str() {
                "viewed" => question.viewed = ids_of("viewed", value, bounds.viewed_max)?,
                "exclude" => question.exclude = ids_of("exclude", value, bounds.exclude_max)?,
                "category" => question.category = id_or_null("category", value)?,
                "context" => question.context = Some(context(value)?),
                "limit" => question.limit = Some(limit(&value)?),
                other => return Err(unknown_field(other, FIELDS)),
            }
        }
        Ok(question)
    }

    /// The kind of the page.
    pub(super) fn page(&self) -> Page {
        self.context.as_deref().and_then(Page::find).unwrap_or(Page::Home)
    }
}

fn ids_of(field: &'static str, value: Value, most: usize) -> Result<Vec<String>, Problem> {
    let must = || format!("a list of at most {most} product ids, each a text or a whole number");
    let wrong = || Problem::BadField { field, must: must() };
    let Value::Array(items) = value else { return Err(wrong()) };
    if items.len() > most {
        return Err(wrong());
    }
    items.into_iter().map(|item| ids::of_json(item).ok_or_else(wrong)).collect()
}

fn id_or_null(field: &'static str, value: Value) -> Result<Option<String>, Problem> {
    if value.is_null() {
        return Ok(None);
    }
    let wrong = || Problem::BadField { field, must: "an id: a text or a whole number".into() };
    ids::of_json(value).map(Some).ok_or_else(wrong)
}

fn context(value: Value) -> Result<String, Problem> {
    let must = || format!("one of {}", Page::WORDS.join(", "));
    match value {
        Value::String(word) if Page::find(&word).is_some() => Ok(word),
        _ => Err(Problem::BadField { field: "context", must: must() }),
    }
}

fn limit(value: &Value) -> Result<usize, Problem> {
    let limit = value.as_u64().and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| (1..=LONG_LIST_MAX).contains(limit));
    let must = || format!("a whole number from 1 to {LONG_LIST_MAX}");
    limit.ok_or_else(|| Problem::BadField { field: "limit", must: must() })
}
