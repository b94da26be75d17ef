//! `vitrine generate`: deterministic test data, into files or into Kafka and PostgreSQL.

mod database;
mod empty;
pub(super) mod files;
mod topics;

use anyhow::bail;
use chrono::{DateTime, SecondsFormat};

use crate::cli::{GenerateArgs, Target};
use crate::clock::wall_ms;
use crate::config::Config;
use crate::generate::Shop;

/// Directory of the files if neither a flag nor the configuration gives a directory.
const DIR_DEFAULT: &str = "data";

/// Creates the data and prints a summary to stdout.
///
/// # Errors
/// A file, the broker or the database reports an error; the message says which and why.
pub fn run(args: &GenerateArgs, config: &Config) -> anyhow::Result<()> {
    let shop = Shop::new(args.plan(wall_ms()));
    match args.to {
        Target::Files => {
            let configured = config.files.as_ref().map(|files| files.dir.clone());
            let dir = args.dir.clone().or(configured).unwrap_or_else(|| DIR_DEFAULT.into());
            files::write(&shop, &dir, args.force)
        }
        Target::Services => {
            if config.kafka.is_none() && config.postgres.is_none() {
                bail!(
                    "no service is configured: give a --config file with [kafka], [postgres] or both (vitrine.toml is an example)"
                );
            }
            // Without data, nothing is added to existing tables and topics.
            if !args.empty && !args.force {
                empty::require(config)?;
            }
            if let Some(postgres) = &config.postgres {
                database::fill(&shop, postgres)?;
            }
            if let Some(kafka) = &config.kafka {
                topics::fill(&shop, kafka, args.partitions)?;
            }
            Ok(())
        }
    }
}

/// Milliseconds since the epoch as RFC 3339 in UTC.
fn rfc3339(at: u64) -> String {
    let time = i64::try_from(at).ok().and_then(DateTime::from_timestamp_millis);
    time.expect("the plan's times are within the years that can be written")
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}
