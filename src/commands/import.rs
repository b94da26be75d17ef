//! `vitrine import` and `vitrine export`: files into the store, and the store into files.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use store::{BadField, Bounds, FileFormat, ImportReport, ImportRequest, Kind, Row, Store};

use crate::cli::{ExportArgs, ImportArgs};
use crate::clock::wall_ms;
use crate::config::Config;

/// Imports a file, and prints the report to stdout.
///
/// # Errors
/// The store or the file cannot be used; nothing was written then.
pub fn import(args: &ImportArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let store = open(config)?;
    let now = i64::try_from(wall_ms()).context("the system clock is far ahead")?;
    let request = ImportRequest {
        kind: args.kind,
        mode: args.mode.into(),
        format: args.file_format(),
        map: args.map.clone(),
        dry_run: args.dry_run,
        bounds: Bounds { price_digits: store.price_digits(), now },
    };
    let mut file: Box<dyn BufRead> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
        Box::new(BufReader::with_capacity(1 << 20, file))
    };
    let report = store.import(&request, &mut file)?;
    print(&report, args.dry_run)?;
    Ok(if report.bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &ImportReport, dry_run: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for column in &report.ignored_columns {
        writeln!(out, "the column {column:?} is no field and is ignored")?;
    }
    for BadField { line, column, value, reason } in &report.bad_lines {
        writeln!(out, "line {line}: {column} {value:?}: {reason}")?;
    }
    let outcome = match (report.written, dry_run) {
        (true, _) => "imported",
        (false, true) => "not imported: this was a dry run",
        (false, false) => "nothing is imported",
    };
    writeln!(out, "{} rows, {} bad lines: {outcome}", report.rows, report.bad)
}

/// Writes every row of a kind to stdout.
///
/// # Errors
/// The store cannot be read, or stdout is closed.
pub fn export(args: &ExportArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let (store, out) = (open(config)?, BufWriter::new(io::stdout().lock()));
    match args.format.into() {
        FileFormat::JsonLines => write_lines(&*store, args.kind, out),
        FileFormat::Csv => write_table(&*store, args.kind, out),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn write_lines(store: &dyn Store, kind: Kind, mut out: impl Write) -> anyhow::Result<()> {
    let mut written = Ok(());
    store.export(kind, &mut |row| {
        written = writeln!(out, "{}", row.json());
        written.is_ok()
    })?;
    Ok(written.and_then(|()| out.flush())?)
}

fn write_table(store: &dyn Store, kind: Kind, out: impl Write) -> anyhow::Result<()> {
    let (names, mut table) = (kind.columns(), csv::Writer::from_writer(out));
    table.write_record(&names)?;
    let mut written = Ok(());
    store.export(kind, &mut |row| {
        let records = if let Row::Purchase(purchase) = &row { purchase.lines.len() } else { 1 };
        written = (0..records).try_for_each(|line| table.write_record(row.cells(line, &names)));
        written.is_ok()
    })?;
    written?;
    Ok(table.flush()?)
}

fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let settings = config.store.clone().ok_or_else(|| {
        anyhow!("no store is configured: [store] with a `path` names its file, or --set store.path=store.db")
    })?;
    store::sqlite::open(settings).context("the store cannot be opened")
}
