//! `vitrine key`: makes, lists and revokes keys of the API, also while a server uses their file.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use query_server::{KeyId, Token};

use crate::audit::{self, record_now};
use crate::cli::{KeyAction, KeyArgs};
use crate::clock::wall_ms;
use crate::config::Config;
use crate::keys::{self, Error, KeyRecord, NewKey, edit};

/// Keys of one name: one in use, and the next one while users change to it.
const OF_A_NAME_MAX: usize = 2;

/// Runs the subcommand; results go to stdout.
///
/// # Errors
/// No file is named, it cannot be read or written, or the change is refused.
pub fn run(args: &KeyArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let file = config.auth.keys.as_deref();
    let file = file.context("no file of keys is named: give --file FILE, or a --config file with `auth.keys`")?;
    let out = &mut std::io::stdout().lock();
    match &args.action {
        KeyAction::Create { name, scopes, origins, requests_per_s, burst, .. } => {
            let (name, scopes, origins) = (name.clone(), scopes.clone(), origins.clone());
            let new = NewKey { name, scopes, origins, requests_per_s: *requests_per_s, burst: *burst };
            let (id, token) = create(file, new)?;
            note(config, "key.create", id)?;
            writeln!(out, "{}", token.expose())?;
            writeln!(std::io::stderr(), "key {id} is made; {} holds its digest only", file.display())?;
        }
        KeyAction::List { .. } => list(file, out)?,
        KeyAction::Revoke { id, .. } => {
            let id: KeyId = id.parse()?;
            revoke(file, id)?;
            note(config, "key.revoke", id)?;
            writeln!(out, "key {id} is revoked")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn create(file: &Path, new: NewKey) -> anyhow::Result<(KeyId, Token)> {
    let (mut id, mut secret) = ([0; 4], [0; 32]);
    let random = |bytes: &mut [u8]| getrandom::fill(bytes).context("the system gives no random numbers");
    random(&mut secret)?;
    random(&mut id)?;
    let id = KeyId(u32::from_be_bytes(id));
    let token = Token::new(id, &secret);
    edit(file, |records| {
        if records.iter().filter(|record| record.name == new.name).count() >= OF_A_NAME_MAX {
            let reason = format!(
                "there are {OF_A_NAME_MAX} keys of the name {:?} already: `vitrine key revoke` the one that is no longer used",
                new.name
            );
            return Err(Error::Refused(reason));
        }
        records.push(new.record(id, &token, wall_ms()));
        Ok(())
    })?;
    Ok((id, token))
}

fn revoke(file: &Path, id: KeyId) -> Result<(), Error> {
    edit(file, |records| {
        let before = records.len();
        records.retain(|record| record.id != id.to_string());
        if records.len() == before {
            return Err(Error::Refused(format!("there is no key {id}; `vitrine key list` shows all")));
        }
        Ok(())
    })?;
    Ok(())
}

/// Notes a change in the audit log, where there is one. The change is done already.
fn note(config: &Config, what: &str, id: KeyId) -> anyhow::Result<()> {
    let Some(path) = &config.sinks.audit else { return Ok(()) };
    record_now(path.clone(), &audit::user(), what, &format!("key {id}"), "done")
        .with_context(|| format!("the change is done, but it is not in the audit log {}", path.display()))
}

fn list(file: &Path, out: &mut impl Write) -> anyhow::Result<()> {
    let (titles, records) = (["ID", "CREATED", "SCOPES", "RATE", "ORIGINS", "NAME"], keys::records(file)?);
    let mut rows = vec![titles.map(str::to_owned)];
    rows.extend(records.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..titles.len()).map(width).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

fn row(record: &KeyRecord) -> [String; 6] {
    let list = |items: &[String]| if items.is_empty() { "-".to_owned() } else { items.join(",") };
    let rate = match (record.requests_per_s, record.burst) {
        (Some(per_s), Some(burst)) => format!("{per_s}/s, {burst} at once"),
        (Some(per_s), None) => format!("{per_s}/s"),
        (None, Some(burst)) => format!("{burst} at once"),
        (None, None) => "-".into(),
    };
    [record.id.clone(), record.created.clone(), list(&record.scopes), rate, list(&record.origins), record.name.clone()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(name: &str) -> NewKey {
        NewKey { name: name.into(), scopes: vec!["read".into()], ..NewKey::default() }
    }

    #[test]
    fn a_name_has_two_keys_during_a_rotation_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("keys.toml");
        let (first, token) = create(&file, new("shop")).unwrap();
        let (second, other) = create(&file, new("shop")).unwrap();
        assert!(first != second && token != other);
        let refused = create(&file, new("shop")).unwrap_err().to_string();
        assert!(refused.contains("there are 2 keys of the name \"shop\""), "{refused}");
        create(&file, new("page")).unwrap();
        revoke(&file, first).unwrap();
        assert!(revoke(&file, first).is_err());
        let keys = keys::read(&file, None).unwrap();
        assert!(keys.len() == 2 && keys[0].digest == other.digest());
        let mut out = Vec::new();
        list(&file, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("ID        CREATED") && text.contains(&second.to_string()), "{text}");
        assert!(!text.contains("vt_") && !std::fs::read_to_string(&file).unwrap().contains("vt_"));
    }
}
