//! `/v1/shadow/…`: the lists of the shadow, in the shapes of the shop's lists, and their comparison with these.

mod report;

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::routing::on;
use hyper::{Response, Uri};

use super::{best_sellers, history, recommendations};
use crate::answer::recommended_schemas::RecommendationList;
use crate::answer::schemas::{BestSellerList, HistoryList};
use crate::answer::shadow::ShadowReport;
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, ReadList, Scope};
use crate::ids;
use crate::operations::Operations;
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::{self, Problem};
use crate::request::ListRequest;

pub(crate) static BEST_SELLERS: Endpoint = Endpoint {
    label: "shadow_bestsellers",
    paths: &["/v1/shadow/bestsellers"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::ShadowList,
        answers: &[Answer::json::<BestSellerList>(200, "The best sellers over all products")],
        problems: &[problem::OF_LISTS, problem::OF_SHADOW],
        route: Some(|method| on(method, general)),
        ..Operation::get(Scope::Read, "The best sellers by the numbers and rules of the shadow")
    }],
};

pub(crate) static CATEGORY_BEST_SELLERS: Endpoint = Endpoint {
    label: "shadow_category_bestsellers",
    paths: &["/v1/shadow/categories/{category}/bestsellers"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::ShadowList,
        answers: &[Answer::json::<BestSellerList>(200, "The best sellers of the category")],
        problems: &[problem::OF_LISTS, problem::OF_SHADOW, &[Problem::UnknownCategory]],
        route: Some(|method| on(method, of_category)),
        ..Operation::get(Scope::Read, "The best sellers of a category by the numbers and rules of the shadow")
    }],
};

pub(crate) static HISTORY: Endpoint = Endpoint {
    label: "shadow_history",
    paths: &["/v1/shadow/users/{user}/history"],
    owner: Owner::User,
    operations: &[Operation {
        parameters: ParameterSet::ShadowList,
        answers: &[Answer::json::<HistoryList>(200, "The history; empty for an unknown user")],
        problems: &[problem::OF_LISTS, problem::OF_SHADOW],
        route: Some(|method| on(method, of_history)),
        ..Operation::get(Scope::Read, "The products a user viewed last, as the shadow shows them")
    }],
};

pub(crate) static RECOMMENDATIONS: Endpoint = Endpoint {
    label: "shadow_recommendations",
    paths: &["/v1/shadow/users/{user}/recommendations"],
    owner: Owner::User,
    operations: &[Operation {
        parameters: ParameterSet::ShadowList,
        answers: &[Answer::json::<RecommendationList>(
            200,
            "The recommendations; the general ones for an unknown user",
        )],
        problems: &[problem::OF_LISTS, problem::OF_SHADOW],
        route: Some(|method| on(method, of_user)),
        ..Operation::get(Scope::Read, "Recommendations for a user by the numbers and rules of the shadow")
    }],
};

pub(crate) static REPORT: Endpoint = Endpoint {
    label: "shadow_report",
    paths: &["/v1/shadow/report"],
    owner: Owner::Receiver,
    operations: &[Operation {
        answers: &[Answer::json::<ShadowReport>(200, "The comparison, made after the request came")],
        problems: &[problem::OF_LISTS, problem::OF_SHADOW, &[Problem::NotReady(String::new())]],
        route: Some(|method| on(method, report::handle)),
        ..Operation::get(
            Scope::Read,
            "How the lists of the shadow differ from those of the shop, and which of them had more hits",
        )
    }],
};

async fn general(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
) -> Result<Response<Body>, Problem> {
    read(&operations, parameters, "", best_sellers::answer).await
}

async fn of_category(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let category = ids::id(CATEGORY_BEST_SELLERS.ids(uri.path()).next().unwrap_or_default())?;
    read(&operations, parameters, &category, best_sellers::answer).await
}

async fn of_history(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let user = ids::id(HISTORY.ids(uri.path()).next().unwrap_or_default())?;
    read(&operations, parameters, &user, |read, request| history::answer(read, request, false)).await
}

async fn of_user(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let user = ids::id(RECOMMENDATIONS.ids(uri.path()).next().unwrap_or_default())?;
    read(&operations, parameters, &user, |read, request| recommendations::answer(read, request, false)).await
}

/// Answers with the shadow's list, which `read_list` makes from the shadow's state.
async fn read(
    operations: &Operations,
    mut parameters: Parameters,
    of: &str,
    read_list: ReadList,
) -> Result<Response<Body>, Problem> {
    let shadow = operations.shadow.as_ref().ok_or(Problem::ShadowOff)?;
    if let Some(positions) = parameters.after.take() {
        shadow.waits.wait_for(&positions, parameters.wait).await?;
    }
    let headers = hyper::header::HeaderMap::new();
    read_list(shadow, ListRequest { headers, of, parameters: &parameters, is_shown: false })
}
