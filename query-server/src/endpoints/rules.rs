//! `GET /v1/rules`, and `PUT`, `GET` and `DELETE /v1/rules/{rule}`: merchandising rules, written durably and visibly.

pub(super) mod nearest;
mod text;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::routing::on;
use dataflow::freshness::InputKind;
use dataflow::index_reader::ReadView;
use dataflow::merchandising::{RULES_MAX, RuleId, RuleText};
use hyper::{Response, Uri};

use super::events::split::Framing;
use crate::answer::rules::{self, IdlePins, RuleEntry, RuleList, RuleRequest, RuleWritten};
use crate::body::Body;
use crate::endpoint::{Answer, Endpoint, Operation, Owner, Scope, schema_of};
use crate::ids;
use crate::operations::Operations;
use crate::parameters::{ParameterSet, Parameters};
use crate::problem::{self, Problem};
use crate::request_body::RequestBody;
use crate::token;

pub(crate) static ALL: Endpoint = Endpoint {
    label: "rules",
    paths: &["/v1/rules"],
    owner: Owner::Receiver,
    operations: &[Operation {
        parameters: ParameterSet::Wait,
        answers: &[Answer::json::<RuleList>(200, "The rules, effective or not")],
        problems: &[problem::OF_LISTS],
        route: Some(|method| on(method, all)),
        ..Operation::get(Scope::Read, "All merchandising rules, and why a rule does nothing")
    }],
};

pub(crate) static ONE: Endpoint = Endpoint {
    label: "rule",
    paths: &["/v1/rules/{rule}"],
    owner: Owner::Receiver,
    operations: &[
        Operation {
            parameters: ParameterSet::Wait,
            answers: &[Answer::json::<RuleEntry>(200, "The rule")],
            problems: &[problem::OF_LISTS, &[Problem::UnknownRule, Problem::RuleId]],
            route: Some(|method| on(method, one)),
            ..Operation::get(Scope::Read, "A merchandising rule")
        },
        Operation {
            parameters: ParameterSet::Wait,
            body: &["application/json", "text/plain;charset=UTF-8"],
            body_schema: Some(schema_of::<RuleRequest>),
            answers: &[Answer::json::<RuleWritten<'_>>(200, "The rule is durable and visible")],
            problems: &[problem::OF_LISTS, problem::OF_BODIES, problem::OF_RULES],
            route: Some(|method| on(method, put)),
            audited_as: Some("rule.write"),
            ..Operation::put(
                Scope::Write,
                "Write a merchandising rule, in place of the rule with this id if there is one",
            )
        },
        Operation {
            parameters: ParameterSet::Wait,
            answers: &[Answer::json::<RuleWritten<'_>>(200, "The deletion is durable and visible")],
            problems: &[problem::OF_LISTS, problem::OF_RULES, &[Problem::UnknownRule]],
            route: Some(|method| on(method, delete)),
            audited_as: Some("rule.delete"),
            ..Operation::delete(Scope::Delete, "Delete a merchandising rule")
        },
    ],
};

async fn all(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
) -> Result<Response<Body>, Problem> {
    let read = &operations.read;
    wait(&operations, &parameters).await?;
    let view = read.reader.view_any();
    let age = read.admit(view.as_of(), &[InputKind::Views], &parameters)?;
    let idle = idle_pins(&operations, &view);
    let entry = |rule| RuleEntry::of(rule, &idle, read.reader.dictionary());
    Ok(rules::list(view.rule_book().iter().map(entry).collect(), age.as_of, age.missing.as_deref()))
}

async fn one(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let read = &operations.read;
    let id = rule_id(&uri)?;
    wait(&operations, &parameters).await?;
    let view = read.reader.view_any();
    let age = read.admit(view.as_of(), &[InputKind::Views], &parameters)?;
    let book = view.rule_book();
    let rule = book.iter().find(|(known, ..)| *known == id).ok_or(Problem::UnknownRule)?;
    let entry = RuleEntry::of(rule, &idle_pins(&operations, &view), read.reader.dictionary());
    Ok(rules::entry(&entry, age.missing.as_deref()))
}

/// The effective pins that do nothing in the lists of the shop, of which this is a view, and of the shadow.
pub(super) fn idle_pins(operations: &Operations, live: &ReadView<'_>) -> IdlePins {
    let shadow = operations.shadow.as_ref().map(|shadow| shadow.reader.view_any().idle_pins());
    IdlePins { as_of: live.as_of(), live: live.idle_pins(), shadow }
}

/// Answers 200 once the rule is durable and every later answer follows it.
async fn put(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
    framing: Framing,
    body: RequestBody,
) -> Result<Response<Body>, Problem> {
    if framing == Framing::Lines {
        return Err(Problem::MediaType("the body must be application/json, in UTF-8"));
    }
    let id = rule_id(&uri)?;
    let text = text::read(&body.bytes)?;
    wait(&operations, &parameters).await?;
    nearest::check_names(&operations.read.reader, &text).await?;
    write(&operations, &parameters, id, Some(text)).await
}

/// Answers 200 once the deletion is durable and no later answer follows the rule.
async fn delete(
    State(operations): State<Arc<Operations>>,
    Extension(parameters): Extension<Parameters>,
    uri: Uri,
) -> Result<Response<Body>, Problem> {
    let id = rule_id(&uri)?;
    wait(&operations, &parameters).await?;
    write(&operations, &parameters, id, None).await
}

/// Writes one rule at a time. A write that waits too long for those before it is answered as one that takes too long.
async fn write(
    operations: &Operations,
    parameters: &Parameters,
    id: RuleId,
    text: Option<RuleText>,
) -> Result<Response<Body>, Problem> {
    if text.is_some() && !id.is_of_event() {
        return Err(if id.is_of_topic() { Problem::RuleOfTopic } else { Problem::RuleOfTable });
    }
    let (read, timeout) = (&operations.read, Duration::from_millis(operations.settings.intake_timeout_ms));
    let turn = tokio::time::timeout(timeout, operations.rule_write.lock());
    let _turn = turn.await.map_err(|_| Problem::WriteTimeout)?;
    let written_at = {
        let view = read.reader.view_any();
        read.admit(view.as_of(), &[InputKind::Views], parameters)?;
        let book = view.rule_book();
        let is_known = book.iter().any(|(known, ..)| *known == id);
        let written = book.iter().filter(|(known, ..)| known.is_of_event()).count();
        match text {
            None if !is_known => return Err(Problem::UnknownRule),
            Some(_) if !is_known && written >= RULES_MAX => return Err(Problem::TooManyRules),
            _ => view.rule_written_at(id),
        }
    };
    // A version is dated after the previous version, even if the clock that dated the previous one is ahead of this clock.
    let at = operations.app.clock.now().max(written_at + 1);
    let writing = operations.app.event_writer.write_rule(id, text.as_ref(), at);
    let position = tokio::time::timeout(timeout, writing).await.map_err(|_| Problem::WriteTimeout)??;
    let token = token::encode(vec![position.clone()]);
    read.waits.wait_for(&[position], read.wait_max()).await.map_err(|_| Problem::RuleNotVisible)?;
    Ok(rules::written(id.text(), &token))
}

async fn wait(operations: &Operations, parameters: &Parameters) -> Result<(), Problem> {
    match &parameters.after {
        Some(positions) => operations.read.waits.wait_for(positions, parameters.wait).await,
        None => Ok(()),
    }
}

fn rule_id(uri: &Uri) -> Result<RuleId, Problem> {
    let id = ids::id(ONE.ids(uri.path()).next().unwrap_or_default())?;
    RuleId::of(&id).ok_or(Problem::RuleId)
}
