//! Labels as lines of JSON: a row keeps its text, and its features are added at the end of the object.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufReader, Seek, Write};
use std::path::Path;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::{
    CellsOf, FeatureColumns, LINE_BYTES_MAX, Label, LabelError, PRODUCT, Place, ROWS_MAX, RowFault, Scanned, TIME,
    USER, id, time_of_number, time_of_text,
};
use crate::lines::{LineReader, TextLine};
use dataflow::features::{Feature, FeatureCell};

/// See [`super::LabelFile::scan`].
pub(super) fn scan(
    path: &Path,
    file: &File,
    features: &[&'static Feature],
    take: &mut impl FnMut(Label<'_>),
) -> Result<Scanned, LabelError> {
    let mut scanned = Scanned { rows: 0, has_products: false };
    each_row(path, file, |_, row| {
        if let Some(feature) = features.iter().find(|feature| row.contains_key(feature.name)) {
            return Err(RowFault::Clash(feature.name));
        }
        let label = label(row)?;
        scanned.rows += 1;
        scanned.has_products |= label.product.is_some();
        take(label);
        Ok(scanned.rows <= ROWS_MAX)
    })?;
    if scanned.rows > ROWS_MAX { Err(LabelError::TooMany(path.to_owned())) } else { Ok(scanned) }
}

/// See [`super::LabelFile::join`].
pub(super) fn join(
    path: &Path,
    file: &File,
    out: &mut impl Write,
    columns: &FeatureColumns,
    cells: &mut CellsOf<'_>,
) -> Result<(), LabelError> {
    let (mut next, mut failed, mut is_changed) = (0, None, false);
    each_row(path, file, |text, _| {
        let written = cells(next).and_then(|cells| match cells {
            Some(cells) => write_row(out, text, columns, &cells).map(|()| true),
            None => Ok(false),
        });
        next += 1;
        match written {
            Ok(written) => is_changed = !written,
            Err(error) => failed = Some(error),
        }
        Ok(failed.is_none() && !is_changed)
    })?;
    is_changed |= failed.is_none() && cells(next).map_err(|error| io_error(path, error))?.is_some();
    match failed {
        Some(error) => Err(io_error(path, error)),
        None if is_changed => Err(LabelError::Changed(path.to_owned())),
        None => Ok(()),
    }
}

/// Gives the text of each row and its fields, until `take` returns false.
fn each_row(
    path: &Path,
    mut file: &File,
    mut take: impl FnMut(&str, &Map<String, Value>) -> Result<bool, RowFault>,
) -> Result<(), LabelError> {
    file.rewind().map_err(|error| io_error(path, error))?;
    let mut lines = LineReader::new(BufReader::with_capacity(1 << 20, file), LINE_BYTES_MAX);
    let mut line = 0;
    while let Some(read) = lines.read_line().map_err(|error| io_error(path, error))? {
        line += 1;
        let mut one = || match &read {
            TextLine::TooLong => Err(RowFault::TooLong),
            TextLine::NotUtf8 => Err(RowFault::NotUtf8),
            TextLine::Text(text) if text.trim().is_empty() => Ok(true),
            TextLine::Text(text) => {
                let row = serde_json::from_str(text).map_err(|error| RowFault::NotJson(error.to_string()))?;
                take(text.trim(), &row)
            }
        };
        match one() {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => return Err(LabelError::Row { path: path.to_owned(), place: Place::Line(line), fault }),
        }
    }
    Ok(())
}

fn label(row: &Map<String, Value>) -> Result<Label<'_>, RowFault> {
    let text = |field: &'static str| match row.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => id(Cow::from(text.as_str()), field).map(Some),
        Some(Value::Number(number)) if number.is_u64() || number.is_i64() => Ok(Some(number.to_string().into())),
        Some(_) => Err(RowFault::Id(field)),
    };
    let at = match row.get(TIME) {
        None | Some(Value::Null) => return Err(RowFault::Missing(TIME)),
        Some(Value::String(text)) => time_of_text(text)?,
        Some(Value::Number(number)) => time_of_number(number.as_u64().ok_or(RowFault::Time)?)?,
        Some(_) => return Err(RowFault::Time),
    };
    Ok(Label { user: text(USER)?.ok_or(RowFault::Missing(USER))?, product: text(PRODUCT)?, at })
}

/// The members that are added to a row.
struct Members<'a>(&'a FeatureColumns, &'a [FeatureCell]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        self.0.write_json(&mut members, self.1)?;
        members.end()
    }
}

/// Writes a row's own text with the cells as further members of its object, which has some.
fn write_row(out: &mut impl Write, text: &str, columns: &FeatureColumns, cells: &[FeatureCell]) -> io::Result<()> {
    let added = serde_json::to_string(&Members(columns, cells))?;
    let own = text.strip_suffix('}').unwrap_or(text);
    let comma = if cells.is_empty() { "" } else { "," };
    writeln!(out, "{own}{comma}{}", &added[1..])
}

fn io_error(path: &Path, error: io::Error) -> LabelError {
    LabelError::Io { path: path.to_owned(), error }
}
