//! The shapes of features for the OpenAPI document, made from the declarations of the features.

use dataflow::features::{FEATURES, Feature, Reading, ValueKind};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{
    AdditionalProperties, Array, ArrayBuilder, Object, ObjectBuilder, OneOfBuilder, Schema, SchemaType, Type,
};
use utoipa::openapi::{Ref, RefOr};

use crate::openapi::values;

/// The most users of a request.
pub(crate) const USERS_MAX: usize = 1000;

/// The features that can be asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct FeatureList {
    /// Whether features are kept.
    pub(crate) enabled: bool,
    pub(crate) features: Vec<DescribedFeature>,
}

/// The description of a feature.
#[derive(Serialize, ToSchema)]
pub(crate) struct DescribedFeature {
    pub(crate) name: &'static str,
    /// The ids that a value belongs to.
    pub(crate) key: &'static [&'static str],
    /// The type of a value.
    #[schema(pattern = "^(integer|number|timestamp)$")]
    pub(crate) r#type: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) definition: &'static str,
    /// When a record shows in the feature.
    pub(crate) freshness: &'static str,
    /// The feature holds everything up to this time; null while features are off, or before its attributes were read.
    pub(crate) as_of: Option<String>,
}

type Schemas = Vec<(String, RefOr<Schema>)>;

/// The features of a user.
pub(crate) fn of_user(schemas: &mut Schemas) -> RefOr<Schema> {
    let object =
        FEATURES.iter().fold(object(&["user-id"]), |object, feature| object.property(feature.name, of_all(feature)));
    named(schemas, "UserFeatures", object.property("as_of", text()).required("as_of"))
}

/// The features of a user and a product.
pub(crate) fn of_pair(schemas: &mut Schemas) -> RefOr<Schema> {
    let object = FEATURES
        .iter()
        .fold(object(&["user-id", "product-id"]), |object, feature| object.property(feature.name, of_one(feature)));
    named(schemas, "UserProductFeatures", object.property("as_of", text()).required("as_of"))
}

/// The features of many users.
pub(crate) fn table(schemas: &mut Schemas) -> RefOr<Schema> {
    let row = FEATURES.iter().fold(object(&["user-id"]).property("product-id", text()), |row, feature| {
        row.property(feature.name, of_any(feature))
    });
    let row = row.property("demographics", demographics());
    let list = |items: RefOr<Schema>| ArrayBuilder::new().items(items);
    let columns =
        object(&[]).property("user-id", list(text())).required("user-id").property("product-id", list(text()));
    let columns =
        FEATURES.iter().fold(columns, |columns, feature| columns.property(feature.name, list(of_any(feature))));
    let columns = columns.property("demographics", list(demographics()));
    let table = ObjectBuilder::new()
        .property("rows", list(Schema::Object(row.build()).into()))
        .property("columns", columns)
        .property("as_of", text())
        .required("as_of");
    named(schemas, "FeatureTable", table)
}

fn named(schemas: &mut Schemas, name: &str, object: ObjectBuilder) -> RefOr<Schema> {
    schemas.push((name.to_owned(), Schema::Object(object.build()).into()));
    Ref::from_schema_name(name).into()
}

fn object(ids: &[&str]) -> ObjectBuilder {
    ids.iter().fold(ObjectBuilder::new(), |object, name| object.property(*name, text()).required(*name))
}

fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// The field of a user's row, null if there is none.
fn demographics() -> RefOr<Schema> {
    let anything = AdditionalProperties::<Schema>::FreeForm(true);
    let object = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Object, Type::Null]));
    object.additional_properties(Some(anything)).into()
}

/// One value.
fn scalar(kind: ValueKind) -> RefOr<Schema> {
    let kind = match kind {
        ValueKind::Count => SchemaType::Type(Type::Integer),
        ValueKind::Mean => SchemaType::from_iter([Type::Number, Type::Null]),
        ValueKind::Time => SchemaType::from_iter([Type::String, Type::Null]),
    };
    ObjectBuilder::new().schema_type(kind).into()
}

fn map(feature: &Feature) -> ObjectBuilder {
    let values = AdditionalProperties::RefOr(scalar(feature.kind));
    ObjectBuilder::new().additional_properties(Some(values))
}

/// The values of a user: one, or one for each product, category or value.
fn of_all(feature: &Feature) -> RefOr<Schema> {
    match feature.reading {
        Reading::OfUser(_) => scalar(feature.kind),
        Reading::OfProduct(_) | Reading::OfCategory(_) | Reading::OfValue(_) => map(feature).into(),
        // Before the attributes are read there is no map.
        Reading::OfProductValue(_) => {
            map(feature).schema_type(SchemaType::from_iter([Type::Object, Type::Null])).into()
        }
    }
}

/// The values of a user and a product: one, or one for each category or value.
fn of_one(feature: &Feature) -> RefOr<Schema> {
    match feature.reading {
        Reading::OfUser(_) | Reading::OfProduct(_) => scalar(feature.kind),
        Reading::OfCategory(_) | Reading::OfValue(_) | Reading::OfProductValue(_) => of_all(feature),
    }
}

/// The same, or the value of one product.
fn of_any(feature: &Feature) -> RefOr<Schema> {
    match feature.reading {
        Reading::OfProduct(_) => OneOfBuilder::new().item(scalar(feature.kind)).item(of_all(feature)).into(),
        Reading::OfUser(_) | Reading::OfCategory(_) | Reading::OfValue(_) | Reading::OfProductValue(_) => {
            of_all(feature)
        }
    }
}

/// The users or products of a request: ids as in events.
pub(crate) fn ids() -> Array {
    values::ids().min_items(Some(1)).max_items(Some(USERS_MAX)).build()
}

/// The features of a request.
pub(crate) fn names() -> Array {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(FEATURES.iter().map(|feature| feature.name).collect::<Vec<_>>()));
    ArrayBuilder::new().items(name).min_items(Some(1)).unique_items(true).build()
}

/// The layout of a table.
pub(crate) fn layout() -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["rows", "columns"])).build()
}
