//! `GET /v1/bestsellers` and `GET /v1/categories/{category}/bestsellers`: the products with the most buyers.

use dataflow::graph::{BestSellers, ListId};
use dataflow::hearing::Part;
use hyper::Response;
use hyper::header::HeaderMap;

use crate::answer;
use crate::body::Body;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::scratch::{self, Scratch};
use crate::shared::Shared;

/// The list of one category, or over all products, as it is now.
pub(crate) fn read(
    shared: &Shared,
    headers: HeaderMap,
    category: Option<&str>,
    parameters: &Parameters,
) -> Result<Response<Body>, Problem> {
    let reader = &shared.app.reader;
    scratch::with(|Scratch { out, sellers, as_of, names, .. }| {
        let view = reader.view_any();
        let age = shared.admit(view.as_of(), &[Part::Shop], parameters)?;
        let ranking = match category {
            None => ListId::General,
            Some(category) => {
                let key = reader.dictionary().find_category(category).filter(|key| view.knows_category(*key));
                ListId::Category(key.ok_or(Problem::UnknownCategory)?)
            }
        };
        view.list::<BestSellers>(&ranking, sellers);
        sellers.truncate(parameters.limit);
        let (as_of, names) = (as_of.text(age.as_of), (names, &**reader.dictionary()));
        answer::best_sellers::best_sellers(out, category, sellers, names, as_of, parameters.explain);
        Ok(answer::json(headers, out, age.missing.as_deref()))
    })
}
