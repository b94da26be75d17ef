//! `vitrine postgres adopt`: a person's word that the server that answers now is the one to go on with. It is left in a file
//! beside the checkpoints, where a running Vitrine looks whenever it tries the database again.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sources::postgres::adopt;

use super::database::{connect, error_text, target};
use crate::config::Config;
use crate::system::sources::adopted_server;

/// The server's own number, which its streaming copies share. It is text in SQL: the type there has a sign.
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";

/// Names the server, if it is the one that is meant.
///
/// # Errors
/// No database is configured, it cannot be reached, it is another one than `meant`, or the file cannot be written.
pub fn adopt(meant: Option<u64>, config: &Config) -> anyhow::Result<ExitCode> {
    let postgres =
        config.postgres.as_ref().context("no database is configured: give a --config file with [postgres]")?;
    let target = target(postgres);
    let mut client = connect(&target)?;
    let place = format!("{}/{}", client.host(), target.database());
    let system = client.query_one(SYSTEM, &[]).map_err(|error| {
        anyhow::anyhow!("PostgreSQL at {place} does not say which server it is: {}", error_text(&error))
    })?;
    let system: i64 = system.get::<_, &str>(0).parse().context("the system identifier is no number")?;
    let system = system.cast_unsigned();
    if let Some(meant) = meant.filter(|meant| *meant != system) {
        bail!("the server at {place} has the system identifier {system}, not {meant}: nothing was changed");
    }
    let file = adopted_server(config).with_context(|| {
        format!(
            "no [checkpoint] dir is configured, so there is no place to leave the word: set [postgres] adopt = \"{system}\" \
             and start Vitrine again"
        )
    })?;
    adopt::name(&file, system).with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(
        std::io::stdout(),
        "The server at {place} (system identifier {system}) is adopted: a Vitrine that waits for this word reads its tables \
         anew within seconds, as a difference. The word is in {}.",
        file.display()
    )?;
    Ok(ExitCode::SUCCESS)
}
