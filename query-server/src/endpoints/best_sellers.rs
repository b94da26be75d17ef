//! `GET /v1/bestsellers` and `GET /v1/categories/{category}/bestsellers`: the products with the most buyers.

use dataflow::freshness::InputKind;
use dataflow::graph::{BestSellers, ListId};
use hyper::Response;
use hyper::header::HeaderMap;

use crate::answer;
use crate::answer::schemas::BestSellerList;
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope, Verb};
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::{self, Problem};
use crate::read_state::ReadState;

pub(crate) static IN_GENERAL: Endpoint = Endpoint {
    label: "bestsellers",
    paths: &["/v1/bestsellers"],
    owner: Owner::Receiver,
    operations: &[Operation {
        verb: Verb::Get,
        scope: Scope::Read,
        summary: "The products with the most buyers",
        parameters: ParameterSet::List,
        answers: &[Answer::json::<BestSellerList>(200, "The best sellers over all products")],
        problems: &[problem::OF_LISTS],
        ..Operation::PLAIN
    }],
};

pub(crate) static OF_CATEGORY: Endpoint = Endpoint {
    label: "category_bestsellers",
    paths: &["/v1/categories/{category}/bestsellers"],
    owner: Owner::Receiver,
    operations: &[Operation {
        verb: Verb::Get,
        scope: Scope::Read,
        summary: "The products of a category with the most buyers",
        parameters: ParameterSet::List,
        answers: &[Answer::json::<BestSellerList>(200, "The best sellers of the category")],
        problems: &[problem::OF_LISTS, &[Problem::UnknownCategory]],
        ..Operation::PLAIN
    }],
};

/// The list over all products, as it is now.
pub(crate) fn read_in_general(
    read: &ReadState,
    headers: HeaderMap,
    _: &str,
    parameters: &Parameters,
) -> Result<Response<Body>, Problem> {
    answer(read, headers, None, parameters)
}

/// The list of one category, as it is now.
pub(crate) fn read_of_category(
    read: &ReadState,
    headers: HeaderMap,
    category: &str,
    parameters: &Parameters,
) -> Result<Response<Body>, Problem> {
    answer(read, headers, Some(category), parameters)
}

fn answer(
    read: &ReadState,
    headers: HeaderMap,
    category: Option<&str>,
    parameters: &Parameters,
) -> Result<Response<Body>, Problem> {
    let reader = &read.reader;
    buffers::with(|AnswerBuffers { out, sellers, as_of, names, .. }| {
        let view = reader.view_any();
        let age = read.admit(view.as_of(), &[InputKind::Shop], parameters)?;
        let list = match category {
            None => ListId::General,
            Some(category) => {
                let key = reader.dictionary().find_category(category).filter(|key| view.knows_category(*key));
                ListId::Category(key.ok_or(Problem::UnknownCategory)?)
            }
        };
        view.list::<BestSellers>(&list, sellers);
        sellers.truncate(parameters.limit);
        let (as_of, names) = (as_of.text(age.as_of), (names, &**reader.dictionary()));
        answer::best_sellers::best_sellers(out, category, sellers, names, as_of, parameters.explain);
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
