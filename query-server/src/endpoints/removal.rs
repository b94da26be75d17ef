//! `DELETE /v1/users/{user}/history/{product}`: forget a product of a history, durably and visibly.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use dataflow::graph::History;
use dataflow::hearing::Part;
use dataflow::time::Millis;

use super::{Reply, wait_for};
use crate::answer;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::scratch::{self, Scratch};
use crate::shared::Shared;

/// Answers 204 once the removal is durable and every later GET is without the product.
pub(crate) fn answer(shared: &Arc<Shared>, user: Cow<'_, str>, product: Cow<'_, str>, parameters: Parameters) -> Reply {
    let (shared, user, product) = (shared.clone(), user.into_owned(), product.into_owned());
    Reply::Later(Box::pin(async move {
        if let Some(positions) = &parameters.after {
            wait_for(&shared, positions, parameters.wait).await?;
        }
        shared.admit(shared.app.reader.view_any().as_of(), &[Part::Views], &parameters)?;
        let viewed_at = viewed_at(&shared, &user, &product).ok_or(Problem::NotInHistory)?;
        // At least the latest view, so that a fast client clock cannot bring the product back.
        let at = shared.app.clock.now().max(viewed_at);
        remove(&shared, &user, &product, at).await?;
        Ok(answer::no_content())
    }))
}

async fn remove(shared: &Shared, user: &str, product: &str, at: Millis) -> Result<(), Problem> {
    let settings = &shared.settings;
    let removing = shared.app.event_writer.remove(user, product, at);
    let removed = tokio::time::timeout(Duration::from_millis(settings.intake_timeout_ms), removing).await;
    let position = removed.map_err(|_| Problem::IntakeTimeout)??;
    match shared.waits.visible(&[position], Duration::from_millis(settings.wait_ms_max)).await {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Problem::RemovalNotVisible),
    }
}

/// When the user viewed the product last, if the history holds it.
fn viewed_at(shared: &Shared, user: &str, product: &str) -> Option<Millis> {
    let reader = &shared.app.reader;
    let product = reader.dictionary().find_product(product)?;
    scratch::with(|Scratch { viewed, .. }| {
        let key = reader.dictionary().find_user(user);
        reader.view(key).rows::<History>(&key, viewed);
        viewed.iter().find(|(row, _)| row.product == product).map(|(row, _)| row.at())
    })
}
