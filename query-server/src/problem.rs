//! Every error of a request, and the table that maps each to its status.

pub(crate) mod row;

use std::sync::Arc;

use dataflow::merchandising::{RULES_MAX, TABLE_RULES, TOPIC_RULES};
use hyper::StatusCode;

use crate::event_writer::{InvalidEvent, WriteError};

pub(crate) use row::{RowFault, RowProblem};

/// Why a request failed. Texts hold no ids.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("there is nothing at this path")]
    UnknownPath,
    #[error("this path takes {0}")]
    Method(String),
    #[error("{0}")]
    BadPath(&'static str),
    #[error("unknown parameter: this path takes {0}")]
    UnknownParameter(&'static str),
    #[error("the parameter {0} is given more than once")]
    RepeatedParameter(&'static str),
    #[error("the parameter {name} must be {must}")]
    BadParameter { name: &'static str, must: String },
    #[error("the header {0} is missing")]
    MissingHeader(&'static str),
    #[error("the header {name} {fault}")]
    BadHeader { name: &'static str, fault: &'static str },
    #[error("no product of this category is known")]
    UnknownCategory,
    #[error("no event and no row of the catalogue has named this product")]
    UnknownProduct,
    #[error("the model of this list is off: {0} = \"on\" switches it on")]
    ModelOff(&'static str),
    #[error("the shadow is off: shadow.enabled = \"on\" switches it on")]
    ShadowOff,
    #[error("features are off: features.enabled = \"on\" switches them on")]
    FeaturesOff,
    #[error("there is no such feature{}: GET /v1/features lists all of them", meant(*nearest))]
    UnknownFeature { nearest: Option<&'static str> },
    #[error("the product is not in this user's history")]
    NotInHistory,
    #[error("the request's target is longer than {0} bytes")]
    UriTooLong(usize),
    #[error("the request's header fields are longer than {0} bytes")]
    HeaderTooLarge(usize),
    #[error("the body is longer than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body did not arrive in time")]
    BodyTimeout,
    #[error("the body ended early or is not framed correctly")]
    BodyBroken,
    #[error("{0}")]
    MediaType(&'static str),
    #[error("only 100-continue can be expected")]
    Expectation,
    #[error("the body holds no event")]
    NoEvents,
    #[error("the body must be a JSON object with no other fields than {}", .0.join(", "))]
    NoObject(&'static [&'static str]),
    #[error("the body has another field than {}{}", .fields.join(", "), meant(*.near))]
    UnknownField { near: Option<&'static str>, fields: &'static [&'static str] },
    #[error("{field} must be {must}")]
    BadField { field: &'static str, must: String },
    #[error("{reason}")]
    BadRule { field: Option<&'static str>, reason: String },
    #[error("the id of a rule must have 1 to 32 letters, digits, dots, underscores or hyphens")]
    RuleId,
    #[error("a rule whose id begins with {TOPIC_RULES} comes from the topic `kafka.rules`: write it there")]
    RuleOfTopic,
    #[error(
        "a rule whose id begins with {TABLE_RULES} comes from the table `postgres.tables.rules.name`: write it there"
    )]
    RuleOfTable,
    #[error("there is no rule with this id")]
    UnknownRule,
    #[error("there are {RULES_MAX} rules, and there may not be more")]
    TooManyRules,
    #[error("event {index}: {reason}")]
    Malformed { index: usize, field: Option<String>, reason: String },
    #[error("{reason}; other events of this request may have been accepted")]
    RefusedByLog { index: Option<usize>, reason: String },
    #[error("{0}")]
    IntakeOff(String),
    #[error("nothing was accepted: {0}")]
    WriteUnavailable(String),
    #[error("the write was not acknowledged and may or may not have been accepted: {0}")]
    WriteUnsure(String),
    #[error("the write was not acknowledged in time and may or may not have been accepted")]
    WriteTimeout,
    #[error("the write that the token stands for is not visible yet")]
    NotVisible,
    #[error("the removal is durable, but not visible yet")]
    RemovalNotVisible,
    #[error("the erasure is durable, but not visible yet")]
    ErasureNotVisible,
    #[error("the rule is durable, but not visible yet")]
    RuleNotVisible,
    #[error("the list is {} old, and max_staleness_ms allows {most_ms} ms{}", ago(*age_ms), lacking(missing))]
    TooOld { age_ms: u64, most_ms: u64, missing: Option<Arc<str>> },
    #[error("no state is ready yet: waiting for the sources to say what they hold")]
    Starting,
    #[error("the process waits for the other processes of the cluster")]
    Joining,
    #[error("still catching up to the last state served before the restart")]
    CatchingUp,
    #[error("the process that holds this user {0}")]
    OwnerAway(OwnerFailure),
    #[error("the processes of the cluster do not agree on who holds this user: their hosts files differ")]
    Misrouted,
    #[error("this process is behind the one that answered; it is catching up")]
    Behind,
    #[error("this path needs a key, in X-API-Key or in Authorization as Bearer")]
    MissingKey,
    #[error("the key is not valid")]
    WrongKey,
    #[error("the key does not have the scope {0}")]
    MissingScope(&'static str),
    #[error("the key is only for the pages of other origins than this request's")]
    WrongOrigin,
    #[error("the key is used more often than it may; it can be used again in {wait_s} s")]
    TooOften { wait_s: u64 },
    #[error("the request was answered with {status}, but the audit log could not be written")]
    NotAudited { status: u16 },
    #[error("too many {0} at a time")]
    Busy(&'static str),
    #[error("{0}")]
    NotReady(String),
    #[error("{0}")]
    Row(RowProblem),
}

/// A duration in a unit that people read easily.
pub(crate) fn ago(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..10 => format!("{s}.{} s", ms % 1000 / 100),
        10..120 => format!("{s} s"),
        120..7200 => format!("{} min", s / 60),
        7200..172_800 => format!("{} h", s / 3600),
        _ => format!("{} days", s / 86_400),
    }
}

fn lacking(missing: &Option<Arc<str>>) -> String {
    missing.as_ref().map(|names| format!(": it lacks what {names} has, /readyz says why")).unwrap_or_default()
}

fn meant(nearest: Option<&'static str>) -> String {
    nearest.map(|name| format!("; did you mean {name}")).unwrap_or_default()
}

/// Why the process that holds a user did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OwnerFailure {
    #[error("cannot be reached")]
    Unreachable,
    #[error("has a certificate that this process does not accept, or does not speak TLS")]
    Untrusted,
    #[error("went away while it was asked")]
    Broken,
    #[error("did not answer in time")]
    Late,
}

impl OwnerFailure {
    /// A stable name, fit for a metric label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            OwnerFailure::Unreachable => "unreachable",
            OwnerFailure::Untrusted => "untrusted",
            OwnerFailure::Broken => "broken",
            OwnerFailure::Late => "late",
        }
    }
}

/// A problem's status, type and title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProblemKind {
    pub(crate) status: StatusCode,
    /// The stable end of the problem's `type`.
    pub(crate) slug: &'static str,
    pub(crate) title: &'static str,
}

impl From<WriteError> for Problem {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Malformed { index, event: InvalidEvent { field, reason } } => {
                Problem::Malformed { index, field, reason }
            }
            WriteError::RefusedByLog { index, reason } => Problem::RefusedByLog { index, reason },
            WriteError::Off(reason) => Problem::IntakeOff(reason),
            WriteError::Unavailable(reason) => Problem::WriteUnavailable(reason),
            WriteError::Unsure(reason) => Problem::WriteUnsure(reason),
        }
    }
}

/// Errors of every request. These lists are for the documentation, which uses only the kinds of the errors.
pub(crate) const OF_REQUESTS: &[Problem] = &[
    Problem::BadPath(""),
    Problem::UnknownParameter(""),
    Problem::MissingHeader(""),
    Problem::BadHeader { name: "", fault: "" },
    Problem::UriTooLong(0),
    Problem::HeaderTooLarge(0),
    Problem::Busy("connections"),
];

/// Errors of requests that need a key.
pub(crate) const OF_KEYS: &[Problem] = &[
    Problem::MissingKey,
    Problem::WrongKey,
    Problem::MissingScope(""),
    Problem::WrongOrigin,
    Problem::TooOften { wait_s: 0 },
];

/// Errors of requests that the audit log has an entry on.
pub(crate) const OF_AUDITED: &[Problem] = &[Problem::NotAudited { status: 0 }];

/// Errors of requests with parameters.
pub(crate) const OF_PARAMETERS: &[Problem] = &[
    Problem::RepeatedParameter(""),
    Problem::BadParameter { name: "", must: String::new() },
    Problem::NotVisible,
    Problem::TooOld { age_ms: 0, most_ms: 0, missing: None },
];

/// Errors of requests that another process may answer.
pub(crate) const OF_OWNERS: &[Problem] =
    &[Problem::Misrouted, Problem::OwnerAway(OwnerFailure::Unreachable), Problem::Behind];

/// Errors of requests that read a list.
pub(crate) const OF_LISTS: &[Problem] = &[Problem::CatchingUp, Problem::Starting];

/// Errors of requests that read a list of a model.
pub(crate) const OF_MODELS: &[Problem] = &[Problem::ModelOff("")];

/// Errors of requests for lists of the shadow.
pub(crate) const OF_SHADOW: &[Problem] = &[Problem::ShadowOff];

/// Errors of requests for features.
pub(crate) const OF_FEATURES: &[Problem] = &[Problem::FeaturesOff, Problem::UnknownFeature { nearest: None }];

/// Errors of requests with a body.
pub(crate) const OF_BODIES: &[Problem] = &[
    Problem::BodyBroken,
    Problem::BodyTimeout,
    Problem::BodyTooLarge(0),
    Problem::MediaType(""),
    Problem::Expectation,
];

/// Errors of writes.
pub(crate) const OF_WRITES: &[Problem] = &[
    Problem::IntakeOff(String::new()),
    Problem::WriteUnavailable(String::new()),
    Problem::WriteUnsure(String::new()),
    Problem::WriteTimeout,
];

/// Errors of events.
pub(crate) const OF_EVENTS: &[Problem] = &[
    Problem::NoEvents,
    Problem::Malformed { index: 0, field: None, reason: String::new() },
    Problem::RefusedByLog { index: None, reason: String::new() },
];

/// Errors of removals.
pub(crate) const OF_REMOVALS: &[Problem] = &[
    Problem::NotInHistory,
    Problem::IntakeOff(String::new()),
    Problem::WriteUnavailable(String::new()),
    Problem::WriteUnsure(String::new()),
    Problem::WriteTimeout,
    Problem::RefusedByLog { index: None, reason: String::new() },
    Problem::RemovalNotVisible,
];

/// Errors of erasures.
pub(crate) const OF_ERASURES: &[Problem] = &[
    Problem::IntakeOff(String::new()),
    Problem::WriteUnavailable(String::new()),
    Problem::WriteUnsure(String::new()),
    Problem::RefusedByLog { index: None, reason: String::new() },
    Problem::ErasureNotVisible,
];

/// Errors of writes of merchandising rules.
pub(crate) const OF_RULES: &[Problem] = &[
    Problem::RuleId,
    Problem::RuleOfTopic,
    Problem::RuleOfTable,
    Problem::BadRule { field: None, reason: String::new() },
    Problem::TooManyRules,
    Problem::IntakeOff(String::new()),
    Problem::WriteUnavailable(String::new()),
    Problem::WriteUnsure(String::new()),
    Problem::WriteTimeout,
    Problem::RefusedByLog { index: None, reason: String::new() },
    Problem::RuleNotVisible,
];

impl Problem {
    /// The table of statuses, types and titles.
    pub(crate) fn kind(&self) -> ProblemKind {
        let (status, slug, title) = match self {
            Problem::UnknownPath => (404, "unknown-path", "Unknown path"),
            Problem::UnknownCategory => (404, "unknown-category", "Unknown category"),
            Problem::UnknownProduct => (404, "unknown-product", "Unknown product"),
            Problem::ModelOff(_) => (409, "model-off", "Model off"),
            Problem::ShadowOff => (409, "shadow-off", "Shadow off"),
            Problem::FeaturesOff => (409, "features-off", "Features off"),
            Problem::UnknownFeature { .. } => (422, "unknown-feature", "Unknown feature"),
            Problem::IntakeOff(_) => (409, "intake-off", "Events are not taken"),
            Problem::NotInHistory => (404, "not-in-history", "Not in the history"),
            Problem::Method(_) => (405, "method-not-allowed", "Method not allowed"),
            Problem::BadPath(_) => (400, "bad-path", "Bad path"),
            Problem::UnknownParameter(_) => (400, "unknown-parameter", "Unknown parameter"),
            Problem::RepeatedParameter(_) => (400, "repeated-parameter", "Repeated parameter"),
            Problem::BadParameter { .. } => (400, "bad-parameter", "Bad parameter"),
            Problem::MissingHeader(_) => (400, "missing-header", "Missing header"),
            Problem::BadHeader { .. } => (400, "bad-header", "Bad header"),
            Problem::BodyBroken => (400, "broken-body", "Broken body"),
            Problem::MissingKey => (401, "missing-key", "Key needed"),
            Problem::WrongKey => (401, "wrong-key", "Wrong key"),
            Problem::MissingScope(_) => (403, "missing-scope", "Not allowed with this key"),
            Problem::WrongOrigin => (403, "wrong-origin", "Not allowed from this origin"),
            Problem::BodyTimeout => (408, "body-timeout", "Body too slow"),
            Problem::BodyTooLarge(_) => (413, "body-too-large", "Body too large"),
            Problem::UriTooLong(_) => (414, "uri-too-long", "Target too long"),
            Problem::MediaType(_) => (415, "unsupported-media-type", "Unsupported media type"),
            Problem::Expectation => (417, "expectation-failed", "Expectation failed"),
            Problem::NoObject(_) | Problem::UnknownField { .. } | Problem::BadField { .. } => {
                (422, "invalid-body", "Invalid body")
            }
            Problem::BadRule { .. } => (422, "invalid-rule", "Invalid rule"),
            Problem::RuleId => (422, "invalid-rule-id", "Invalid rule id"),
            Problem::RuleOfTopic => (422, "rule-of-topic", "Rule of a topic"),
            Problem::RuleOfTable => (422, "rule-of-table", "Rule of a table"),
            Problem::TooManyRules => (422, "too-many-rules", "Too many rules"),
            Problem::UnknownRule => (404, "unknown-rule", "Unknown rule"),
            Problem::RuleNotVisible => (503, "rule-not-visible-yet", "Rule not visible yet"),
            Problem::NoEvents => (422, "no-events", "No events"),
            Problem::Malformed { .. } => (422, "malformed-event", "Malformed event"),
            Problem::RefusedByLog { .. } => (422, "refused-event", "Event refused by the log"),
            Problem::TooOften { .. } => (429, "too-often", "Too many requests"),
            Problem::HeaderTooLarge(_) => (431, "header-too-large", "Header fields too large"),
            Problem::WriteUnavailable(_) | Problem::WriteUnsure(_) => {
                (503, "intake-unavailable", "Events cannot be taken now")
            }
            Problem::WriteTimeout => (503, "intake-timeout", "Not acknowledged in time"),
            Problem::NotVisible => (503, "not-visible-yet", "Not visible yet"),
            Problem::RemovalNotVisible => (503, "removal-not-visible-yet", "Removal not visible yet"),
            Problem::ErasureNotVisible => (503, "erasure-not-visible-yet", "Erasure not visible yet"),
            Problem::TooOld { .. } => (503, "too-old", "Too old"),
            Problem::CatchingUp => (503, "catching-up", "Catching up"),
            Problem::Starting | Problem::Joining => (503, "starting", "Starting"),
            Problem::OwnerAway(_) => (503, "owner-away", "The user's process is away"),
            Problem::Misrouted => (502, "misrouted", "Misrouted"),
            Problem::Behind => (503, "behind", "Behind"),
            Problem::NotAudited { .. } => (503, "not-audited", "Not in the audit log"),
            Problem::Busy(_) => (503, "busy", "Too busy"),
            Problem::NotReady(_) => (503, "not-ready", "Not ready"),
            Problem::Row(problem) => problem.kind(),
        };
        ProblemKind { status: StatusCode::from_u16(status).expect("the table holds valid statuses"), slug, title }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_given_in_units_that_fit() {
        let ages = [99, 9_900, 10_000, 119_999, 120_000, 7_200_000, 172_800_000].map(ago);
        assert_eq!(ages, ["0.0 s", "9.9 s", "10 s", "119 s", "2 min", "2 h", "2 days"]);
        let missing = Some("kafka".into());
        assert_eq!(
            Problem::TooOld { age_ms: 61_000, most_ms: 500, missing }.to_string(),
            "the list is 61 s old, and max_staleness_ms allows 500 ms: it lacks what kafka has, /readyz says why"
        );
    }

    #[test]
    fn a_malformed_event_is_named_by_index_and_its_field_once() {
        let whole = Problem::Malformed { index: 2, field: None, reason: "not JSON".into() };
        assert_eq!(whole.to_string(), "event 2: not JSON");
        let field = Problem::Malformed { index: 0, field: Some("userid".into()), reason: "`userid` is missing".into() };
        assert_eq!(field.to_string(), "event 0: `userid` is missing");
    }
}
