//! The values that parameters take, as JSON Schema: ids, and the bounds of query parameters.

use dataflow::features::FEATURES;
use dataflow::ids::ID_BYTES_MAX;
use dataflow::merchandising::RULE_ID_BYTES_MAX;
use recommend::Page;
use serde_json::Value;
use store::ImportMode;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Type};

use crate::feature_parameters::FOLLOWED_USERS_MAX;
use crate::parameter::Parameter;
use crate::parameters::{ParameterBounds, ParameterSet, STALENESS_MS_MAX};
use crate::transfer_parameters::FORMATS;

/// The sentence on an id, and an example of it. JSON Schema counts characters, the server counts bytes.
pub(super) fn id(name: &str) -> (String, Object) {
    let noun = name.trim_end_matches("-id");
    if noun == "rule" {
        let sentence =
            format!("The id of the rule: 1 to {RULE_ID_BYTES_MAX} letters, digits, dots, underscores or hyphens");
        let schema = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1));
        let schema = schema.max_length(Some(RULE_ID_BYTES_MAX)).pattern(Some("^[A-Za-z0-9._-]+$"));
        return (sentence, schema.examples(["winter-sale"]).build());
    }
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(ID_BYTES_MAX))
        .examples([format!("{noun}-1")]);
    (format!("The id of the {noun}: 1 to {ID_BYTES_MAX} bytes of UTF-8"), schema.build())
}

/// The values of a query parameter in the set, in a program with these bounds.
pub(super) fn of_query(parameter: &Parameter, set: ParameterSet, bounds: ParameterBounds) -> Object {
    let schema = ObjectBuilder::new().schema_type(parameter.value.clone());
    let schema = match parameter.name {
        "limit" => {
            let (default, most) = set.limits(bounds);
            whole(schema, 1, most).default(Some(default.into()))
        }
        "wait_ms" => whole(schema, 0, bounds.wait_ms_max).default(Some(bounds.wait_ms_max.into())),
        "max_staleness_ms" => whole(schema, 0, STALENESS_MS_MAX),
        "context" => one_of_contexts(schema),
        "explain" | "dry_run" => schema.default(Some(Value::Bool(false))),
        "mode" => schema
            .enum_values(Some(ImportMode::ALL.map(ImportMode::word)))
            .default(Some(ImportMode::Upsert.word().into())),
        "format" => schema.enum_values(Some(FORMATS.map(|(word, _)| word))).default(Some(FORMATS[0].0.into())),
        "map" => schema.pattern(Some("^[^,]*=[^,]*(,[^,]*=[^,]*)*$")),
        "features" => schema.pattern(Some(list_of_features())),
        "users" => list_of_users(schema),
        "category" => schema.min_length(Some(1)).max_length(Some(ID_BYTES_MAX)),
        "after" | "cursor" => schema.pattern(Some("^[A-Za-z0-9_-]+$")),
        _ => schema,
    };
    schema.build()
}

/// Names of features, separated by commas.
fn list_of_features() -> String {
    let names = FEATURES.each_ref().map(|feature| feature.name).join("|");
    format!("^({names})(,({names}))*$")
}

/// Ids of users, separated by commas, in which a comma or a backslash has a backslash before it.
fn list_of_users(schema: ObjectBuilder) -> ObjectBuilder {
    let id = format!(r"([^,\\]|\\[,\\]){{1,{ID_BYTES_MAX}}}");
    let pattern = format!("^{id}(,{id}){{0,{}}}$", FOLLOWED_USERS_MAX - 1);
    schema.pattern(Some(pattern)).examples(["ada,ben"])
}

/// The ids in a body, each as in events.
pub(crate) fn ids() -> ArrayBuilder {
    ArrayBuilder::new().items(event_id())
}

/// An id in a body, which may be null.
pub(crate) fn id_or_null() -> OneOfBuilder {
    OneOfBuilder::new().item(ObjectBuilder::new().schema_type(Type::Null)).item(event_id())
}

/// An id as in events: a text or a whole number.
fn event_id() -> Ref {
    Ref::from_schema_name("EventId")
}

/// The kinds of page.
pub(crate) fn context() -> Object {
    one_of_contexts(ObjectBuilder::new().schema_type(Type::String)).build()
}

fn one_of_contexts(schema: ObjectBuilder) -> ObjectBuilder {
    schema.enum_values(Some(Page::ALL.map(Page::word))).default(Some(Page::Home.word().into()))
}

fn whole(schema: ObjectBuilder, least: usize, most: impl TryInto<usize>) -> ObjectBuilder {
    schema.minimum(Some(least)).maximum(most.try_into().ok())
}
