//! The keys of a connection string that are about TLS, taken out of it: the driver refuses most of them.

use std::ops::Range;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::error::OptionsError;
use crate::mode::SslMode;

/// The keys that are taken out.
const KEYS: [&str; 3] = ["sslmode", "sslrootcert", "sslnegotiation"];

/// The value of `sslrootcert` that stands for the root certificates of the machine.
const SYSTEM: &str = "system";

/// What a connection string says about TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// How much is demanded.
    pub mode: SslMode,
    pub(crate) roots: NamedRoots,
    /// Whether TLS begins without a question (`sslnegotiation=direct`, for servers from 17 on).
    pub(crate) is_direct: bool,
}

/// Which root certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamedRoots {
    /// Those of the file that libpq reads by itself, if it is there.
    Default,
    File(PathBuf),
    /// Those of the machine.
    System,
}

/// The connection string without its keys about TLS, and what they say. Of a key that stands twice, the last one counts.
///
/// # Errors
/// When a value is unknown, or values contradict each other.
pub fn split(connection: &str) -> Result<(String, TlsOptions), OptionsError> {
    let mut rest = String::with_capacity(connection.len());
    let (mut mode, mut roots, mut is_direct, mut kept) = (None, NamedRoots::Default, false, 0);
    for Parameter { key, value, place } in parameters(connection) {
        if !KEYS.contains(&key.as_str()) {
            continue;
        }
        rest.push_str(&connection[kept..place.start]);
        kept = place.end;
        match key.as_str() {
            "sslmode" => mode = Some(SslMode::of(&value).ok_or(OptionsError::Mode)?),
            "sslrootcert" if value == SYSTEM => roots = NamedRoots::System,
            "sslrootcert" if value.is_empty() => roots = NamedRoots::Default,
            "sslrootcert" => roots = NamedRoots::File(value.into()),
            _ => {
                is_direct = match value.as_str() {
                    "direct" => true,
                    "postgres" => false,
                    _ => return Err(OptionsError::Negotiation),
                }
            }
        }
    }
    rest.push_str(&connection[kept..]);
    let of_system = roots == NamedRoots::System;
    let mode = mode.unwrap_or(if of_system { SslMode::VerifyFull } else { SslMode::Prefer });
    if of_system && mode != SslMode::VerifyFull {
        return Err(OptionsError::WeakMode(mode));
    }
    if is_direct && mode < SslMode::Require {
        return Err(OptionsError::WeakDirect(mode));
    }
    Ok((rest, TlsOptions { mode, roots, is_direct }))
}

/// A key of a connection string.
struct Parameter {
    key: String,
    value: String,
    /// What to take out so that the rest is a connection string again.
    place: Range<usize>,
}

fn parameters(connection: &str) -> Vec<Parameter> {
    let scheme = ["postgres://", "postgresql://"].into_iter().find(|scheme| connection.starts_with(scheme));
    match scheme {
        Some(scheme) => of_url(connection, scheme.len()),
        None => of_words(connection),
    }
}

/// Those of a URL, behind its question mark. One in the password, before the first `@`, is none.
fn of_url(url: &str, scheme: usize) -> Vec<Parameter> {
    let host = url[scheme..].find('@').map_or(scheme, |at| scheme + at + 1);
    let Some(question) = url[host..].find('?').map(|at| host + at) else { return Vec::new() };
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (mut found, mut start) = (Vec::new(), question + 1);
    for pair in url[question + 1..].split('&') {
        let end = start + pair.len();
        if let Some((key, value)) = pair.split_once('=') {
            let place = start..(end + 1).min(url.len());
            found.push(Parameter { key: decoded(key), value: decoded(value), place });
        }
        start = end + 1;
    }
    found
}

