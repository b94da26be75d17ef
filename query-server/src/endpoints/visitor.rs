//! `POST /v1/recommendations`: recommendations for a visitor who is not known, after the products viewed.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::routing::on;
use dataflow::freshness::InputKind;
use dataflow::ids::ProductKey;
use dataflow::index_reader::Kind;
use hyper::Response;
use hyper::header::HeaderMap;
use recommend::{Asked, Variant, Workspace, is_personal};

use self::question::Question;
use super::events::split::Framing;
use crate::answer;
use crate::answer::recommended::{Ending, Page, Subject};
use crate::answer::recommended_schemas::VisitorList;
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope, schema_of};
use crate::operations::Operations;
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::{self, Problem};
use crate::read_state::ReadState;
use crate::request_body::RequestBody;

mod question;

pub(crate) static ENDPOINT: Endpoint = Endpoint {
    label: "visitor_recommendations",
    paths: &["/v1/recommendations"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::Question,
        body: &["application/json", "text/plain;charset=UTF-8"],
        body_schema: Some(schema_of::<Question>),
        answers: &[Answer::json::<VisitorList>(200, "The recommendations")],
        problems: &[
            problem::OF_LISTS,
            problem::OF_MODELS,
            problem::OF_BODIES,
            &[Problem::UnknownCategory, Problem::BadField { field: "", must: String::new() }, Problem::NoObject(&[])],
        ],
        route: Some(|method| on(method, handle)),
        ..Operation::post(
            Scope::Read,
            "Recommendations after the products that a visitor viewed, who need not be known",
        )
    }],
};

/// Bytes of a body that are read in the serving thread itself: some dozens of microseconds.
const READ_AT_ONCE_BYTES_MAX: usize = 16 << 10;

async fn handle(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    framing: Framing,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    if framing == Framing::Lines {
        return Err(Problem::MediaType("the body must be application/json, in UTF-8"));
    }
    let read = operations.read.clone();
    let question = if body.bytes.len() > READ_AT_ONCE_BYTES_MAX {
        let (read, bytes) = (read.clone(), body.bytes.clone());
        let reading = tokio::task::spawn_blocking(move || Question::read(&bytes, &read));
        reading.await.expect("reading a question does not panic")?
    } else {
        Question::read(&body.bytes, &read)?
    };
    if let Some(switch) = read.recommender.chain(question.page(), Variant::A).switch() {
        return Err(Problem::ModelOff(switch));
    }
    if let Some(positions) = &parameters.after {
        read.waits.wait_for(positions, parameters.wait).await?;
    }
    answer(&read, &question, &parameters)
}

/// The recommendations as they are now.
fn answer(read: &ReadState, question: &Question, parameters: &Parameters) -> Result<Response<Body>, Problem> {
    let (reader, dictionary) = (&read.reader, read.reader.dictionary());
    let known =
        |ids: &[String]| -> Vec<ProductKey> { ids.iter().filter_map(|id| dictionary.find_product(id)).collect() };
    let (mut viewed, exclude) = (known(&question.viewed), known(&question.exclude));
    keep_first_of_each(&mut viewed);
    let find = |category: &String| dictionary.find_category(category).ok_or(Problem::UnknownCategory);
    let category = question.category.as_ref().map(find).transpose()?;
    buffers::with(|AnswerBuffers { out, as_of, names, workspace, answer_ids, .. }| {
        let workspace = workspace.get_or_insert_with(|| Workspace::new(reader.rules()));
        let view = reader.wide_view_any();
        let age = read.admit(view.as_of(), &InputKind::ALL, parameters)?;
        if category.is_some_and(|category| !view.knows_category(category)) {
            return Err(Problem::UnknownCategory);
        }
        let size = question.limit.unwrap_or(reader.rules().list_size);
        let asked = Asked { user: None, viewed: &viewed, exclude: &exclude, category, size };
        let list = read.recommender.chain(question.page(), Variant::A).recommend(&view, &asked, workspace);
        let kind = if is_personal(list.own()) { Kind::Personalized } else { Kind::NonPersonalized };
        let ending = Ending::Whole { as_of: as_of.text(age.as_of), id: answer_ids.next() };
        let page = Page { subject: Subject::Visitor, rows: &list.rows, moves: &list.moves, kind, ending };
        if let Some(online) = &read.online {
            page.count(online, None, Variant::A);
        }
        page.write(out, (names, dictionary), parameters.explain.then_some(&view));
        Ok(answer::json(HeaderMap::new(), out, age.missing.as_deref()))
    })
}

/// Removes repetitions; the first occurrence of a product stays.
fn keep_first_of_each(products: &mut Vec<ProductKey>) {
    let mut seen = std::collections::HashSet::with_capacity(products.len());
    products.retain(|product| seen.insert(*product));
}
