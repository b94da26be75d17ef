//! The lines of the audit log, and the log as the server uses it.
//!
//! ```json
//! {"at":"2026-11-29T05:13:40.033Z","who":"key 1a2b3c4d","what":"history.remove","target":"/v1/users/ada/history/tea","result":"204"}
//! ```

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat};
use query_server::{AuditEntry, AuditLog, AuditUnavailable, BoxFuture};
use serde::Serialize;
use sinks::audit::{AuditFile, append_now};

use crate::clock::wall_ms;

/// One line.
#[derive(Debug, Serialize)]
struct Line<'a> {
    at: String,
    who: &'a str,
    what: &'a str,
    target: &'a str,
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

impl Line<'_> {
    /// The line with its end. A line end inside a text is escaped in JSON.
    fn bytes(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("texts are JSON");
        line.push(b'\n');
        line
    }
}

fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The audit log of a server.
pub struct FileAudit(AuditFile);

impl FileAudit {
    /// Appends to the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be written, or the system denies a thread.
    pub fn open(path: PathBuf) -> std::io::Result<FileAudit> {
        AuditFile::open(path).map(FileAudit)
    }
}

impl AuditLog for FileAudit {
    fn record(&self, entry: AuditEntry) -> BoxFuture<'static, Result<(), AuditUnavailable>> {
        let AuditEntry { at_ms, who, what, target, request_id, status } = entry;
        let (result, request_id) = (status.to_string(), request_id.as_deref());
        let line = Line { at: time(at_ms), who: &who, what, target: &target, result: &result, request_id };
        let appending = self.0.append(line.bytes());
        Box::pin(async move { appending.await.map_err(|error| AuditUnavailable(error.to_string())) })
    }
}

/// The user who runs a command: the name of the process's user in `/etc/passwd`, or else the number. The environment does not
/// count, which the caller chooses.
pub fn user() -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    format!("user {}", name_of(rustix::process::getuid().as_raw(), &users))
}

/// The name of the user with this number in the lines of `/etc/passwd`, or else the number.
fn name_of(number: u32, users: &str) -> String {
    let number = number.to_string();
    let named = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let mut named = named.filter(|fields| fields.get(2) == Some(&number.as_str()) && !fields[0].is_empty());
    named.next().map_or_else(|| number.clone(), |fields| fields[0].to_owned())
}

/// Records what a command of this program or the server itself did, now and durably.
///
/// # Errors
/// When the file cannot be written.
pub fn record_now(path: PathBuf, who: &str, what: &str, target: &str, result: &str) -> std::io::Result<()> {
    let line = Line { at: time(wall_ms()), who, what, target, result, request_id: None };
    append_now(path, &line.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_command_is_that_of_the_process() {
        let users =
            "root:x:0:0:root:/root:/bin/bash\n\nanna:x:1000:1000::/home/anna:/bin/sh\nsecond:x:1000:1::/:/bin/sh\n";
        assert_eq!([0, 1000, 1].map(|number| name_of(number, users)), ["root", "anna", "1"]);
        // A file that this process makes has its user.
        let file = tempfile::NamedTempFile::new().unwrap();
        let owner = std::os::unix::fs::MetadataExt::uid(&file.as_file().metadata().unwrap());
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        assert_eq!(user(), format!("user {}", name_of(owner, &users)));
    }

    #[test]
    fn a_line_says_who_did_what_when_and_how_it_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        record_now(path.clone(), "anna", "key.create", "1a2b\n3c4d", "made").unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let (at, rest) = text.split_once(r#","who""#).unwrap();
        assert!(at.starts_with(r#"{"at":"20"#) && at.ends_with(r#"Z""#), "{text}");
        assert_eq!(rest, ":\"anna\",\"what\":\"key.create\",\"target\":\"1a2b\\n3c4d\",\"result\":\"made\"}\n");
    }
}
