//! `POST /v1/import/…` and `GET /v1/export/…`: files into the store, and the store into files.

use axum::routing::on;
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::content::{CSV, Imported, LINES, Shop};
use super::{Categories, Products, Purchases, Resource, TAG, Users, export, import};
use crate::answer::import::ReportBody;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, SchemaOf, Scope, schema_of};
use crate::parameters::ParameterSet;
use crate::problem::{self, row};

const TEXT: SchemaOf = |_| ObjectBuilder::new().schema_type(Type::String).into();

const TABLE: SchemaOf = |_| {
    let sentence = "Records separated by commas, semicolons or tabs; the first one names the columns";
    ObjectBuilder::new().schema_type(Type::String).description(Some(sentence)).into()
};

const fn import_of<C: Imported>() -> Operation {
    Operation {
        parameters: ParameterSet::Import,
        body: C::BODY,
        body_schema: Some(TABLE),
        answers: &[Answer {
            status: 200,
            description: "The report. The rows are durable, unless it was a dry run",
            body: Some(("application/json", schema_of::<ReportBody<'_>>)),
        }],
        problems: &[row::OF_ROWS, row::OF_IMPORTS, problem::OF_BODIES],
        route: Some(|method| on(method, import::import::<C>)),
        tag: TAG,
        audited_as: Some(C::DONE),
        ..Operation::post(Scope::Write, C::SUMMARY)
    }
}

const fn export_of<R: Resource>() -> Operation {
    Operation {
        parameters: ParameterSet::Export,
        answers: &[
            Answer { status: 200, description: "All rows, of one state of the store", body: Some((CSV, TEXT)) },
            Answer { status: 200, description: "All rows, of one state of the store", body: Some((LINES, TEXT)) },
        ],
        problems: &[row::OF_ROWS, row::OF_EXPORTS],
        route: Some(|method| on(method, export::export::<R>)),
        tag: TAG,
        ..Operation::get(R::READ, R::ALL)
    }
}

macro_rules! transfers {
    ($($name:ident, $label:literal, $path:literal, $operation:expr;)+) => {$(
        pub(crate) static $name: Endpoint =
            Endpoint { label: $label, paths: &[$path], owner: Owner::Receiver, operations: &[$operation] };
    )+};
}

transfers! {
    IMPORT_PRODUCTS, "import_products", "/v1/import/products", import_of::<Products>();
    IMPORT_CATEGORIES, "import_categories", "/v1/import/categories", import_of::<Categories>();
    IMPORT_USERS, "import_users", "/v1/import/users", import_of::<Users>();
    IMPORT_PURCHASES, "import_purchases", "/v1/import/purchases", import_of::<Purchases>();
    IMPORT_SHOP, "import_shop", "/v1/import/shop", import_of::<Shop>();
    EXPORT_PRODUCTS, "export_products", "/v1/export/products", export_of::<Products>();
    EXPORT_CATEGORIES, "export_categories", "/v1/export/categories", export_of::<Categories>();
    EXPORT_USERS, "export_users", "/v1/export/users", export_of::<Users>();
    EXPORT_PURCHASES, "export_purchases", "/v1/export/purchases", export_of::<Purchases>();
}
