//! Query parameters of imports and exports of the shop's rows.

use store::{FileFormat, ImportMode};

use crate::parameter::Parameter;
use crate::problem::Problem;
use crate::scope::Scope;

/// The most columns that a request may map.
const MAPPED_MAX: usize = 64;

/// The formats of an export, each with its word.
pub(crate) const FORMATS: [(&str, FileFormat); 2] = [("csv", FileFormat::Csv), ("ndjson", FileFormat::JsonLines)];

/// The parameters of an import, and their names in words.
pub(crate) const OF_IMPORT: (&[Parameter], &str) = (
    &[
        Parameter::text(
            "mode",
            "What happens to rows that are there: upsert (the default) changes them, replace also deletes the \
                          rows that the file does not have and needs the scope delete, insert refuses them",
        ),
        Parameter::flag("dry_run", "Whether the file is only checked; the answer is the report in every case"),
        Parameter::text(
            "map",
            "Columns of a CSV file by another name, each with its field: Client=user_id,Ref=purchase_id",
        ),
    ],
    "mode, dry_run and map",
);

/// The same of an export.
pub(crate) const OF_EXPORT: (&[Parameter], &str) =
    (&[Parameter::text("format", "csv (the default) or ndjson")], "format");

/// How rows are imported or exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TransferParameters {
    pub(crate) mode: ImportMode,
    pub(crate) dry_run: bool,
    /// Columns by another name, each with its field.
    pub(crate) map: Vec<(String, String)>,
    pub(crate) format: FileFormat,
}

impl Default for TransferParameters {
    fn default() -> Self {
        TransferParameters { mode: ImportMode::Upsert, dry_run: false, map: Vec::new(), format: FileFormat::Csv }
    }
}

impl TransferParameters {
    /// How rows are imported, as a query.
    pub(crate) fn query_of_import(&self) -> String {
        format!("mode={}&dry_run={}", self.mode.word(), self.dry_run)
    }

    /// What a key must allow besides the scope of imports: `replace` deletes rows.
    pub(crate) fn further_scope(&self) -> Option<Scope> {
        (self.mode == ImportMode::Replace).then_some(Scope::Delete)
    }

    /// Takes a parameter of these.
    ///
    /// # Errors
    /// When its value is out of its bounds.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) -> Result<(), Problem> {
        let bad = |must: String| Problem::BadParameter { name, must };
        match name {
            "mode" => {
                let known = ImportMode::ALL.into_iter().find(|mode| mode.word() == value);
                let words = ImportMode::ALL.map(ImportMode::word).join(", ");
                self.mode = known.ok_or_else(|| bad(format!("one of {words}")))?;
            }
            "dry_run" => self.dry_run = value.parse().map_err(|_| bad("true or false".into()))?,
            "map" => {
                let pairs = value.split(',').map(|pair| pair.rsplit_once('='));
                let pairs: Option<Vec<(&str, &str)>> = pairs.collect();
                let pairs = pairs.filter(|pairs| pairs.len() <= MAPPED_MAX);
                let pairs = pairs.ok_or_else(|| bad(format!("COLUMN=FIELD, at most {MAPPED_MAX} times, by commas")))?;
                let owned = |(column, field): (&str, &str)| (column.trim().to_owned(), field.trim().to_owned());
                self.map = pairs.into_iter().map(owned).collect();
            }
            _ => {
                let known = FORMATS.iter().find(|(word, _)| *word == value);
                self.format =
                    known.ok_or_else(|| bad(format!("one of {}", FORMATS.map(|(word, _)| word).join(", "))))?.1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_their_bounds_are_refused() {
        let mut parameters = TransferParameters::default();
        assert!(parameters.further_scope().is_none());
        for (name, value) in
            [("mode", "replace"), ("dry_run", "true"), ("map", "a=b=user_id, Ref =name"), ("format", "ndjson")]
        {
            parameters.set(name, value).unwrap();
        }
        let pair = |column: &str, field: &str| (column.to_owned(), field.to_owned());
        let map = vec![pair("a=b", "user_id"), pair("Ref", "name")];
        let expected =
            TransferParameters { mode: ImportMode::Replace, dry_run: true, map, format: FileFormat::JsonLines };
        assert_eq!((&parameters, parameters.further_scope()), (&expected, Some(Scope::Delete)));
        let many = "a=b,".repeat(64) + "a=b";
        for (name, value) in [
            ("mode", ""),
            ("mode", "Insert"),
            ("dry_run", "1"),
            ("map", ""),
            ("map", "a"),
            ("map", &many),
            ("format", ""),
        ] {
            assert!(parameters.set(name, value).is_err(), "{name}={value}");
        }
    }
}
