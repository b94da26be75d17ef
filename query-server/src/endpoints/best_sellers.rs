//! `GET /v1/bestsellers` and `GET /v1/categories/{category}/bestsellers`: the products with the most buyers.

use std::borrow::Cow;
use std::sync::Arc;

use dataflow::rows::Ranking;
use hyper::Response;
use hyper::header::HeaderMap;

use super::Reply;
use crate::answer;
use crate::body::Body;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::scratch::{self, Scratch};
use crate::shared::Shared;

/// The list over all products.
pub(crate) fn general(shared: &Arc<Shared>, headers: HeaderMap, mut parameters: Parameters) -> Result<Reply, Problem> {
    match parameters.after.take() {
        None => read(shared, headers, None, &parameters).map(Reply::Now),
        Some(positions) => {
            let wait = parameters.wait;
            Ok(Reply::after(shared, positions, wait, move |shared| read(shared, headers, None, &parameters)))
        }
    }
}

/// The list of one category.
pub(crate) fn of_category(
    shared: &Arc<Shared>,
    headers: HeaderMap,
    category: Cow<'_, str>,
    mut parameters: Parameters,
) -> Result<Reply, Problem> {
    let Some(positions) = parameters.after.take() else {
        return read(shared, headers, Some(&category), &parameters).map(Reply::Now);
    };
    let category = category.into_owned();
    let wait = parameters.wait;
    Ok(Reply::after(shared, positions, wait, move |shared| read(shared, headers, Some(&category), &parameters)))
}

fn read(
    shared: &Shared,
    headers: HeaderMap,
    category: Option<&str>,
    parameters: &Parameters,
) -> Result<Response<Body>, Problem> {
    let shelf = &shared.app.shelf;
    scratch::with(|Scratch { out, sellers, as_of, names, .. }| {
        let glance = shelf.glance_any();
        shared.admit(glance.as_of(), parameters)?;
        let ranking = match category {
            None => Ranking::General,
            Some(category) => {
                let key = shelf.dictionary().find_category(category).filter(|key| glance.knows_category(*key));
                Ranking::Category(key.ok_or(Problem::UnknownCategory)?)
            }
        };
        glance.best_sellers(ranking, sellers);
        if sellers.len() < shelf.rules().items_min {
            sellers.clear();
        }
        sellers.truncate(parameters.limit);
        let (as_of, names) = (as_of.text(glance.as_of()), (names, &**shelf.dictionary()));
        answer::best_sellers::best_sellers(out, category, sellers, names, as_of, parameters.explain);
        Ok(answer::json(headers, out))
    })
}
