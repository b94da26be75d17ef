//! Who may use the server: the keys of the file, read again whenever the file has changed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use query_server::{Access, Key, KeyId, Rate};

use super::file_watch::{FileStamp, FileWatch};
use crate::audit::record_now;
use crate::config::{Auth, Config, Errors, Problem};
use crate::keys;

/// The keys of a running server.
pub(super) struct Keys {
    access: Arc<Access>,
    _watch: Option<FileWatch>,
}

/// The keys that requests need; `None` if they need none.
///
/// # Errors
/// Keys are needed and there are none, or their file cannot be used.
pub(crate) fn keys_needed(config: &Config) -> Result<Option<Vec<Key>>, Errors> {
    let listen = config.server.listen;
    if !config.auth.needs_keys(listen) {
        return Ok(None);
    }
    let refused = |problem| Errors(vec![problem]);
    let path = config.auth.keys.as_ref().ok_or_else(|| refused(Problem::NoKeys { listen, empty: false }))?;
    let keys = keys::read(path, default_rate(&config.auth)).map_err(|error| refused(Problem::Keys(error)))?;
    // On loopback, the first key may be made while the server runs.
    if keys.is_empty() && !listen.ip().to_canonical().is_loopback() {
        return Err(refused(Problem::NoKeys { listen, empty: true }));
    }
    Ok(Some(keys))
}

fn default_rate(auth: &Auth) -> Option<Rate> {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let rate = Rate { requests_per_s: number(auth.requests_per_s), burst: number(auth.burst) };
    (auth.requests_per_s > 0).then_some(rate)
}

impl Keys {
    /// Reads the keys, and follows their file.
    ///
    /// # Errors
    /// Keys are needed and there are none, their file cannot be used, or the system denies a thread.
    pub(super) fn start(config: &Config) -> anyhow::Result<Keys> {
        let listen = config.server.listen;
        // Taken before the file is read, so that a change meanwhile is noticed.
        let seen = config.auth.keys.as_deref().and_then(FileStamp::of);
        let Some(keys) = keys_needed(config)? else {
            if !listen.ip().to_canonical().is_loopback() {
                tracing::warn!(%listen, "auth.required is false: everyone who can reach the port may do everything");
            }
            return Ok(Keys { access: Arc::new(Access::open()), _watch: None });
        };
        let path = config.auth.keys.clone().context("there are no keys without a file")?;
        tracing::info!(keys = keys.len(), "requests need a key");
        let access = Arc::new(Access::with_keys(keys.clone()));
        let mut following = Following {
            seen,
            path,
            default: default_rate(&config.auth),
            audit: config.sinks.audit.clone(),
            access: access.clone(),
            keys,
            trouble: None,
        };
        let watch = FileWatch::start("keys", move || following.look())?;
        Ok(Keys { access, _watch: Some(watch) })
    }

    /// Who may do what.
    pub(super) fn access(&self) -> Arc<Access> {
        self.access.clone()
    }
}

/// The state of the looks.
struct Following {
    path: PathBuf,
    default: Option<Rate>,
    audit: Option<PathBuf>,
    access: Arc<Access>,
    keys: Vec<Key>,
    /// The file that was read last.
    seen: Option<FileStamp>,
    /// Why the file could not be read at the last look.
    trouble: Option<String>,
}

impl Following {
    /// Reads the file again if it is another one. A file that cannot be used changes nothing: the keys before it stay.
    fn look(&mut self) {
        let stamp = FileStamp::of(&self.path);
        if stamp == self.seen && self.trouble.is_none() {
            return;
        }
        // The file may change again while it is read; then the next look finds another stamp.
        match keys::read(&self.path, self.default) {
            Ok(keys) => {
                self.seen = stamp;
                self.trouble = None;
                self.replace(keys);
            }
            Err(error) => {
                let trouble = Some(error.to_string());
                if trouble != self.trouble {
                    tracing::error!(%error, "the new file of keys cannot be used: the previous keys stay valid");
                }
                self.trouble = trouble;
            }
        }
    }

    fn replace(&mut self, keys: Vec<Key>) {
        if keys == self.keys {
            return;
        }
        let change = change(&self.keys, &keys);
        self.access.replace(keys.clone());
        self.keys = keys;
        tracing::info!(keys = self.keys.len(), %change, "the keys have changed");
        let audit = self.audit.clone().map(|path| record_now(path, "server", "keys.reload", &change, "in use"));
        if let Some(Err(error)) = audit {
            tracing::error!(%error, "a change of keys is not in the audit log");
        }
    }
}

/// The ids of the keys that came, went and changed, as a text.
fn change(before: &[Key], after: &[Key]) -> String {
    let ids = |keys: &[Key]| keys.iter().map(|key| key.id).collect::<BTreeSet<KeyId>>();
    let (old, new) = (ids(before), ids(after));
    let is_other = |key: &&Key| before.iter().any(|other| other.id == key.id && other != *key);
    let text = |word: &str, ids: Vec<KeyId>| {
        let ids: Vec<String> = ids.iter().map(KeyId::to_string).collect();
        (!ids.is_empty()).then(|| format!("{word} {}", ids.join(" ")))
    };
    let parts = [
        text("added", new.difference(&old).copied().collect()),
        text("removed", old.difference(&new).copied().collect()),
        text("changed", after.iter().filter(is_other).map(|key| key.id).collect()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use query_server::{Scope, Token};

    use super::*;
    use crate::keys::{NewKey, edit};

    fn add(path: &std::path::Path, id: u32) {
        let token = Token::new(KeyId(id), &[1; 32]);
        let new = NewKey { name: "shop".into(), scopes: vec!["read".into()], ..NewKey::default() };
        edit(path, |records| {
            records.push(new.record(KeyId(id), &token, 0));
            Ok(())
        })
        .unwrap();
    }

    #[test]
    fn a_changed_file_is_used_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (path, audit) = (dir.path().join("keys.toml"), dir.path().join("audit.jsonl"));
        add(&path, 1);
        let keys = keys::read(&path, None).unwrap();
        let mut watch = Following {
            seen: FileStamp::of(&path),
            default: None,
            audit: Some(audit.clone()),
            access: Arc::new(Access::with_keys(keys.clone())),
            keys,
            trouble: None,
            path: path.clone(),
        };
        let ids = |watch: &mut Following| {
            watch.look();
            watch.keys.iter().map(|key| key.id.0).collect::<Vec<_>>()
        };
        assert_eq!(ids(&mut watch), [1]);
        add(&path, 2);
        assert_eq!(ids(&mut watch), [1, 2]);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, "[[key]").unwrap();
        assert_eq!(ids(&mut watch), [1, 2]);
        assert!(watch.trouble.is_some());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(ids(&mut watch), [1, 2]);
        std::fs::write(&path, good).unwrap();
        edit(&path, |records| {
            records.remove(0);
            records[0].scopes.push("events".into());
            Ok(())
        })
        .unwrap();
        assert_eq!(ids(&mut watch), [2]);
        assert!(watch.trouble.is_none() && watch.keys[0].scopes.allows(Scope::Events));
        let lines = std::fs::read_to_string(audit).unwrap();
        let targets: Vec<&str> =
            lines.lines().map(|line| line.split("\"target\":\"").nth(1).unwrap().split('"').next().unwrap()).collect();
        assert_eq!(targets, ["added 00000002", "removed 00000001; changed 00000002"]);
    }
}
