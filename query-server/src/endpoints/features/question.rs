//! The body of `POST /v1/features`.

use dataflow::features::FEATURES;
use dataflow::ids::ID_BYTES_MAX;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::answer::features::schemas::{self, USERS_MAX};
use crate::answer::features::table::Layout;
use crate::endpoints::rules::nearest::unknown_field;
use crate::feature_parameters::{self, LIMIT_MAX};
use crate::ids;
use crate::problem::Problem;

/// The most entries that the maps of one feature may have, of all users of a request together.
const ENTRIES_MAX: usize = 10_000;

/// The entries of a map unless the request says otherwise.
const LIMIT: usize = 10;

/// The most users of a question that asks for demographics: a row may be large.
const DEMOGRAPHICS_USERS_MAX: usize = 100;

const FIELDS: &[&str] = &["users", "products", "features", "demographics", "layout", "limit"];

/// Which features of which users are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FeatureRequest, example = json!({
    "users": ["user-120", "user-7"], "features": ["user_category_views", "user_last_interaction"], "layout": "columns"
}))]
pub(super) struct Question {
    /// The users, at most 1,000: text. Whole numbers are taken as their decimal text.
    #[schema(schema_with = schemas::ids)]
    pub(super) users: Vec<String>,
    /// A product for each user: then a feature of products has the one value of this pair in place of a map.
    #[schema(schema_with = schemas::ids, required = false)]
    pub(super) products: Vec<String>,
    /// The names of the features; all if it is missing.
    #[schema(schema_with = schemas::names, required = false)]
    pub(super) features: Vec<usize>,
    /// Whether each row has the user's `demographics` too, for at most 100 users. Needs the scope `write`.
    #[schema(required = false)]
    pub(super) demographics: bool,
    /// `rows` (the default) or `columns`.
    #[schema(schema_with = schemas::layout, required = false)]
    pub(super) layout: Layout,
    /// The most entries of a map: 10 by default, and at most 10,000 for all users together.
    #[schema(minimum = 1, maximum = 1000, required = false)]
    pub(super) limit: usize,
}

impl Question {
    /// Reads a body.
    ///
    /// # Errors
    /// When it is not a JSON object, when a field is unknown, of another type or beyond its bound, or when there is no
    /// feature of a name. Errors hold no value of the body.
    pub(super) fn read(body: &[u8]) -> Result<Question, Problem> {
        let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return Err(Problem::NoObject(FIELDS)) };
        let mut question = Question::of(fields)?;
        let most = ENTRIES_MAX / question.users.len().max(1);
        if question.users.is_empty() {
            return Err(bad("users", "a list of 1 to 1000 ids"));
        }
        if !question.products.is_empty() && question.products.len() != question.users.len() {
            return Err(bad("products", "as many as users"));
        }
        if question.demographics && question.users.len() > DEMOGRAPHICS_USERS_MAX {
            return Err(bad("demographics", "false for more than 100 users"));
        }
        if question.limit == 0 {
            question.limit = LIMIT.min(most);
        }
        if question.limit > most {
            return Err(Problem::BadField { field: "limit", must: format!("at most {most} for so many users") });
        }
        Ok(question)
    }

    fn of(fields: Map<String, Value>) -> Result<Question, Problem> {
        let (users, products, features) = (Vec::new(), Vec::new(), Vec::new());
        let mut question = Question { users, products, features, demographics: false, layout: Layout::Rows, limit: 0 };
        for (name, value) in fields {
            match name.as_str() {
                "users" => question.users = ids_of("users", value)?,
                "products" => question.products = ids_of("products", value)?,
                "features" => question.features = features_of(value)?,
                "demographics" => {
                    question.demographics = value.as_bool().ok_or_else(|| bad("demographics", "true or false"))?;
                }
                "layout" => question.layout = layout(&value)?,
                "limit" => question.limit = limit(&value)?,
                other => return Err(unknown_field(other, FIELDS)),
            }
        }
        Ok(question)
    }

    /// The columns with ids, each with its name.
    pub(super) fn ids(&self) -> Vec<(&'static str, &[String])> {
        let all = [("user-id", &*self.users), ("product-id", &*self.products)];
        all.into_iter().filter(|(_, ids)| !ids.is_empty()).collect()
    }

    /// The body of a request for the columns of some rows, without demographics.
    pub(super) fn part(&self, rows: &[usize]) -> Vec<u8> {
        let ids = |all: &[String]| rows.iter().filter_map(|row| all.get(*row).cloned()).collect::<Vec<_>>();
        let names: Vec<&str> = self.features.iter().map(|at| FEATURES[*at].name).collect();
        let mut part = json!({ "users": ids(&self.users), "layout": "columns", "limit": self.limit });
        if !self.products.is_empty() {
            part["products"] = json!(ids(&self.products));
        }
        if !names.is_empty() {
            part["features"] = json!(names);
        }
        part.to_string().into_bytes()
    }
}

