//! What `product_catalog.csv` says about products. Which of its columns are read is a setting.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::products::{CATEGORY, FILE, PRODUCT};
use super::records::{CsvFields, CsvRecords, NextRecord};
use crate::description::{Description, DescriptionColumns, DescriptionsError, Reading, numbers};
use crate::fault;
use crate::file_position::FilePosition;

/// A file's length and the time of its last change. A file with other ones has changed.
type Mark = (u64, Option<SystemTime>);

/// The catalogue's file.
pub(crate) struct FileDescriptions {
    path: PathBuf,
    columns: DescriptionColumns,
    /// The file at the last whole reading.
    seen: Option<Mark>,
    /// A first line has been read before. Then a file without one is about to be written anew, and says nothing.
    had_header: bool,
}

impl FileDescriptions {
    pub(crate) fn new(dir: &Path, columns: DescriptionColumns) -> Self {
        FileDescriptions { path: dir.join(FILE), columns, seen: None, had_header: false }
    }

    /// Shows every line to `see`, unless the file has not changed. Before the first reading, a file that is not there has no
    /// line. Later it is an error, so that what was read stays in use.
    pub(crate) fn read(
        &mut self,
        see: &mut dyn FnMut(Description) -> ControlFlow<()>,
    ) -> Result<Reading, DescriptionsError> {
        let failed = |error| DescriptionsError::File { path: self.path.clone(), error };
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.had_header => {
                return Ok(Reading::Whole { missing: Vec::new() });
            }
            opened => opened.map_err(failed)?,
        };
        let state = file.metadata().map_err(failed)?;
        let mark = (state.len(), state.modified().ok());
        if self.seen.replace(mark) == Some(mark) {
            return Ok(Reading::Unchanged);
        }
        // Until the reading is whole, the file has not been seen.
        self.seen = None;
        let mut records = CsvRecords::new(&file, FilePosition::default(), state.len(), true);
        let header = match records.next().map_err(failed)? {
            NextRecord::Record { .. } => CsvHeader::find(records.fields(), &self.columns),
            NextRecord::End if !self.had_header => return Ok(Reading::Whole { missing: Vec::new() }),
            NextRecord::End | NextRecord::Refused(_) | NextRecord::Unfinished => None,
        };
        let Some(header) = header else {
            return Err(DescriptionsError::NoProductColumn { path: self.path.clone(), column: PRODUCT });
        };
        self.had_header = true;
        loop {
            match records.next().map_err(failed)? {
                NextRecord::Record { .. } => {
                    let described = header.description(records.fields());
                    if described.is_some_and(|described| see(described).is_break()) {
                        return Ok(Reading::Ended);
                    }
                }
                // The source sends such a line to the dead letters.
                NextRecord::Refused(_) => {}
                NextRecord::End | NextRecord::Unfinished => break,
            }
        }
        self.seen = Some(mark);
        Ok(Reading::Whole { missing: header.missing })
    }
}

/// The numbers of the fields that are read.
struct CsvHeader {
    product: usize,
    category: Option<usize>,
    name: Option<usize>,
    description: Option<usize>,
    attributes: Option<usize>,
    embedding: Option<usize>,
    missing: Vec<String>,
}

impl CsvHeader {
    /// None if there is no column with the product.
    fn find(header: &CsvFields, columns: &DescriptionColumns) -> Option<Self> {
        let position = |column: &str| header.iter().position(|name| name.trim_ascii() == column.as_bytes());
        let mut missing = Vec::new();
        let mut find = |column: &Option<String>| {
            let column = column.as_ref()?;
            let found = position(column);
            if found.is_none() {
                missing.push(column.clone());
            }
            found
        };
        let [name, description, attributes, embedding] =
            [&columns.name, &columns.description, &columns.attributes, &columns.embedding].map(&mut find);
        let (product, category) = (position(PRODUCT)?, position(CATEGORY));
        Some(CsvHeader { product, category, name, description, attributes, embedding, missing })
    }

