//! What the table of products says about them. Which of its columns are read is a setting.
//!
//! The rows come through a cursor, some at a time, in one transaction that only reads: the memory is bounded, and each
//! statement has the limits of a short query.

use std::ops::ControlFlow;

use postgres::types::Kind;
use postgres::{Row, Transaction};

use super::names::{Tables, column, table};
use super::session::connection::{Connection, Target};
use super::session::error_text::error_text;
use super::{Settings, SettingsError};
use crate::description::{Description, DescriptionColumns, DescriptionsError, Reading, numbers};
use crate::fault;

/// Rows that are fetched together.
const ROWS: usize = 256;

/// The characters of a text that are fetched.
const TEXT_MAX: usize = 20_000;

/// The characters of an embedding that are fetched: more than the longest one needs. What is cut off is no list of numbers.
const EMBEDDING_MAX: usize = 200_000;

/// The table of products.
pub(crate) struct TableDescriptions {
    target: Target,
    tables: Tables,
    columns: DescriptionColumns,
}

impl TableDescriptions {
    pub(crate) fn new(settings: &Settings, columns: DescriptionColumns) -> Result<Self, DescriptionsError> {
        let wrong =
            |error: SettingsError| DescriptionsError::Postgres { place: String::new(), reason: error.to_string() };
        settings.tables.check().map_err(|error| wrong(error.into()))?;
        let target = settings.target().map_err(|error| wrong(error.into()))?;
        Ok(TableDescriptions { target, tables: settings.tables.clone(), columns })
    }

    /// Shows every row to `see`.
    pub(crate) fn read(
        &mut self,
        see: &mut dyn FnMut(Description) -> ControlFlow<()>,
    ) -> Result<Reading, DescriptionsError> {
        let failed = |reason: String| DescriptionsError::Postgres { place: self.target.place(), reason };
        let mut connection = self.target.connect().map_err(|error| failed(error.to_string()))?;
        self.scan(&mut connection, see).map_err(|error| failed(error_text(&error)))
    }

    fn scan(
        &self,
        connection: &mut Connection,
        see: &mut dyn FnMut(Description) -> ControlFlow<()>,
    ) -> Result<Reading, postgres::Error> {
        connection.expect_answers();
        let mut transaction = connection.build_transaction().read_only(true).start()?;
        let (sql, missing) = self.query(&mut transaction)?;
        transaction.batch_execute(&format!("DECLARE vitrine_descriptions NO SCROLL CURSOR FOR {sql}"))?;
        loop {
            let rows = transaction.query(&format!("FETCH FORWARD {ROWS} FROM vitrine_descriptions"), &[])?;
            if rows.is_empty() {
                transaction.commit()?;
                return Ok(Reading::Whole { missing });
            }
            for row in &rows {
                if description(row)?.is_some_and(|described| see(described).is_break()) {
                    return Ok(Reading::Ended);
                }
            }
        }
    }

    /// The query, with `''` in the place of columns that the table does not have, and the names of these.
    fn query(&self, transaction: &mut Transaction<'_>) -> Result<(String, Vec<String>), postgres::Error> {
        let products = &self.tables.products;
        let name = table(&products.name);
        let statement = transaction.prepare(&format!("SELECT * FROM {name} LIMIT 0"))?;
        let mut missing = Vec::new();
        let mut text = |named: &Option<String>, max: usize| {
            let Some(named) = named else { return "''".to_owned() };
            if let Some(found) = statement.columns().iter().find(|column| column.name() == named) {
                let is_array = matches!(found.type_().kind(), Kind::Array(_));
                // The first of a list of categories is the product's own.
                let first = if is_array && *named == products.category_id { "[1]" } else { "" };
                return format!("left(coalesce(({}){first}::text, ''), {max})", column(named));
            }
            missing.push(named.clone());
            "''".to_owned()
        };
        let columns = &self.columns;
        let texts = [
            text(&columns.name, TEXT_MAX),
            text(&columns.description, TEXT_MAX),
            text(&Some(products.category_id.clone()), TEXT_MAX),
            text(&columns.attributes, TEXT_MAX),
            text(&columns.embedding, EMBEDDING_MAX),
        ];
        let product = column(&products.product_id);
        Ok((format!("SELECT {product}::text, {} FROM {name} WHERE {product} IS NOT NULL", texts.join(", ")), missing))
    }
}

/// What a row says; none if its product cannot be a product's id.
fn description(row: &Row) -> Result<Option<Description>, postgres::Error> {
    let product: &str = row.try_get(0)?;
    if fault::id(Some(product), "product_id").is_err() {
        return Ok(None);
    }
    Ok(Some(Description {
        product: product.to_owned(),
        name: row.try_get(1)?,
        description: row.try_get(2)?,
        category: row.try_get(3)?,
        attributes: row.try_get(4)?,
        embedding: numbers(row.try_get(5)?),
    }))
}
