//! What the header of a request for rows says: tags, the key of a repeatable request, the type of the body.

use hyper::Uri;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, IF_MATCH, IF_NONE_MATCH};
use sha2::{Digest, Sha256};
use store::{Condition, Repeatable};

use crate::operations::Operations;
use crate::problem::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The longest key of a repeatable request, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// Whether a request to change a row lacks the tag that the settings ask for.
pub(super) fn lacks_tag(operations: &Operations, headers: &HeaderMap) -> bool {
    operations.settings.if_match_required && !headers.contains_key(IF_MATCH)
}

/// What must hold before a change of a row that is there. A request that lacks its tag has a condition that no row meets: the
/// store still says whether there is a row.
///
/// # Errors
/// As of [`condition`].
pub(super) fn condition_of_change(operations: &Operations, headers: &HeaderMap) -> Result<Condition, Problem> {
    let condition = condition(headers)?;
    Ok(if lacks_tag(operations, headers) { Condition::Tags(Vec::new()) } else { condition })
}

/// What must hold before a write.
///
/// # Errors
/// When `If-Match` cannot be read, or with `If-None-Match`, of which a PUT takes what it knows with [`only_adds`].
pub(super) fn condition(headers: &HeaderMap) -> Result<Condition, Problem> {
    if headers.contains_key(IF_NONE_MATCH) {
        return Err(Problem::BadHeader { name: "if-none-match", fault: "is for GET and PUT of rows" });
    }
    match tags(headers, &IF_MATCH)? {
        None => Ok(Condition::Nothing),
        Some(tags) if tags == ["*"] => Ok(Condition::Present),
        // A weak tag never matches here.
        Some(tags) => Ok(Condition::Tags(tags.iter().filter_map(|tag| strong(tag)).map(str::to_owned).collect())),
    }
}

/// Whether a PUT may only add the row: `If-None-Match: *`.
///
/// # Errors
/// When `If-None-Match` has another value, or stands beside `If-Match`, which wants a row that is there.
pub(super) fn only_adds(headers: &HeaderMap) -> Result<bool, Problem> {
    let wrong = |fault| Err(Problem::BadHeader { name: "if-none-match", fault });
    let mut values = headers.get_all(IF_NONE_MATCH).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(false),
        (Some(_), _) if headers.contains_key(IF_MATCH) => wrong("cannot stand beside if-match"),
        (Some(value), None) if value.as_bytes() == b"*" => Ok(true),
        _ => wrong("must be * where a row is written"),
    }
}

/// Whether `If-None-Match` names the row with this tag.
///
/// # Errors
/// When it cannot be read.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> Result<bool, Problem> {
    let tags = tags(headers, &IF_NONE_MATCH)?.unwrap_or_default();
    let known = |given: &String| given == "*" || strong(given.strip_prefix("W/").unwrap_or(given)) == Some(tag);
    Ok(tags.iter().any(known))
}

/// The tags in a header field, quotes included.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Vec<String>>, Problem> {
    let name_text = if name == IF_MATCH { "if-match" } else { "if-none-match" };
    let wrong = || Problem::BadHeader { name: name_text, fault: "must be * or tags in quotes, separated by commas" };
    let mut found = Vec::new();
    for value in headers.get_all(name) {
        let value = value.to_str().map_err(|_| wrong())?;
        found.extend(value.split(',').map(|tag| tag.trim().to_owned()));
    }
    let is_tag = |tag: &String| tag == "*" || strong(tag.strip_prefix("W/").unwrap_or(tag)).is_some();
    if !found.iter().all(is_tag) {
        return Err(wrong());
    }
    Ok((!found.is_empty()).then_some(found))
}

/// The tag between its quotes.
fn strong(tag: &str) -> Option<&str> {
    tag.strip_prefix('"')?.strip_suffix('"').filter(|tag| !tag.contains('"'))
}

/// The key that makes a request repeatable.
///
/// # Errors
/// When it is given twice, empty, too long, or no visible ASCII.
pub(super) fn repeatable(headers: &HeaderMap, uri: &Uri, body: &[u8]) -> Result<Option<Repeatable>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = values.next() else { return Ok(None) };
    let fits = |key: &&str| (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    let (Some(key), None) = (key.to_str().ok().filter(fits), values.next()) else {
        return Err(Problem::BadHeader {
            name: "idempotency-key",
            fault: "must be one text of 1 to 255 visible ASCII characters",
        });
    };
    let mut digest = Sha256::new();
    digest.update(uri.path().as_bytes());
    digest.update([0]);
    digest.update(body);
    let fingerprint = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Some(Repeatable { key: key.to_owned(), fingerprint }))
}

/// Checks that an import has no such key: its answer is not kept.
///
/// # Errors
/// When it has one.
pub(super) fn check_no_key(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        let fault = "is not for imports: with the mode upsert or replace the same file can be sent again";
        return Err(Problem::BadHeader { name: "idempotency-key", fault });
    }
    Ok(())
}

/// Checks that a body, if it has a type, is JSON in UTF-8; a merge patch has a type of its own.
///
/// # Errors
/// When it has another type.
pub(super) fn check_json(headers: &HeaderMap, takes_patch: bool) -> Result<(), Problem> {
    let Some(given) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let mut parts = given.to_str().unwrap_or_default().split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    let known = media_type.eq_ignore_ascii_case("application/json")
        || (takes_patch && media_type.eq_ignore_ascii_case("application/merge-patch+json"));
    let in_utf8 = parts.all(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if known && in_utf8 { Ok(()) } else { Err(Problem::MediaType("the body must be JSON in UTF-8, and say so")) }
}