    /// What a line says; none if its product cannot be a product's id.
    fn description(&self, fields: &CsvFields) -> Option<Description> {
        let product = std::str::from_utf8(fields.get(self.product)?).ok()?;
        let product = fault::id(Some(product), PRODUCT).ok()?;
        let text = |field: Option<usize>| -> Cow<'_, str> {
            let bytes = field.and_then(|field| fields.get(field)).unwrap_or_default();
            String::from_utf8_lossy(bytes)
        };
        Some(Description {
            product: product.to_owned(),
            name: text(self.name).into_owned(),
            description: text(self.description).into_owned(),
            category: text(self.category).into_owned(),
            attributes: text(self.attributes).into_owned(),
            embedding: numbers(&text(self.embedding)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn columns() -> DescriptionColumns {
        let column = |name: &str| Some(name.to_owned());
        DescriptionColumns {
            name: column("product_name"),
            description: None,
            attributes: column("attributes"),
            embedding: column("vector"),
        }
    }

    fn read(files: &mut FileDescriptions) -> (Result<Reading, DescriptionsError>, Vec<Description>) {
        let mut seen = Vec::new();
        let reading = files.read(&mut |described| {
            seen.push(described);
            ControlFlow::Continue(())
        });
        (reading, seen)
    }

    #[test]
    fn lines_are_read_by_the_columns_of_the_settings_and_again_when_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = FileDescriptions::new(dir.path(), columns());
        let whole = |missing: &[&str]| Reading::Whole { missing: missing.iter().map(ToString::to_string).collect() };
        let (reading, seen) = read(&mut files);
        assert_eq!((reading.unwrap(), seen), (whole(&[]), vec![]), "the file is not there yet");
        let header = "product_id,product_name,category,price,description,vector\n";
        let rows = "mug,\"Mug, red\",cups,1.5,not read,\"[1, 2]\"\n,no id,cups,,,\npot,,,,,oops\n";
        fs::write(dir.path().join(FILE), format!("{header}{rows}")).unwrap();
        let (reading, seen) = read(&mut files);
        assert_eq!(reading.unwrap(), whole(&["attributes"]));
        let mug = Description {
            product: "mug".into(),
            name: "Mug, red".into(),
            category: "cups".into(),
            embedding: Some(Ok(vec![1.0, 2.0])),
            ..Description::default()
        };
        assert_eq!(seen[0], mug);
        assert_eq!((seen.len(), seen[1].product.as_str()), (2, "pot"), "a line without a product is passed over");
        assert!(seen[1].embedding.as_ref().is_some_and(Result::is_err));
        assert_eq!(read(&mut files).0.unwrap(), Reading::Unchanged);
        fs::write(dir.path().join(FILE), format!("{header}mug,,,,,\n")).unwrap();
        let (reading, seen) = read(&mut files);
        assert_eq!((reading.unwrap(), seen.len()), (whole(&["attributes"]), 1));
    }

    #[test]
    fn an_empty_or_missing_file_counts_only_before_the_first_reading() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let mut files = FileDescriptions::new(dir.path(), columns());
        fs::write(&path, "").unwrap();
        assert!(matches!(read(&mut files).0.unwrap(), Reading::Whole { .. }), "the file has yet to be written");
        fs::write(&path, "product_id\nmug\n").unwrap();
        assert_eq!(read(&mut files).1.len(), 1);
        fs::write(&path, "").unwrap();
        assert!(read(&mut files).0.is_err(), "whoever writes the file has emptied it");
        fs::remove_file(&path).unwrap();
        assert!(read(&mut files).0.is_err());
        fs::write(&path, "product_id\nmug\npot\n").unwrap();
        assert_eq!(read(&mut files).1.len(), 2);
    }

    #[test]
    fn a_reading_that_ends_early_is_done_again_and_a_file_without_products_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = FileDescriptions::new(dir.path(), columns());
        fs::write(dir.path().join(FILE), "product_id\nmug\npot\n").unwrap();
        assert_eq!(files.read(&mut |_| ControlFlow::Break(())).unwrap(), Reading::Ended);
        assert_eq!(read(&mut files).1.len(), 2);
        fs::write(dir.path().join(FILE), "sku,product_name\nmug,Mug\n").unwrap();
        let error = read(&mut files).0.unwrap_err().to_string();
        assert!(error.ends_with("product_catalog.csv lacks the column product_id"), "{error}");
    }
}
