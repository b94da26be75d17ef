//! `GET /v1/categories`: the categories with their sizes, largest first.

use std::cmp::Reverse;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::routing::on;
use dataflow::freshness::InputKind;
use dataflow::index_reader::IndexReader;
use dataflow::time::Time;
use hyper::Response;
use hyper::header::HeaderMap;
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{self, instant};
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::endpoints::rows::{Categories, RowsOf};
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::{self, Problem};

/// The most categories in an answer.
const CATEGORIES_MAX: usize = 10_000;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "categories",
    paths: &["/v1/categories"],
    owner: Owner::Receiver,
    operations: &[
        Operation {
            answers: &[Answer::json::<CategoryList>(200, "The categories, most products first")],
            problems: &[problem::OF_LISTS],
            route: Some(|method| on(method, handle)),
            ..Operation::get(Scope::Read, "The categories with their sizes")
        },
        RowsOf::<Categories>::CREATE,
    ],
};

/// The categories of the catalogue.
#[derive(Serialize, ToSchema)]
struct CategoryList {
    /// The largest categories, at most 10,000, most products first.
    categories: Vec<Category>,
    /// How many categories there are.
    total: usize,
    /// The list holds everything up to this time.
    as_of: String,
}

/// A category.
#[derive(Serialize, ToSchema)]
struct Category {
    #[schema(value_type = String)]
    category: Arc<str>,
    /// How many products are in it.
    products: u64,
}

async fn handle(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
) -> Result<Response<Body>, Problem> {
    let (read, reader) = (&operations.read, operations.read.reader.clone());
    // Every category is read: this is done outside the serving threads.
    let list = tokio::task::spawn_blocking(move || list(&reader)).await;
    let (at, categories, total) = list.expect("reading the index does not panic");
    let age = read.admit(at, &[InputKind::Shop], &parameters)?;
    let list = CategoryList { categories, total, as_of: instant::text(age.as_of) };
    let text = serde_json::to_vec(&list).expect("texts and numbers always serialise");
    Ok(answer::json(HeaderMap::new(), &text, age.missing.as_deref()))
}

/// The time of the state read, the largest categories, and the number of all.
fn list(reader: &IndexReader) -> (Time, Vec<Category>, usize) {
    let (at, mut sizes) = {
        let view = reader.view_any();
        (view.as_of(), view.category_sizes())
    };
    let total = sizes.len();
    sizes.sort_unstable_by_key(|(key, size)| (Reverse(size.products), *key));
    let named = sizes.into_iter().take(CATEGORIES_MAX).filter_map(|(key, size)| {
        Some(Category { category: reader.dictionary().category_name(key)?, products: size.products })
    });
    (at, named.collect(), total)
}
