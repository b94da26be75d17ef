//! What the shop knows of the users of a table: the field `demographics` of their rows, as it is now.
//!
//! It is no feature of the graph, and says more of a person than a page may know: a key needs the scope of those who write rows.

use hyper::header::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;
use store::Kind;

use super::question::Question;
use crate::operations::Operations;
use crate::problem::{Problem, RowProblem};
use crate::scope::Scope;

/// The field of a user's row.
#[derive(Deserialize)]
struct RowDemographics<'a> {
    #[serde(borrow)]
    demographics: Option<&'a RawValue>,
}

/// For each user of the question the object as JSON, or `null`; none if the question does not ask for it.
pub(super) async fn of_users(
    operations: &Operations,
    question: &Question,
    headers: &HeaderMap,
) -> Result<Option<Vec<String>>, Problem> {
    if !question.demographics {
        return Ok(None);
    }
    operations.app.access.check_again(Scope::Write, headers)?;
    let store = operations.app.store.as_ref().ok_or(Problem::Row(RowProblem::Off))?;
    let mut found = Vec::with_capacity(question.users.len());
    for user in &question.users {
        let row = store.get(Kind::Users, user.clone()).await;
        let row = row.map_err(|error| RowProblem::of_reading(error, Kind::Users.singular()))?;
        found.push(row.as_ref().and_then(|row| of_row(&row.json)).unwrap_or("null").to_owned());
    }
    Ok(Some(found))
}

/// The object in a user's row.
fn of_row(json: &str) -> Option<&str> {
    let row: RowDemographics<'_> = serde_json::from_str(json).expect("a row is an object");
    row.demographics.map(RawValue::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_taken_as_it_is() {
        assert_eq!(of_row(r#"{"user_id":"a","demographics":{"age": 36, "of":[1]}}"#), Some(r#"{"age": 36, "of":[1]}"#));
        for nothing in [r#"{"user_id":"a"}"#, r#"{"user_id":"a","demographics":null}"#] {
            assert_eq!(of_row(nothing), None);
        }
    }
}
