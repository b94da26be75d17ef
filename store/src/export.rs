//! Export: rows as a file that an import reads again.

use std::io::{self, Write};

use crate::import::FileFormat;
use crate::kind::Kind;
use crate::row::Row;

/// Writes rows of one kind. A purchase in CSV has a record for each of its lines.
pub struct RowWriter<W: Write> {
    names: Vec<&'static str>,
    form: Form<W>,
}

enum Form<W: Write> {
    /// CSV, and room for a record.
    Table(W, String),
    Lines(W),
}

impl<W: Write> RowWriter<W> {
    /// A writer that has written the names of the columns, if the format has them.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn new(kind: Kind, format: FileFormat, out: W) -> io::Result<Self> {
        let names = kind.columns();
        let form = match format {
            FileFormat::JsonLines => Form::Lines(out),
            FileFormat::Csv => {
                let (mut out, mut record) = (out, String::new());
                write_record(&mut out, &mut record, names.iter().copied().map(Some))?;
                Form::Table(out, record)
            }
        };
        Ok(RowWriter { names, form })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&mut self, row: &Row) -> io::Result<()> {
        match &mut self.form {
            Form::Lines(out) => writeln!(out, "{}", row.json()),
            Form::Table(out, record) => {
                let records = if let Row::Purchase(purchase) = row { purchase.lines.len() } else { 1 };
                (0..records).try_for_each(|line| {
                    let cells = row.cells(line, &self.names);
                    write_record(out, record, cells.iter().map(Option::as_deref))
                })
            }
        }
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn finish(self) -> io::Result<()> {
        match self.form {
            Form::Table(mut out, _) | Form::Lines(mut out) => out.flush(),
        }
    }
}

/// Writes a record. An empty text is in quotes, so that an import tells it from no value.
fn write_record<'c>(
    out: &mut impl Write,
    record: &mut String,
    cells: impl Iterator<Item = Option<&'c str>>,
) -> io::Result<()> {
    record.clear();
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            record.push(',');
        }
        match cell {
            Some(cell) if cell.is_empty() || cell.contains([',', '"', '\r', '\n']) => {
                record.push('"');
                record.push_str(&cell.replace('"', "\"\""));
                record.push('"');
            }
            Some(cell) => record.push_str(cell),
            None => {}
        }
    }
    record.push('\n');
    out.write_all(record.as_bytes())
}