/// Those of `key = value` words: a value with spaces stands in quotes, and a backslash takes the next character as it is.
fn of_words(text: &str) -> Vec<Parameter> {
    let (mut found, mut at) = (Vec::new(), 0);
    loop {
        let start = skip_spaces(text, at);
        let Some(sign) = text[start..].find('=').map(|sign| start + sign) else { return found };
        let key = text[start..sign].trim_end().to_owned();
        let (value, end) = value(text, skip_spaces(text, sign + 1));
        found.push(Parameter { key, value, place: start..end });
        at = end;
    }
}

fn skip_spaces(text: &str, from: usize) -> usize {
    text[from..].find(|c: char| !c.is_whitespace()).map_or(text.len(), |at| from + at)
}

/// The value that begins at `from`, and where it ends.
fn value(text: &str, from: usize) -> (String, usize) {
    let is_quoted = text[from..].starts_with('\'');
    let mut value = String::new();
    let mut characters = text[from..].char_indices().skip(usize::from(is_quoted));
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, taken)| taken)),
            '\'' if is_quoted => return (value, from + at + 1),
            space if !is_quoted && space.is_whitespace() => return (value, from + at),
            other => value.push(other),
        }
    }
    (value, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(connection: &str) -> (String, SslMode, NamedRoots) {
        let (rest, options) = split(connection).unwrap();
        (rest, options.mode, options.roots)
    }

    #[test]
    fn keys_about_tls_are_taken_out_and_all_else_stays() {
        let file = |path: &str| NamedRoots::File(path.into());
        for (connection, rest, mode, roots) in [
            ("postgresql://u@h/d", "postgresql://u@h/d", SslMode::Prefer, NamedRoots::Default),
            ("postgresql://u@h/d?sslmode=disable", "postgresql://u@h/d?", SslMode::Disable, NamedRoots::Default),
            (
                "postgres://u:p?sslmode=x@h/d?sslmode=verify-ca&sslrootcert=%2Fa%20b.pem&connect_timeout=3",
                "postgres://u:p?sslmode=x@h/d?connect_timeout=3",
                SslMode::VerifyCa,
                file("/a b.pem"),
            ),
            ("postgresql://h?a=b&sslrootcert=system", "postgresql://h?a=b&", SslMode::VerifyFull, NamedRoots::System),
            ("host=a sslmode=require user=u", "host=a  user=u", SslMode::Require, NamedRoots::Default),
            (
                r"host = a sslrootcert = '/it\'s here' password='sslmode=x' sslmode=allow",
                "host = a  password='sslmode=x' ",
                SslMode::Allow,
                file("/it's here"),
            ),
            ("sslmode=require sslmode=disable", " ", SslMode::Disable, NamedRoots::Default),
            ("password=sslmode host=b", "password=sslmode host=b", SslMode::Prefer, NamedRoots::Default),
            ("", "", SslMode::Prefer, NamedRoots::Default),
        ] {
            assert_eq!(of(connection), (rest.to_owned(), mode, roots), "{connection}");
        }
    }

    #[test]
    fn the_driver_accepts_what_is_left() {
        for connection in [
            "postgresql://u@h/d?sslmode=verify-full",
            "postgresql://u@h/d?connect_timeout=3&sslmode=verify-full",
            "postgresql://u@h/d?sslmode=verify-full&sslnegotiation=direct&application_name=till",
            "host=h sslmode = 'require' user=u",
        ] {
            let (rest, _) = split(connection).unwrap();
            assert!(rest.parse::<postgres::Config>().is_ok(), "{rest}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused() {
        let refused = |connection: &str| split(connection).unwrap_err();
        assert_eq!(refused("sslmode=verify"), OptionsError::Mode);
        assert_eq!(refused("sslmode="), OptionsError::Mode);
        assert_eq!(refused("sslmode=require sslrootcert=system"), OptionsError::WeakMode(SslMode::Require));
        assert_eq!(refused("sslnegotiation=direct"), OptionsError::WeakDirect(SslMode::Prefer));
        assert_eq!(refused("sslnegotiation=now"), OptionsError::Negotiation);
    }
}
