//! The shop's rows: `/v1/products`, `/v1/categories`, `/v1/users` and `/v1/purchases`, where Vitrine keeps them.
//!
//! ```text
//! request ─▶ is there a store? ─▶ row within its bounds ─▶ Store ─▶ durable ─▶ answer with tag and token
//! ```
//! A row written here is in the lists when the source that follows the store has read it: `after=` with the token of
//! the answer waits for this.

mod batch;
mod change;
mod conditions;
mod content;
mod erasure;
mod export;
mod import;
mod purchase;
mod read;
mod schemas;
pub(crate) mod transfer;

use std::marker::PhantomData;

use axum::routing::on;
use store::Kind;

use crate::answer::erasure::ErasureReceipt;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope, Verb, schema_of};
use crate::parameters::ParameterSet;
use crate::problem::{self, row};
use schemas::{BatchDone, page_schema, patch_schema, replacement_schema, row_schema, rows_schema};

/// A kind of rows as a type, for handlers and declarations of each kind.
pub(crate) trait Resource: 'static {
    const KIND: Kind;
    /// What a caller must be allowed to do to read the rows.
    const READ: Scope;
    const PAGE: &'static str;
    const ONE: &'static str;
    const ADD: &'static str;
    const REPLACE: &'static str;
    const CHANGE: &'static str;
    const REMOVE: &'static str;
    const BATCH: &'static str;
    const ALL: &'static str;
    /// The name of a deletion in the audit log.
    const REMOVED: &'static str;
}

macro_rules! resource {
    ($name:ident, $read:ident, $one:literal, $all:literal) => {
        #[doc = concat!("The ", $all, ".")]
        pub(crate) struct $name;

        impl Resource for $name {
            const KIND: Kind = Kind::$name;
            const READ: Scope = Scope::$read;
            const PAGE: &'static str = concat!("A page of the ", $all, ", in the order of their ids");
            const ONE: &'static str = concat!("A ", $one);
            const ADD: &'static str = concat!("Add a ", $one);
            const REPLACE: &'static str = concat!("Replace a ", $one, ", or add it");
            const CHANGE: &'static str = concat!("Change some fields of a ", $one, " by a merge patch (RFC 7396)");
            const REMOVE: &'static str = concat!("Delete a ", $one);
            const BATCH: &'static str = concat!("Add or replace up to 1000 ", $all, ": all of them or none");
            const ALL: &'static str =
                concat!("All ", $all, ", in the order of their ids, as a file that an import reads");
            const REMOVED: &'static str = concat!($one, ".delete");
        }
    };
}

resource!(Products, Read, "product", "products");
resource!(Categories, Read, "category", "categories");
// Rows about persons are not for the keys that a page carries.
resource!(Users, Write, "user", "users");
resource!(Purchases, Write, "purchase", "purchases");

const JSON: &str = "application/json";

/// The group of these paths in the documentation.
const TAG: Option<&str> = Some("rows");

const IF_MATCH: (&str, &str) =
    ("If-Match", "The write is done only if the row has one of these tags; * for any row that is there");

const IF_NONE_MATCH: (&str, &str) =
    ("If-None-Match", "With *, the row is only added: if it is there, nothing is written");

const IDEMPOTENCY_KEY: (&str, &str) = (
    "Idempotency-Key",
    "A request with the same key and the same body within a day has no second effect, and gets the same answer",
);

const WRITTEN: &str = "The row, which is durable; the header vitrine-token has a value for `after`";

/// The operations on rows of one kind.
pub(crate) struct RowsOf<R>(PhantomData<R>);

