//! New rows in bulk, by COPY. The server has half the work of INSERT: it adds many rows to a page at a time, and looks for no row
//! with the same id.

use std::fmt::{Display, Write as _};
use std::io::Write as _;

use postgres::Client;

use super::reason::PgError;
use super::save;
use super::statistics::RowCounts;
use crate::given::time_text;
use crate::kind::Kind;
use crate::row::{Line, Purchase, Row};

/// Bytes of rows that are sent at a time.
const PIECE_BYTES: usize = 1 << 16;

/// What stands for NULL.
const NULL: &str = "\\N";

/// Rows in the text format of COPY.
#[derive(Default)]
pub(super) struct CopyText(String);

impl CopyText {
    /// Adds a cell to the row.
    pub(super) fn text(&mut self, cell: &str) {
        for character in cell.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '\t' => self.0.push_str("\\t"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                other => self.0.push(other),
            }
        }
        self.0.push('\t');
    }

    /// Adds a cell that may be NULL.
    fn optional(&mut self, cell: Option<&str>) {
        match cell {
            Some(cell) => self.text(cell),
            None => self.plain(NULL),
        }
    }

    /// Adds a cell without tabs, line ends and backslashes of its own.
    pub(super) fn plain(&mut self, cell: impl Display) {
        write!(self.0, "{cell}\t").expect("a text takes everything");
    }

    fn end_row(&mut self) {
        self.0.pop();
        self.0.push('\n');
    }
}

/// Adds rows of one kind, and the lines of purchases, all with different ids. Each line looks for its purchase, so the rows are
/// counted in between.
///
/// # Errors
/// Also when one of the ids is there. The transaction has failed then.
pub(super) fn add(client: &mut Client, rows: &[&Row], counts: &mut RowCounts) -> Result<(), PgError> {
    let Some(first) = rows.first() else { return Ok(()) };
    let (table, columns) = save::table(first.kind());
    let names: Vec<&str> = columns.iter().map(|(name, ..)| *name).collect();
    copy(client, &format!("{table} ({})", names.join(", ")), rows.iter(), |text, row| cells(text, row))?;
    counts.added(client, table)?;
    if first.kind() != Kind::Purchases {
        return Ok(());
    }
    let purchases = rows.iter().filter_map(|row| row.purchase());
    let lines =
        purchases.flat_map(|purchase| purchase.lines.iter().zip(1..).map(move |(line, at)| (purchase, at, line)));
    copy(client, "order_items (order_id, line, product_id, quantity, price, returned)", lines, line_cells)?;
    counts.added(client, "order_items")
}

/// Copies rows into the columns of a table; `cells` adds the cells of a row.
pub(super) fn copy<R>(
    client: &mut Client,
    into: &str,
    rows: impl Iterator<Item = R>,
    cells: impl Fn(&mut CopyText, R),
) -> Result<(), PgError> {
    let mut writer = client.copy_in(&format!("COPY {into} FROM STDIN"))?;
    let mut text = CopyText::default();
    for row in rows {
        cells(&mut text, row);
        text.end_row();
        if text.0.len() >= PIECE_BYTES {
            writer.write_all(text.0.as_bytes())?;
            text.0.clear();
        }
    }
    writer.write_all(text.0.as_bytes())?;
    writer.finish()?;
    Ok(())
}

/// The cells of a row, in the order of the columns of its table.
fn cells(text: &mut CopyText, row: &Row) {
    match row {
        Row::Product(row) => {
            text.text(&row.product_id);
            text.optional(row.name.as_deref());
            text.optional(row.category_id.as_deref());
            text.optional(row.price.as_deref());
            text.optional(row.description.as_deref());
            text.optional(row.attributes.as_ref().map(save::text_of).as_deref());
            text.plain(row.available);
            text.optional(row.embedding.as_ref().map(|numbers| save::array(numbers)).as_deref());
        }
        Row::Category(row) => {
            text.text(&row.category_id);
            text.optional(row.name.as_deref());
            text.optional(row.parent_id.as_deref());
        }
        Row::User(row) => {
            text.text(&row.user_id);
            text.optional(row.name.as_deref());
            text.optional(row.email.as_deref());
            text.optional(row.demographics.as_ref().map(save::text_of).as_deref());
        }
        Row::Purchase(row) => {
            text.text(&row.purchase_id);
            text.text(&row.user_id);
            text.plain(time_text(row.created_at));
            text.plain(row.status.word());
        }
    }
}

fn line_cells(text: &mut CopyText, (purchase, at, line): (&Purchase, usize, &Line)) {
    text.text(&purchase.purchase_id);
    text.plain(at);
    text.text(&line.product_id);
    text.plain(line.quantity);
    text.optional(line.price.as_deref());
    text.plain(line.returned);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_hold_signs_of_the_format_are_escaped() {
        let mut text = CopyText::default();
        text.text("a\tb\\N\r\n");
        text.optional(None);
        text.text("");
        text.plain(7);
        text.end_row();
        assert_eq!(text.0, "a\\tb\\\\N\\r\\n\t\\N\t\t7\n");
    }
}
