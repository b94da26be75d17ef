//! Reading the table in pages, in the order of its key.

use postgres::Row;
use postgres::types::Type;
use sources::postgres::Connection;

use crate::copies::destination::FoundList;
use crate::copies::rows::RowDigest;

/// The rows of a page.
const PAGE_ROWS: usize = 10_000;

/// How far the table has been read.
#[derive(Default)]
pub(super) struct Reading {
    /// The list of the last row, which may go on.
    open: Option<OpenList>,
}

struct OpenList {
    name: String,
    rows: RowDigest,
    /// The position of the last row.
    position: i32,
    /// Whether the rows so far are those of a list: their positions are 1, 2, 3, …, and each has a product and a time.
    is_whole: bool,
}

impl Reading {
    /// Adds the lists that end in the next rows. False: the table was read to its end.
    pub(super) fn page(
        &mut self,
        connection: &mut Connection,
        table: &str,
        page: &mut Vec<FoundList>,
    ) -> Result<bool, postgres::Error> {
        let columns = format!(
            "SELECT list, position, product, value, as_of IS NOT NULL FROM {table} \
             WHERE list IS NOT NULL AND position IS NOT NULL"
        );
        let order = format!("ORDER BY list, position LIMIT {PAGE_ROWS}");
        let rows = match &self.open {
            None => connection.query_typed(&format!("{columns} {order}"), &[])?,
            Some(open) => connection.query_typed(
                &format!("{columns} AND (list, position) > ($1, $2) {order}"),
                &[(&open.name, Type::TEXT), (&open.position, Type::INT4)],
            )?,
        };
        rows.iter().try_for_each(|row| self.row(row, page))?;
        let is_more = rows.len() == PAGE_ROWS;
        if !is_more {
            page.extend(self.open.take().map(OpenList::found));
        }
        Ok(is_more)
    }

    /// Adds a row. A column may have got another type since the table was checked.
    fn row(&mut self, row: &Row, page: &mut Vec<FoundList>) -> Result<(), postgres::Error> {
        let (name, position): (&str, i32) = (row.try_get(0)?, row.try_get(1)?);
        let (product, value, has_time): (Option<&str>, Option<f64>, bool) =
            (row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        if self.open.as_ref().is_none_or(|open| open.name != name) {
            let new = OpenList { name: name.to_owned(), rows: RowDigest::default(), position: 0, is_whole: true };
            page.extend(self.open.replace(new).map(OpenList::found));
        }
        if let Some(open) = &mut self.open {
            open.is_whole &= position == open.position.saturating_add(1) && product.is_some() && has_time;
            open.position = position;
            open.rows.row(product.unwrap_or_default(), value);
        }
        Ok(())
    }
}

impl OpenList {
    fn found(self) -> FoundList {
        FoundList { digest: self.is_whole.then(|| self.rows.finish()), name: self.name }
    }
}
