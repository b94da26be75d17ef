//! How long topics keep their records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

use super::config::{self, Settings};
use super::group;
use super::upstream::Unanswered;

/// The longest wait for the answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// For each topic that deletes records by their age: that age. Topics whose settings this client may not read are left out.
/// Blocks for some seconds at most.
///
/// # Errors
/// When no broker answers.
pub fn retention(settings: &Settings) -> Result<BTreeMap<Arc<str>, Duration>, Unanswered> {
    let reader = config::reader(settings, &group()).map_err(|error| Unanswered(error.to_string()))?;
    let unanswered = |error: rdkafka::error::KafkaError| Unanswered(error.to_string());
    let admin: AdminClient<DefaultClientContext> = config::watcher(&reader).create().map_err(unanswered)?;
    let topics: Vec<_> = settings.topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER_MAX));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| Unanswered(error.to_string()))?;
    let answers = runtime.block_on(admin.describe_configs(&topics, &options)).map_err(unanswered)?;
    Ok(answers.iter().filter_map(|answer| kept(answer.as_ref().ok()?)).collect())
}

/// The topic and the age at which it deletes records, if it does.
fn kept(topic: &ConfigResource) -> Option<(Arc<str>, Duration)> {
    let OwnedResourceSpecifier::Topic(name) = &topic.specifier else { return None };
    let value = |key| topic.get(key).and_then(|entry| entry.value.as_deref());
    let deletes = value("cleanup.policy").is_none_or(|policy| policy.contains("delete"));
    let age = value("retention.ms")?.parse().ok().filter(|_| deletes)?;
    Some((name.as_str().into(), Duration::from_millis(age)))
}
