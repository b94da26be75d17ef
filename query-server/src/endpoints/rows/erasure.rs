//! `DELETE /v1/users/{user}`: a person asks to be forgotten.
//!
//! ```text
//! the user's row, if Vitrine keeps it ─▶ UserErased, durable, visible ─▶ purchases, if Vitrine keeps them ─▶ receipt
//! ```
//! It goes on if the client hangs up. If it fails or the process ends, the same request does the rest.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use dataflow::feed::Position;
use dataflow::freshness::InputKind;
use dataflow::graph::{Bought, ErasedOrders, History, Purchases as PurchasesIndex, Viewed};
use dataflow::ids::{OrderKey, UserKey};
use dataflow::index_reader::ProductFeatures;
use dataflow::time::{Diff, Millis};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Response, Uri};
use store::{Action, Condition, Filter, Kind, ListRequest, Refusal, StoreError, Write};

use super::change::{one, position_of, writes};
use super::conditions::condition;
use super::read::{ID, id_in};
use crate::answer::erasure::{self, DeletedRows, ErasedRows, ErasureReceipt};
use crate::body::Body;
use crate::header_names::VITRINE_TOKEN;
use crate::operations::Operations;
use crate::parameters::Parameters;
use crate::problem::{Problem, RowProblem};
use crate::token;

/// Purchases that are deleted together.
const PURCHASES_AT_ONCE: usize = 500;

/// What is held of a user.
struct HeldOfUser {
    views: usize,
    features: Option<usize>,
    purchases: usize,
    /// Orders that an earlier erasure hides.
    hidden_orders: usize,
    /// The time of the latest event or order.
    latest: Millis,
}

/// Answers 200 once the erasure is durable and no later answer counts anything of the user up to its time.
pub(super) async fn erase(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let (user, condition) = (id_in(&uri, ID)?, condition(&headers)?);
    operations.app.event_writer.check_log()?;
    let read = &operations.read;
    if let Some(positions) = &parameters.after {
        read.waits.wait_for(positions, parameters.wait).await?;
    }
    read.admit(read.reader.view_any().as_of(), &[InputKind::Views], &parameters)?;
    let held = held(&operations, read.reader.dictionary().find_user(&user));
    let mut positions = Vec::new();
    let users = delete_user(&operations, &user, condition, &mut positions).await?;
    // An erasure covers the latest event, also where the clock that dated the event is ahead of this one. It is not dated further
    // ahead, because it would cover later events.
    let at = operations.app.event_writer.present().max(held.latest);
    let erasing = operations.app.event_writer.erase(&user, at);
    let timeout = Duration::from_millis(operations.settings.intake_timeout_ms);
    let position = tokio::time::timeout(timeout, erasing).await.map_err(|_| Problem::WriteTimeout)??;
    let erased_at = std::slice::from_ref(&position);
    read.waits.wait_for(erased_at, read.wait_max()).await.map_err(|_| Problem::ErasureNotVisible)?;
    let erased = erased(&operations, &held, read.reader.dictionary().find_user(&user));
    let deleted_rows = match users {
        Some(users) => {
            Some(DeletedRows { users, purchases: delete_purchases(&operations, &user, &mut positions).await? })
        }
        None => None,
    };
    positions.push(position);
    let token = token::encode(positions);
    let receipt = ErasureReceipt {
        user_id: &user,
        erased_until: erasure::until(at),
        held: erased,
        deleted_rows,
        remains: &operations.app.copies,
        token: &token,
    };
    let mut response = receipt.response();
    response.headers_mut().insert(VITRINE_TOKEN, HeaderValue::from_str(&token).expect("a token is ASCII"));
    Ok(response)
}

/// What is held of the user now.
fn held(operations: &Operations, user: UserKey) -> HeldOfUser {
    let reader = &operations.read.reader;
    let view = reader.view(user);
    let mut viewed: Vec<(Viewed, Diff)> = Vec::new();
    let mut bought: Vec<(Bought, Diff)> = Vec::new();
    let mut hidden: Vec<(OrderKey, Diff)> = Vec::new();
    view.rows::<History>(&user, &mut viewed);
    view.rows::<PurchasesIndex>(&user, &mut bought);
    view.rows::<ErasedOrders>(&user, &mut hidden);
    let features = reader.rules().features.enabled.then(|| view.features(user, None));
    let latest_counted = features.as_ref().and_then(|features| features.last_at);
    let latest_order = bought.iter().map(|(row, _)| row.order().0).max();
    HeldOfUser {
        views: viewed.len(),
        features: features.map(|features| features.products.iter().filter(|of| has_count(of)).count()),
        purchases: bought.len(),
        hidden_orders: hidden.len(),
        latest: [view.latest_place_at(user), latest_counted, latest_order].into_iter().flatten().max().unwrap_or(0),
    }
}

