//! `vitrine postgres adopt`: accepts the database server that answers now in the place of the server that the rows came
//! from. The command writes the server's system identifier to a file beside the checkpoints. A running Vitrine reads
//! that file whenever it tries the database again.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use sources::postgres::adopt;

use super::database::{connect, error_text, target};
use crate::config::Config;
use crate::system::sources::adopted_server;

/// The server's system identifier, which its streaming copies share. It is selected as text; the SQL type is signed.
const SYSTEM: &str = "SELECT system_identifier::text FROM pg_control_system()";

/// Adopts the server, provided that its system identifier is `expected` if that is given.
///
/// # Errors
/// No database is configured, the server cannot be reached or has another system identifier than `expected`, or the
/// file cannot be written.
pub fn adopt(expected: Option<u64>, config: &Config) -> anyhow::Result<ExitCode> {
    let postgres =
        config.postgres.as_ref().context("no database is configured: give a --config file with [postgres]")?;
    let target = target(postgres);
    let mut client = connect(&target)?;
    let place = format!("{}/{}", client.host(), target.database());
    let system = client.query_one(SYSTEM, &[]).map_err(|error| {
        anyhow::anyhow!("PostgreSQL at {place} did not return its system identifier: {}", error_text(&error))
    })?;
    let system: i64 = system.get::<_, &str>(0).parse().context("the system identifier is not a number")?;
    let system = system.cast_unsigned();
    if let Some(expected) = expected.filter(|expected| *expected != system) {
        bail!("the server at {place} has the system identifier {system}, not {expected}: nothing was changed");
    }
    let file = adopted_server(config).with_context(|| {
        format!(
            "no [checkpoint] dir is configured, so the adoption cannot be stored: set [postgres] adopt = \"{system}\" \
             and start Vitrine again"
        )
    })?;
    adopt::name(&file, system).with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(
        std::io::stdout(),
        "The server at {place} (system identifier {system}) is adopted: a running Vitrine that waits for the \
         adoption reads its tables again within seconds and applies the difference. The adoption is stored in {}.",
        file.display()
    )?;
    Ok(ExitCode::SUCCESS)
}
