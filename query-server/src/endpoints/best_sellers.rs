//! `GET /v1/bestsellers` and `GET /v1/categories/{category}/bestsellers`: the products with the most buyers.

use dataflow::freshness::InputKind;
use dataflow::graph::{BestSellers, ListId};
use hyper::Response;

use crate::answer;
use crate::answer::schemas::BestSellerList;
use crate::body::Body;
use crate::buffers::{self, AnswerBuffers};
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope};
use crate::parameters::ParameterSet;
use crate::problem::{self, Problem};
use crate::read_state::ReadState;
use crate::request::ListRequest;

pub(crate) static IN_GENERAL: Endpoint = Endpoint {
    label: "bestsellers",
    paths: &["/v1/bestsellers"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::List,
        answers: &[Answer::json::<BestSellerList>(200, "The best sellers over all products")],
        problems: &[problem::OF_LISTS],
        read_list: Some(answer),
        ..Operation::get(Scope::Read, "The products with the most buyers")
    }],
};

pub(crate) static OF_CATEGORY: Endpoint = Endpoint {
    label: "category_bestsellers",
    paths: &["/v1/categories/{category}/bestsellers"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::List,
        answers: &[Answer::json::<BestSellerList>(200, "The best sellers of the category")],
        problems: &[problem::OF_LISTS, &[Problem::UnknownCategory]],
        read_list: Some(answer),
        ..Operation::get(Scope::Read, "The products of a category with the most buyers")
    }],
};

/// The list over all products or of one category, as it is now.
pub(super) fn answer(read: &ReadState, request: ListRequest<'_>) -> Result<Response<Body>, Problem> {
    let (reader, ListRequest { headers, of, parameters, .. }) = (&read.reader, request);
    let category = Some(of).filter(|of| !of.is_empty());
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
        let moves = view.list::<BestSellers>(&list, sellers);
        sellers.truncate(parameters.limit);
        let (as_of, names) = (as_of.text(age.as_of), (names, &**reader.dictionary()));
        let explain = parameters.explain.then_some(&*moves);
        answer::best_sellers::best_sellers(out, category, sellers, names, as_of, explain);
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