/// Whether anything is counted of the user and a product, beside the time of their latest event.
fn has_count(of: &ProductFeatures) -> bool {
    let counts = [of.activity.views(), of.activity.clicks(), of.activity.carts(), of.purchases];
    counts.iter().any(|count| *count > 0)
}

/// The rows that the erasure took out, once it is visible.
fn erased(operations: &Operations, held: &HeldOfUser, user: UserKey) -> ErasedRows {
    let reader = &operations.read.reader;
    let (rules, mut orders) = (reader.rules(), Vec::new());
    reader.view(user).rows::<ErasedOrders>(&user, &mut orders);
    let orders_hidden = orders.len().saturating_sub(held.hidden_orders);
    // The index of purchases has those that count. Where it is not kept, each order is taken for one.
    let has_purchases = if rules.counts_older_purchases() { held.purchases > 0 } else { orders_hidden > 0 };
    let lists = [
        ("history", held.views > 0),
        ("similar", held.views > 0 && rules.co_views.enabled),
        ("bestsellers", has_purchases),
        ("buy-again", has_purchases && rules.buy_again.enabled),
    ];
    ErasedRows {
        views: held.views,
        features: held.features,
        orders_hidden,
        lists_changed: lists.into_iter().filter(|(_, changed)| *changed).map(|(list, _)| list).collect(),
    }
}

/// Deletes the user's row where Vitrine keeps it; returns how many there were, and none if it keeps no rows.
async fn delete_user(
    operations: &Operations,
    user: &str,
    condition: Condition,
    positions: &mut Vec<Position>,
) -> Result<Option<usize>, Problem> {
    if operations.app.store.is_none() {
        return if condition == Condition::Nothing { Ok(None) } else { Err(Problem::Row(RowProblem::Off)) };
    }
    let may_be_absent = condition == Condition::Nothing;
    let write = Write { kind: Kind::Users, id: user.to_owned(), action: Action::Delete, condition };
    match one(operations, write, None).await {
        Ok(written) => {
            positions.push(position_of(operations, written.change)?);
            Ok(Some(1))
        }
        // The rows are not Vitrine's: what Vitrine holds of the user is erased all the same.
        Err(Problem::Row(RowProblem::Elsewhere(_))) if may_be_absent => Ok(None),
        Err(Problem::Row(RowProblem::Absent(_))) if may_be_absent => Ok(Some(0)),
        Err(problem) => Err(problem),
    }
}

/// Deletes the user's purchases where Vitrine keeps them; returns their number.
async fn delete_purchases(
    operations: &Operations,
    user: &str,
    positions: &mut Vec<Position>,
) -> Result<usize, Problem> {
    let (kind, mut deleted) = (Kind::Purchases, 0);
    let Some(store) = &operations.app.store else { return Ok(0) };
    loop {
        let filter = Filter { user: Some(user.to_owned()), ..Filter::default() };
        let request = ListRequest { kind, after: None, limit: PURCHASES_AT_ONCE, filter };
        let page = store.list(request).await.map_err(purchases_left)?;
        if page.is_empty() {
            return Ok(deleted);
        }
        let delete =
            |id: &str| Write { kind, id: id.to_owned(), action: Action::Delete, condition: Condition::Nothing };
        let written = writes(operations, page.iter().map(|row| delete(row.id())).collect(), None).await;
        let written = written.map_err(|problem| match problem {
            Problem::WriteTimeout => left("the store has not answered in time".to_owned()),
            other => other,
        })?;
        let written = match written {
            // Someone else has deleted one of them meanwhile: the rest is listed again.
            Err(StoreError::Refused { refusal: Refusal::Absent, .. }) => continue,
            written => written.map_err(purchases_left)?,
        };
        positions.retain(|position| &*position.stream != store.stream());
        positions.push(position_of(operations, written.change)?);
        deleted += page.len();
    }
}

/// The problem of purchases that are not deleted, though the erasure is durable.
fn purchases_left(error: StoreError) -> Problem {
    match error {
        StoreError::Unavailable(reason) | StoreError::Unsure(reason) => left(reason),
        StoreError::Busy => left("the store has too many requests at a time".to_owned()),
        StoreError::Refused { refusal, .. } => left(refusal.to_string()),
        other => RowProblem::of(other, Kind::Purchases.singular(), false),
    }
}

fn left(reason: String) -> Problem {
    Problem::Row(RowProblem::PurchasesLeft(reason))
}
