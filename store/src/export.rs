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
    Table(Box<csv::Writer<W>>),
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
                let mut table = csv::Writer::from_writer(out);
                table.write_record(&names)?;
                Form::Table(Box::new(table))
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
            Form::Table(table) => {
                let records = if let Row::Purchase(purchase) = row { purchase.lines.len() } else { 1 };
                (0..records).try_for_each(|line| Ok(table.write_record(row.cells(line, &self.names))?))
            }
        }
    }

    /// Writes what is still held back.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn finish(self) -> io::Result<()> {
        match self.form {
            Form::Table(mut table) => table.flush(),
            Form::Lines(mut out) => out.flush(),
        }
    }
}
