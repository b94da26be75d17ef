//! Problems of a configuration, each with its place and a way to resolve it.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::keys;

/// Where a value was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The default, because no value was given.
    Default,
    /// A line of the file, counted from 1.
    File {
        /// The file's path as it was given.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable of that name.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => write!(out, "default"),
            Origin::File { path, line } => write!(out, "{} line {line}", path.display()),
            Origin::Environment(name) => write!(out, "environment variable {name}"),
            Origin::Flag(name) => write!(out, "flag {name}"),
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Unreadable {
        /// The file's path as it was given.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{} line {line} is not TOML: {reason}", path.display())]
    Syntax {
        /// The file's path as it was given.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The parser's message, without text from the file.
        reason: String,
    },
    /// No setting or section has this name.
    #[error("{origin}: unknown {what} `{key}`{}", Hint(nearest.as_deref()))]
    Unknown {
        /// Where it was found.
        origin: Origin,
        /// `setting` or `section`.
        what: &'static str,
        /// The name as found.
        key: String,
        /// The nearest known name, if one is near.
        nearest: Option<String>,
    },
    /// A variable of the environment that would be a setting with two underscores between the parts of its name.
    #[error("environment variable {name} is no setting; did you mean `{meant}`, with two underscores?")]
    Underscores {
        /// The variable.
        name: String,
        /// The variable of the setting.
        meant: String,
    },
    /// The setting does not allow the value.
    #[error("{origin}: `{key}` is {found}; allowed is {allowed}")]
    Value {
        /// Where it was found.
        origin: Origin,
        /// The full key.
        key: String,
        /// The value as found, or a note that it is hidden.
        found: String,
        /// The allowed values.
        allowed: String,
    },
    /// `${VAR}` without a default names a variable that is not set, or is not closed.
    #[error("{origin}: `{key}` {reason}")]
    Expansion {
        /// Where it was found.
        origin: Origin,
        /// The full key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file that holds a secret cannot be read.
    #[error("{origin}: `{key}` names the file {}, which cannot be read: {reason}", path.display())]
    SecretFile {
        /// Where the file was named.
        origin: Origin,
        /// The full key, with `_file`.
        key: String,
        /// The named file.
        path: PathBuf,
        /// The system's reason.
        reason: String,
    },
    /// A secret given directly and by a file in the same place.
    #[error("{origin}: `{key}` and `{key}_file` are both set; keep one of them")]
    Twice {
        /// Where the second one was found.
        origin: Origin,
        /// The full key, without `_file`.
        key: String,
    },
    /// Two settings that contradict each other.
    #[error("{origin}: {reason}")]
    Together {
        /// Where the setting to change was given.
        origin: Origin,
        /// The contradiction, and the ways to resolve it.
        reason: String,
    },
    /// The API needs keys, and there are none.
    #[error(
        "`server.listen` is {listen}, and the API has no keys{}: `vitrine key create --file keys.toml --name shop --scope read` \
         makes one, and `auth.keys = \"keys.toml\"` names its file; with `auth.required = false` everyone who can reach the \
         port may read all histories, remove from them and post events",
        if *empty { ", the file of `auth.keys` is empty" } else { "" }
    )]
    NoKeys {
        /// The address of the server.
        listen: SocketAddr,
        /// Whether a file of keys is named, which has none.
        empty: bool,
    },
    /// The file of keys cannot be used.
    #[error("`auth.keys`: {0}")]
    Keys(keys::Error),
    /// The certificate cannot be used.
    #[error("`server.tls_cert`, `server.tls_key`: {0}")]
    Certificate(String),
    /// No source is configured.
    #[error(
        "nothing to read from: name a file with --config (vitrine.toml is a commented example), or set [kafka], \
         [postgres] or both; `[files] dir = \"data\"` alone reads files and needs no service, and `vitrine demo` needs nothing at all. \
         Beside a [store], [files] or [kafka] brings the events"
    )]
    NoSource,
}

struct Hint<'a>(Option<&'a str>);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |nearest| write!(out, "; did you mean `{nearest}`?"))
    }
}

/// All problems of one configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(pub Vec<Problem>);

impl fmt::Display for Errors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the configuration cannot be used")?;
        for problem in &self.0 {
            write!(out, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
