//! `GET /v1/shadow/report`: the comparison of the shadow's lists with those of the shop.

use std::sync::Arc;

use axum::extract::{Extension, State};
use dataflow::freshness::InputKind;
use hyper::Response;
use hyper::header::HeaderMap;

use crate::answer;
use crate::body::Body;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::Problem;

pub(super) async fn handle(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
) -> Result<Response<Body>, Problem> {
    let shadow = operations.app.shadow.as_ref().ok_or(Problem::ShadowOff)?;
    let made = operations.shadow_report.made(&operations.read.reader, shadow).await?;
    let age = operations.read.admit(made.tick, &[InputKind::Shop], &parameters)?;
    Ok(answer::json(HeaderMap::new(), &made.report.text(age.as_of), age.missing.as_deref()))
}
