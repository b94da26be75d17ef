//! `DELETE /v1/users/{user}/history/{product}`: remove a product from a history, durably and visibly.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::routing::on;
use dataflow::freshness::InputKind;
use dataflow::graph::History;
use dataflow::time::Millis;
use hyper::{Response, Uri};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::answer;
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::ids;
use crate::operations::Operations;
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::{self, Problem};

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "history_product",
    paths: &["/v1/users/{user}/history/{product}"],
    owner: Owner::User,
    operations: &[Operation {
        parameters: ParameterSet::Wait,
        answers: &[Answer::empty(204, "The removal is durable and visible")],
        problems: &[problem::OF_LISTS, problem::OF_REMOVALS],
        route: Some(|method| on(method, handle)),
        audited_as: Some("history.remove"),
        ..Operation::delete(Scope::Delete, "Remove a product from a user's history")
    }],
};

async fn handle(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let mut path_ids = ENDPOINT.ids(uri.path()).map(ids::id);
    let mut next = || path_ids.next().unwrap_or(Err(Problem::UnknownPath));
    let (user, product) = (next()?.into_owned(), next()?.into_owned());
    remove(operations, user, product, parameters).await
}

/// The path of a product in a user's history.
pub(crate) fn path(user: &str, product: &str) -> String {
    let encoded = |id| utf8_percent_encode(id, NON_ALPHANUMERIC);
    format!("/v1/users/{}/history/{}", encoded(user), encoded(product))
}

/// Answers 204 once the removal is durable and no later GET shows the product.
pub(crate) async fn remove(
    operations: Arc<Operations>,
    user: String,
    product: String,
    parameters: Parameters,
) -> Result<Response<Body>, Problem> {
    let read = &operations.read;
    if let Some(positions) = &parameters.after {
        read.waits.wait_for(positions, parameters.wait).await?;
    }
    read.admit(read.reader.view_any().as_of(), &[InputKind::Views], &parameters)?;
    let viewed_at = viewed_at(&operations, &user, &product).ok_or(Problem::NotInHistory)?;
    // A removal covers the latest view, also where the clock that dated the view is ahead of this one. It is not dated further
    // ahead, because it would hide later views.
    let at = operations.app.event_writer.present().max(viewed_at);
    let removing = operations.app.event_writer.remove(&user, &product, at);
    let timeout = Duration::from_millis(operations.settings.intake_timeout_ms);
    let position = tokio::time::timeout(timeout, removing).await.map_err(|_| Problem::WriteTimeout)??;
    read.waits.wait_for(&[position], read.wait_max()).await.map_err(|_| Problem::RemovalNotVisible)?;
    Ok(answer::no_content())
}

/// When the user viewed the product last, if the history holds it.
fn viewed_at(operations: &Operations, user: &str, product: &str) -> Option<Millis> {
    let reader = &operations.read.reader;
    let product = reader.dictionary().find_product(product)?;
    buffers::with(|AnswerBuffers { viewed, .. }| {
        let key = reader.dictionary().find_user(user);
        reader.view(key).rows::<History>(&key, viewed);
        viewed.iter().find(|(row, _)| row.product == product).map(|(row, _)| row.at())
    })
}
