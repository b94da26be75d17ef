//! Paths that collide: no file and no directory serves two settings that write there, or one that writes and one that reads.

use std::path::{Path, PathBuf, absolute};

use archive::Target;

use super::Config;

/// A path that the configuration names.
struct NamedPath {
    /// The setting, as it is written in messages.
    setting: String,
    /// The key, to find where it was given.
    key: &'static str,
    path: PathBuf,
    role: Role,
}

/// What happens there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A file that is only read. Several settings may name it.
    Read,
    /// A file that is written.
    Written,
    /// A directory whose files have names of their own, so that another directory's may be beside them.
    Directory,
    /// The directory of the archive, in which every other file is foreign.
    Archive,
}

impl Role {
    fn may_share(self, other: Role) -> bool {
        matches!((self, other), (Role::Read, Role::Read) | (Role::Directory, Role::Directory))
    }
}

/// Adds every pair of settings with one path that cannot serve both.
pub(super) fn collisions(config: &Config, add: &mut impl FnMut(&str, String)) {
    let named = named(config);
    let places: Vec<PathBuf> = named.iter().map(|named| place(&named.path)).collect();
    for (at, one) in named.iter().enumerate() {
        let earlier = named.iter().zip(&places).take(at);
        for (other, _) in earlier.filter(|(other, place)| **place == places[at] && !other.role.may_share(one.role)) {
            let reason = format!(
                "{} is {}, which is also {}; give each a path of its own",
                one.setting,
                one.path.display(),
                other.setting
            );
            add(one.key, reason);
        }
    }
}

/// All paths, those whose setting is named first in a message last.
fn named(config: &Config) -> Vec<NamedPath> {
    let mut all = Vec::new();
    let mut name = |key: &'static str, role: Role, path: Option<&Path>| {
        let named = |path: &Path| NamedPath { setting: format!("`{key}`"), key, path: path.to_owned(), role };
        all.extend(path.filter(|path| !path.as_os_str().is_empty()).map(named));
    };
    name("auth.keys", Role::Read, config.auth.keys.as_deref());
    name("server.tls_cert", Role::Read, config.server.tls_cert.as_deref());
    name("server.tls_key", Role::Read, config.server.tls_key.as_deref());
    name("server.tls_ca", Role::Read, config.server.tls_ca.as_deref());
    name("cluster.hosts", Role::Read, config.cluster.hosts.as_deref());
    name("files.dir", Role::Directory, config.files.as_ref().map(|files| &*files.dir));
    name("checkpoint.dir", Role::Directory, config.checkpoint.as_ref().map(|checkpoint| &*checkpoint.dir));
    name("models.als.dir", Role::Directory, config.als.enabled.then_some(&*config.als.dir));
    let archive = match config.archive.target() {
        Some(Target::Dir(dir)) => Some(dir),
        _ => None,
    };
    name("archive.to", Role::Archive, archive.as_deref());
    let store = config.store.as_ref().filter(|_| config.postgres.is_none());
    name("store.path", Role::Written, store.map(|store| &*store.path));
    name("sinks.audit", Role::Written, config.sinks.audit.as_deref());
    name("sinks.changes", Role::Written, config.sinks.changes.as_deref());
    let of_source =
        config.files.iter().flat_map(|files| sources::files::FILES.map(|file| (file, files.dir.join(file))));
    let of_source = of_source.map(|(file, path)| NamedPath {
        setting: format!("{file} in `files.dir`"),
        key: "files.dir",
        path,
        role: Role::Written,
    });
    of_source.chain(all).collect()
}

/// One spelling of a path, as far as what is there already tells.
fn place(path: &Path) -> PathBuf {
    let path = absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Ok(place) = path.canonicalize() {
        return place;
    }
    let within = path.parent().zip(path.file_name()).and_then(|(dir, name)| Some(dir.canonicalize().ok()?.join(name)));
    within.unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::super::{Flag, Request};
    use super::*;

    /// What is wrong with these settings, of which each has its paths in `dir`.
    fn said(settings: &[(&str, &str)], dir: &Path) -> String {
        let flag = |(key, path): &(&str, &str)| {
            let value =
                if path.contains(['/', '.']) { dir.join(path).display().to_string() } else { (*path).to_owned() };
            Flag { name: "--set".into(), key: (*key).to_owned(), value }
        };
        let request = Request { flags: settings.iter().map(flag).collect(), ..Request::default() };
        Config::load(&request).map_or_else(|errors| errors.to_string(), |_| String::new())
    }

    #[test]
    fn a_path_that_serves_two_settings_is_refused_with_both_names() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::os::unix::fs::symlink(dir.path(), dir.path().join("link.d")).expect("a link");
        let files = ("files.dir", "./data");
        for (settings, one, other) in [
            (&[("sinks.changes", "a.log"), ("sinks.audit", "./a.log")][..], "`sinks.changes`", "`sinks.audit`"),
            (&[("sinks.changes", "link.d/a.log"), ("sinks.audit", "a.log")], "`sinks.changes`", "`sinks.audit`"),
            (&[files, ("sinks.changes", "data/views.jsonl")], "`sinks.changes`", "views.jsonl in `files.dir`"),
            (&[files, ("sinks.audit", "data/removals.jsonl")], "`sinks.audit`", "removals.jsonl in `files.dir`"),
            (&[files, ("store.path", "data/orders.csv")], "`store.path`", "orders.csv in `files.dir`"),
            (&[("archive.to", "a.d"), ("checkpoint.dir", "a.d")], "`archive.to`", "`checkpoint.dir`"),
            (&[files, ("archive.to", "./data")], "`archive.to`", "`files.dir`"),
            (&[("sinks.audit", "keys.toml"), ("auth.keys", "keys.toml")], "`sinks.audit`", "`auth.keys`"),
            (
                &[("models.als.enabled", "on"), files, ("models.als.dir", "a.d"), ("archive.to", "a.d")],
                "`archive.to`",
                "`models.als.dir`",
            ),
        ] {
            let said = said(settings, dir.path());
            assert!(said.contains(&format!("flag --set: {one} is ")), "{said}");
            assert!(said.contains(&format!(", which is also {other}; give each a path of its own")), "{said}");
            assert_eq!(said.lines().count(), 2, "{said}");
        }
    }

    #[test]
    fn files_that_are_only_read_and_directories_of_named_files_may_be_shared() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        for settings in [
            &[("server.tls_cert", "a.pem"), ("server.tls_key", "a.pem"), ("server.tls_ca", "a.pem")][..],
            &[("files.dir", "./data"), ("checkpoint.dir", "./data"), ("store.path", "data/store.db")],
            &[("files.dir", "./data"), ("archive.to", "data/archive"), ("sinks.audit", "data/audit.jsonl")],
        ] {
            assert_eq!(said(settings, dir.path()), "");
        }
    }
}
