//! `/v1/features` and `/v1/users/{user}/features`: what users did with products and categories, and what can be asked.

mod demographics;
pub(crate) mod followed;
mod plan;
mod question;
mod table;

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::routing::on;
use dataflow::features::{FEATURES, Feature, Reading};
use dataflow::index_reader::ProductFeatures;
use hyper::header::HeaderMap;
use hyper::{Response, Uri};

use self::plan::{FeaturePlan, inputs};
use self::question::Question;
use crate::answer::features::schemas::{self, DescribedFeature, FeatureList};
use crate::answer::features::{ValueWriter, Values, object};
use crate::answer::{self, instant};
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope, schema_of};
use crate::ids;
use crate::operations::Operations;
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::{self, Problem, row};
use crate::read_state::ReadState;
use crate::request::ListRequest;

/// The catalogue of features, and the features of many users.
pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "features",
    paths: &["/v1/features"],
    owner: Owner::Receiver,
    operations: &[
        Operation {
            answers: &[Answer::json::<FeatureList>(200, "The features, and up to which time each holds everything")],
            problems: &[problem::OF_LISTS],
            route: Some(|method| on(method, describe)),
            ..Operation::get(Scope::Read, "The features that can be asked for")
        },
        Operation {
            parameters: ParameterSet::Table,
            body: &["application/json", "text/plain;charset=UTF-8"],
            body_schema: Some(schema_of::<Question>),
            answers: &[Answer {
                status: 200,
                description: "The features, by rows or by columns",
                body: Some(("application/json", schemas::table)),
            }],
            problems: &[
                problem::OF_LISTS,
                problem::OF_FEATURES,
                problem::OF_BODIES,
                problem::OF_OWNERS,
                QUESTIONS,
                row::OF_ROWS,
            ],
            route: Some(|method| on(method, table::handle)),
            ..Operation::post(Scope::Read, "Features of many users, for models that are served")
        },
    ],
};

const QUESTIONS: &[Problem] = &[Problem::NoObject(&[]), Problem::BadField { field: "", must: String::new() }];

/// All features of a user.
pub(crate) static OF_USER: Endpoint = Endpoint {
    label: "user_features",
    paths: &["/v1/users/{user}/features"],
    owner: Owner::User,
    operations: &[Operation {
        parameters: ParameterSet::Features,
        answers: &[Answer {
            status: 200,
            description: "The features; for an unknown user those of a user who did nothing",
            body: Some(("application/json", schemas::of_user)),
        }],
        problems: &[problem::OF_LISTS, problem::OF_FEATURES],
        read_list: Some(of_user),
        ..Operation::get(Scope::Read, "Features of a user")
    }],
};

/// The features of a user and a product.
pub(crate) static OF_PAIR: Endpoint = Endpoint {
    label: "user_product_features",
    paths: &["/v1/users/{user}/features/{product}"],
    owner: Owner::User,
    operations: &[Operation {
        parameters: ParameterSet::Features,
        answers: &[Answer {
            status: 200,
            description: "The features; for an unknown product those of one to which nothing was done",
            body: Some(("application/json", schemas::of_pair)),
        }],
        problems: &[problem::OF_LISTS, problem::OF_FEATURES],
        route: Some(|method| on(method, of_pair)),
        ..Operation::get(Scope::Read, "Features of a user and a product")
    }],
};

/// Whether features are kept.
fn check_on(read: &ReadState) -> Result<(), Problem> {
    if read.reader.rules().features.enabled { Ok(()) } else { Err(Problem::FeaturesOff) }
}

async fn describe(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
) -> Result<Response<Body>, Problem> {
    let read = &operations.read;
    let enabled = check_on(read).is_ok();
    let at = read.reader.view_any().as_of();
    let has_attributes = read.reader.attributes().get().is_some();
    let is_known =
        |feature: &Feature| enabled && (has_attributes || !matches!(feature.reading, Reading::OfProductValue(_)));
    let described = |feature: &'static Feature| {
        let as_of = || read.admit(at, inputs(&[feature]), &parameters).map(|age| instant::text(age.as_of));
        Ok(DescribedFeature {
            name: feature.name,
            key: feature.key(),
            r#type: feature.kind.name(),
            unit: feature.unit,
            definition: feature.definition,
            freshness: feature.freshness(),
            as_of: is_known(feature).then(as_of).transpose()?,
        })
    };
    let features = FEATURES.iter().map(described).collect::<Result<_, Problem>>()?;
    let text = serde_json::to_vec(&FeatureList { enabled, features }).expect("texts always serialise");
    Ok(answer::json(HeaderMap::new(), &text, None))
}

/// A user's features as they are now.
fn of_user(read: &ReadState, request: ListRequest<'_>) -> Result<Response<Body>, Problem> {
    check_on(read)?;
    let (reader, ListRequest { headers, of: user, parameters, .. }) = (&read.reader, request);
    let plan = FeaturePlan::of_users(&parameters.features);
    buffers::with(|AnswerBuffers { out, as_of, names, features, entries, .. }| {
        let key = reader.dictionary().find_user(user);
        let view = reader.view(key);
        let age = read.admit(view.as_of(), plan.inputs, parameters)?;
        let mut found = features.find(&view, [key], plan.wanted(reader));
        let values = Values { of: found.features(0), product: None, limit: parameters.limit };
        let mut writer = ValueWriter { names, dictionary: reader.dictionary(), entries };
        object(out, &[("user-id", user)], &plan.columns, values, &mut writer, as_of.text(age.as_of));
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}

async fn of_pair(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let (read, reader) = (&operations.read, &operations.read.reader);
    check_on(read)?;
    let mut path_ids = OF_PAIR.ids(uri.path()).map(ids::id);
    let mut next = || path_ids.next().unwrap_or(Err(Problem::UnknownPath));
    let (user, product) = (next()?, next()?);
    if let Some(positions) = &parameters.after {
        read.waits.wait_for(positions, parameters.wait).await?;
    }
    let plan = FeaturePlan::of_pair(&parameters.features);
    buffers::with(|AnswerBuffers { out, as_of, names, features, entries, .. }| {
        let key = reader.dictionary().find_user(&user);
        let view = reader.view(key);
        let age = read.admit(view.as_of(), plan.inputs, &parameters)?;
        let mut found = features.find(&view, [key], plan.wanted(reader));
        let of = found.features(0);
        let of_product = reader.dictionary().find_product(&product).map(|product| of.of_product(product));
        let of_product = of_product.unwrap_or_else(ProductFeatures::unknown);
        let values = Values { of, product: Some(&of_product), limit: parameters.limit };
        let ids = [("user-id", &*user), ("product-id", &*product)];
        let mut writer = ValueWriter { names, dictionary: reader.dictionary(), entries };
        object(out, &ids, &plan.columns, values, &mut writer, as_of.text(age.as_of));
        Ok(answer::json(HeaderMap::new(), out, age.missing.as_deref()))
    })
}
