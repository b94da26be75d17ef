//! `vitrine import` and `vitrine export`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use store::{Encoding, FileContent, FileFormat, ImportMode, Kind};

use super::ConfigArgs;
use crate::config::Request;

const IMPORT_HELP: &str = "\
Examples:
  vitrine import products product_catalog.csv --set store.path=store.db
  vitrine import purchases sales.csv --map 'Client=user_id' --map 'Ref=purchase_id' --dry-run --config vitrine.toml
  vitrine import users users.ndjson --mode replace --config vitrine.toml
  vitrine import shop dataset.csv.gz --set store.path=store.db

A CSV file names its columns in the first line. Commas, semicolons, tabs, quotes and a byte order mark are understood. \
Columns are found by the names of the fields, by common other names (such as product_name, category, customer, order_id), and \
by --map; other columns are ignored. A field without a column keeps its value in the rows that are there. A record of purchases is \
one line of a purchase. A file that ends with .gz or .zst is decompressed.

`shop` is one wide table: each record names a product with its category, a user, and a line of a purchase. Cells may be empty.

The file is imported in one transaction. A file with a bad line is not imported: the report names the first 100 bad fields with \
line, column, value and reason. A server may run on the same store meanwhile; its writes wait, or fail with 503.

Exit code: 0 imported, 1 not imported.";

const EXPORT_HELP: &str = "\
Examples:
  vitrine export products --set store.path=store.db > products.csv
  vitrine export purchases --format ndjson --config vitrine.toml > purchases.ndjson

All rows are of one state of the store. `vitrine import` reads the file again.";

/// Flags of `vitrine import`.
#[derive(Debug, Clone, Args)]
#[command(after_help = IMPORT_HELP)]
pub struct ImportArgs {
    /// What the file holds: rows of a kind, or a whole shop in one table
    #[arg(value_name = "KIND", value_parser = content())]
    pub content: FileContent,
    /// The file; - reads from stdin
    pub file: PathBuf,
    /// How the file holds its rows; by default by the end of its name, else csv
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// What happens to rows that are there already
    #[arg(long, value_enum, default_value = "upsert")]
    pub mode: Mode,
    /// A column of the file and the field that it is
    #[arg(long, value_name = "COLUMN=FIELD", value_parser = column)]
    pub map: Vec<(String, String)>,
    /// Only check the file
    #[arg(long)]
    pub dry_run: bool,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

/// Flags of `vitrine export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXPORT_HELP)]
pub struct ExportArgs {
    /// Kind of the rows
    #[arg(value_parser = kind())]
    pub kind: Kind,
    /// How the rows are written
    #[arg(long, value_enum, default_value = "csv")]
    pub format: Format,
    /// Where settings come from.
    #[command(flatten)]
    pub settings: ConfigArgs,
}

/// How a file holds its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table with the names of the columns in the first line
    Csv,
    /// One JSON object a line
    Ndjson,
}

/// What happens to rows that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// They are replaced by the rows of the file with the same id
    Upsert,
    /// The same, and rows that the file does not have are deleted
    Replace,
    /// A row that is there is a bad line
    Insert,
}

impl ImportArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        self.settings.request(&[])
    }

    /// How the file is compressed, as its name says.
    pub fn encoding(&self) -> Encoding {
        match self.file.extension().and_then(|end| end.to_str()) {
            Some("gz") => Encoding::Gzip,
            Some("zst") => Encoding::Zstd,
            _ => Encoding::Identity,
        }
    }

    /// The format that is given, or the one that the file's name says.
    pub fn file_format(&self) -> FileFormat {
        let name = if self.encoding() == Encoding::Identity { &self.file } else { &self.file.with_extension("") };
        let by_name = name.extension().is_some_and(|end| ["ndjson", "jsonl"].iter().any(|known| end == *known));
        self.format.unwrap_or(if by_name { Format::Ndjson } else { Format::Csv }).into()
    }
}

impl ExportArgs {
    /// The configuration to load.
    pub fn request(&self) -> Request {
        self.settings.request(&[])
    }
}

impl From<Format> for FileFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Csv => FileFormat::Csv,
            Format::Ndjson => FileFormat::JsonLines,
        }
    }
}

impl From<Mode> for ImportMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Upsert => ImportMode::Upsert,
            Mode::Replace => ImportMode::Replace,
            Mode::Insert => ImportMode::Insert,
        }
    }
}

fn kind() -> impl TypedValueParser<Value = Kind> {
    PossibleValuesParser::new(Kind::ALL.map(Kind::name))
        .map(|name| Kind::find(&name).expect("only the names of kinds are possible"))
}

fn content() -> impl TypedValueParser<Value = FileContent> {
    PossibleValuesParser::new(FileContent::ALL.map(FileContent::name))
        .map(|name| FileContent::find(&name).expect("only the names of contents are possible"))
}

fn column(text: &str) -> Result<(String, String), String> {
    let (column, field) = text.rsplit_once('=').ok_or("write it as COLUMN=FIELD, such as Client=user_id")?;
    Ok((column.trim().to_owned(), field.trim().to_owned()))
}
