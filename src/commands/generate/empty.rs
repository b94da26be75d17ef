//! Whether tables and topics are empty: test data among real data could not be separated again.

use anyhow::bail;

use crate::commands::broker::BrokerClient;
use crate::commands::database::{Connection, connect, error_text, quoted, target};
use crate::commands::shop_tables::shop_tables;
use crate::config::{Config, Kafka, Postgres};

/// Fails if a table, or a topic that is read, is not empty. Changes nothing.
///
/// # Errors
/// A table or topic is not empty: the message names it and the possible flags. Or a service does not answer.
pub(super) fn require(config: &Config) -> anyhow::Result<()> {
    let mut not_empty = config.postgres.as_ref().map_or(Ok(Vec::new()), tables)?;
    not_empty.extend(config.kafka.as_ref().map_or(Ok(Vec::new()), topics)?);
    if not_empty.is_empty() {
        return Ok(());
    }
    let views = config.kafka.as_ref().and_then(|kafka| kafka.views.first());
    let appended = views.map_or(String::new(), |topic| format!(", and appends views to topic {topic}"));
    bail!(
        "not empty: {}. Nothing was written. --force adds test data to what is there: it adds rows whose key is missing, \
         deletes its own returned order lines, leaves all other rows as they are{appended}. --empty makes topics and \
         tables that are missing, and adds nothing",
        not_empty.join(", ")
    )
}

/// The tables that have rows.
fn tables(postgres: &Postgres) -> anyhow::Result<Vec<String>> {
    let target = target(postgres);
    let mut client = match connect(&target) {
        Ok(client) => client,
        Err(error) if error.no_database => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut not_empty = Vec::new();
    for table in shop_tables(postgres) {
        if has_rows(&mut client, &table.name)
            .map_err(|error| anyhow::anyhow!("table {} cannot be read: {}", table.name, error_text(&error)))?
        {
            not_empty.push(format!("table {} of database {}", table.name, target.database()));
        }
    }
    Ok(not_empty)
}

fn has_rows(client: &mut Connection, table: &str) -> Result<bool, postgres::Error> {
    let name = quoted(table);
    if !client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name])?.get::<_, bool>(0) {
        return Ok(false);
    }
    Ok(client.query_one(&format!("SELECT EXISTS (SELECT FROM {name})"), &[])?.get(0))
}

/// The topics of views and removals that have records.
fn topics(kafka: &Kafka) -> anyhow::Result<Vec<String>> {
    let (broker, metadata) = BrokerClient::connect(kafka)?;
    let mut not_empty = Vec::new();
    for topic in kafka.views.iter().chain([&kafka.removals]) {
        if broker.has_records(&metadata, topic)? {
            not_empty.push(format!("topic {topic}"));
        }
    }
    Ok(not_empty)
}