fn bad(field: &'static str, must: &str) -> Problem {
    Problem::BadField { field, must: must.to_owned() }
}

fn ids_of(field: &'static str, value: Value) -> Result<Vec<String>, Problem> {
    let wrong = || bad(field, "a list of 1 to 1000 ids, each of 1 to 256 bytes or a whole number");
    let Value::Array(items) = value else { return Err(wrong()) };
    if items.is_empty() || items.len() > USERS_MAX {
        return Err(wrong());
    }
    let fits = |id: &String| (1..=ID_BYTES_MAX).contains(&id.len());
    items.into_iter().map(|item| ids::of_json(item).filter(fits).ok_or_else(wrong)).collect()
}

fn features_of(value: Value) -> Result<Vec<usize>, Problem> {
    let wrong = || bad("features", "a list of names of features, none twice");
    let Value::Array(items) = value else { return Err(wrong()) };
    let mut features = Vec::new();
    for item in items {
        let feature = feature_parameters::feature(item.as_str().ok_or_else(wrong)?)?;
        if features.contains(&feature) {
            return Err(wrong());
        }
        features.push(feature);
    }
    if features.is_empty() { Err(wrong()) } else { Ok(features) }
}

fn layout(value: &Value) -> Result<Layout, Problem> {
    match value.as_str() {
        Some("rows") => Ok(Layout::Rows),
        Some("columns") => Ok(Layout::Columns),
        _ => Err(bad("layout", "\"rows\" or \"columns\"")),
    }
}

fn limit(value: &Value) -> Result<usize, Problem> {
    let limit = value.as_u64().and_then(|limit| usize::try_from(limit).ok());
    limit.filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| bad("limit", "a whole number from 1 to 1000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_fields_are_read_and_parts_ask_for_the_same() {
        let body = br#"{"users":["a",7,"b"],"products":["x","y","z"],"features":["user_product_clicks"],"layout":"columns","limit":5}"#;
        let question = Question::read(body).unwrap();
        assert_eq!(question.users, ["a", "7", "b"]);
        assert_eq!((FEATURES[question.features[0]].name, question.limit), ("user_product_clicks", 5));
        let part = Question::read(&question.part(&[2, 0])).unwrap();
        assert_eq!((part.users, part.products), (vec!["b".to_owned(), "a".into()], vec!["z".to_owned(), "x".into()]));
        assert_eq!((part.features, part.limit), (question.features, 5));
        let about = Question::read(br#"{"users":["a","b"],"demographics":true}"#).unwrap();
        assert!(about.demographics && !Question::read(&about.part(&[0])).unwrap().demographics);
        assert_eq!(Question::read(br#"{"users":["a"]}"#).unwrap().limit, 10);
    }

    #[test]
    fn everything_else_is_an_error() {
        let many = json!({ "users": vec!["u"; USERS_MAX + 1] }).to_string();
        for body in [
            "",
            "[]",
            "{}",
            r#"{"users":[]}"#,
            r#"{"users":["a"],"more":1}"#,
            r#"{"users":[""]}"#,
            r#"{"users":[1.5]}"#,
            r#"{"users":["a"],"products":["x","y"]}"#,
            r#"{"users":["a"],"features":[]}"#,
            r#"{"users":["a"],"features":["user_product_views","user_product_views"]}"#,
            r#"{"users":["a"],"layout":"table"}"#,
            r#"{"users":["a"],"limit":0}"#,
            r#"{"users":["a"],"limit":1001}"#,
            r#"{"users":["a"],"demographics":1}"#,
            &json!({ "users": vec!["u"; DEMOGRAPHICS_USERS_MAX + 1], "demographics": true }).to_string(),
            &many,
        ] {
            assert!(Question::read(body.as_bytes()).is_err(), "{body}");
        }
        let users = json!({ "users": vec!["u"; USERS_MAX], "limit": 11 }).to_string();
        assert_eq!(
            Question::read(users.as_bytes()).unwrap_err().to_string(),
            "limit must be at most 10 for so many users"
        );
        let unknown = Question::read(br#"{"users":["a"],"features":["user_product_view"]}"#).unwrap_err();
        assert!(unknown.to_string().contains("did you mean user_product_views"), "{unknown}");
    }
}