impl<R: Resource> RowsOf<R> {
    const ROW: (&'static str, crate::endpoint::SchemaOf) = (JSON, row_schema::<R>);

    pub(crate) const PAGE: Operation = Operation {
        parameters: ParameterSet::Rows(R::KIND),
        answers: &[Answer { status: 200, description: "The rows of the page", body: Some((JSON, page_schema::<R>)) }],
        problems: &[row::OF_ROWS],
        route: Some(|method| on(method, read::page::<R>)),
        tag: TAG,
        ..Operation::get(R::READ, R::PAGE)
    };

    pub(crate) const CREATE: Operation = Operation {
        optional_headers: &[IDEMPOTENCY_KEY],
        body: &[JSON],
        body_schema: Some(row_schema::<R>),
        answers: &[Answer { status: 201, description: WRITTEN, body: Some(Self::ROW) }],
        problems: &[row::OF_ROWS, row::OF_ROW_WRITES, row::OF_ROW_POSTS, problem::OF_BODIES],
        route: Some(|method| on(method, change::create::<R>)),
        tag: TAG,
        ..Operation::post(Scope::Write, R::ADD)
    };

    const GET: Operation = Operation {
        optional_headers: &[("If-None-Match", "The answer is 304 if the row has one of these tags")],
        answers: &[
            Answer { status: 200, description: "The row; its tag is in the header etag", body: Some(Self::ROW) },
            Answer::empty(304, "The row has one of the tags"),
        ],
        problems: &[row::OF_ROWS, row::OF_ONE_ROW],
        route: Some(|method| on(method, read::one::<R>)),
        tag: TAG,
        ..Operation::get(R::READ, R::ONE)
    };

    const PUT: Operation = Operation {
        optional_headers: &[IF_MATCH, IF_NONE_MATCH],
        body: &[JSON],
        body_schema: Some(replacement_schema::<R>),
        answers: &[
            Answer { status: 200, description: WRITTEN, body: Some(Self::ROW) },
            Answer { status: 201, description: WRITTEN, body: Some(Self::ROW) },
        ],
        problems: &[row::OF_ROWS, row::OF_ROW_WRITES, row::OF_ROW_CHANGES, row::OF_ROW_PUTS, problem::OF_BODIES],
        route: Some(|method| on(method, change::put::<R>)),
        tag: TAG,
        ..Operation::of(Verb::Put, Scope::Write, R::REPLACE)
    };

    const PATCH: Operation = Operation {
        optional_headers: &[IF_MATCH],
        body: &["application/merge-patch+json", JSON],
        body_schema: Some(patch_schema::<R>),
        answers: &[Answer { status: 200, description: WRITTEN, body: Some(Self::ROW) }],
        problems: &[row::OF_ROWS, row::OF_ONE_ROW, row::OF_ROW_WRITES, row::OF_ROW_CHANGES, problem::OF_BODIES],
        route: Some(|method| on(method, change::patch::<R>)),
        tag: TAG,
        ..Operation::of(Verb::Patch, Scope::Write, R::CHANGE)
    };

    const DELETE: Operation = Operation {
        optional_headers: &[IF_MATCH],
        answers: &[Answer::empty(204, "The row is gone; the header vitrine-token has a value for `after`")],
        problems: &[row::OF_ROWS, row::OF_ONE_ROW, row::OF_ROW_WRITES, row::OF_ROW_CHANGES],
        route: Some(|method| on(method, change::delete::<R>)),
        tag: TAG,
        audited_as: Some(R::REMOVED),
        ..Operation::delete(Scope::Delete, R::REMOVE)
    };

    const BATCH: Operation = Operation {
        optional_headers: &[IDEMPOTENCY_KEY],
        body: &[JSON],
        body_schema: Some(rows_schema::<R>),
        answers: &[Answer {
            status: 200,
            description: "The rows are durable",
            body: Some((JSON, schema_of::<BatchDone>)),
        }],
        problems: &[row::OF_ROWS, row::OF_ROW_WRITES, row::OF_ROW_POSTS, problem::OF_BODIES],
        route: Some(|method| on(method, batch::batch::<R>)),
        tag: TAG,
        ..Operation::post(Scope::Write, R::BATCH)
    };
}

/// Erases a user: the row, if Vitrine keeps it, and all that the user did.
const ERASE: Operation = Operation {
    owner: Some(Owner::User),
    parameters: ParameterSet::Wait,
    optional_headers: &[IF_MATCH],
    answers: &[Answer::json::<ErasureReceipt<'_>>(200, "The erasure is durable and visible")],
    problems: &[problem::OF_LISTS, problem::OF_ERASURES, row::OF_ROWS, row::OF_ONE_ROW, row::OF_ROW_WRITES],
    route: Some(|method| on(method, erasure::erase)),
    audited_as: Some("user.erase"),
    ..Operation::delete(Scope::Delete, "Erase a user: nothing that the user did until now counts any more")
};

/// Marks a whole purchase or a line of it.
const fn mark(summary: &'static str) -> Operation {
    Operation {
        optional_headers: &[IF_MATCH, IDEMPOTENCY_KEY],
        answers: &[Answer { status: 200, description: WRITTEN, body: Some((JSON, row_schema::<Purchases>)) }],
        problems: &[
            row::OF_ROWS,
            row::OF_ONE_ROW,
            row::OF_ROW_WRITES,
            row::OF_ROW_CHANGES,
            row::OF_ROW_POSTS,
            problem::OF_BODIES,
        ],
        tag: TAG,
        ..Operation::post(Scope::Write, summary)
    }
}

macro_rules! endpoints {
    ($($name:ident, $label:literal, $path:literal, [$($operation:expr),+];)+) => {$(
        pub(crate) static $name: Endpoint = Endpoint {
            label: $label,
            paths: &[$path],
            owner: Owner::Receiver,
            operations: &[$($operation),+],
        };
    )+};
}

endpoints! {
    PRODUCTS, "products", "/v1/products", [RowsOf::<Products>::PAGE, RowsOf::<Products>::CREATE];
    PRODUCT, "product", "/v1/products/{product}",
        [RowsOf::<Products>::GET, RowsOf::<Products>::PUT, RowsOf::<Products>::PATCH, RowsOf::<Products>::DELETE];
    PRODUCT_BATCH, "product_batch", "/v1/products:batch", [RowsOf::<Products>::BATCH];
    // `GET /v1/categories` is the list of the categories that the lists know.
    CATEGORIES, "category_rows", "/v1/categories:list", [RowsOf::<Categories>::PAGE];
    CATEGORY, "category", "/v1/categories/{category}",
        [RowsOf::<Categories>::GET, RowsOf::<Categories>::PUT, RowsOf::<Categories>::PATCH, RowsOf::<Categories>::DELETE];
    CATEGORY_BATCH, "category_batch", "/v1/categories:batch", [RowsOf::<Categories>::BATCH];
    USERS, "users", "/v1/users", [RowsOf::<Users>::PAGE, RowsOf::<Users>::CREATE];
    USER, "user", "/v1/users/{user}",
        [RowsOf::<Users>::GET, RowsOf::<Users>::PUT, RowsOf::<Users>::PATCH, ERASE];
    USER_BATCH, "user_batch", "/v1/users:batch", [RowsOf::<Users>::BATCH];
    PURCHASES, "purchases", "/v1/purchases", [RowsOf::<Purchases>::PAGE, RowsOf::<Purchases>::CREATE];
    PURCHASE, "purchase", "/v1/purchases/{purchase}",
        [RowsOf::<Purchases>::GET, RowsOf::<Purchases>::PUT, RowsOf::<Purchases>::PATCH, RowsOf::<Purchases>::DELETE];
    PURCHASE_BATCH, "purchase_batch", "/v1/purchases:batch", [RowsOf::<Purchases>::BATCH];
    CANCELLATION, "purchase_cancellation", "/v1/purchases/{purchase}/cancel", [Operation {
        route: Some(|method| on(method, purchase::cancel)),
        ..mark("Cancel a purchase: it counts in no list any more")
    }];
    RETURN, "purchase_return", "/v1/purchases/{purchase}/lines/{line}/return", [Operation {
        route: Some(|method| on(method, purchase::give_back)),
        ..mark("Mark a line of a purchase, counted from 1, as returned: it counts in no list any more")
    }];
}
