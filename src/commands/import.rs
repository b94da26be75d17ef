//! `vitrine import` and `vitrine export`: files into the store, and the store into files.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use store::{BadField, Bounds, ImportReport, ImportRequest, RowWriter, Store};

use crate::audit::{self, record_now};
use crate::cli::{ExportArgs, ImportArgs};
use crate::clock::wall_ms;
use crate::config::Config;
use crate::system::shop_rows::{ShopRows, made_file};

/// Imports a file, and prints the report to stdout.
///
/// # Errors
/// The store or the file cannot be used; nothing was written then.
pub fn import(args: &ImportArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let store = open(config)?;
    let now = i64::try_from(wall_ms()).context("the system clock is far ahead")?;
    let request = ImportRequest {
        content: args.content,
        mode: args.mode.into(),
        format: args.file_format(),
        map: args.map.clone(),
        dry_run: args.dry_run,
        bounds: Bounds { price_digits: store.price_digits(), now },
    };
    let file: Box<dyn Read> = if args.file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?)
    };
    let mut file = args.encoding().decoded(file, u64::MAX)?;
    let report = store.import(&request, &mut *file)?;
    print(&report, args.dry_run)?;
    note(args, config, &report)?;
    Ok(if report.bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Notes the import in the audit log, where there is one. It is done already.
fn note(args: &ImportArgs, config: &Config, report: &ImportReport) -> anyhow::Result<()> {
    let Some(path) = config.sinks.audit.as_ref().filter(|_| !args.dry_run) else { return Ok(()) };
    let (what, target) = (format!("{}.import", args.content.name()), args.file.display().to_string());
    let result = if report.written { "done" } else { "refused" };
    record_now(path.clone(), &audit::user(), &what, &target, result)
        .with_context(|| format!("the import is done, but it is not in the audit log {}", path.display()))
}

fn print(report: &ImportReport, dry_run: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for column in &report.ignored_columns {
        writeln!(out, "the column {column:?} is no field and is ignored")?;
    }
    for BadField { line, column, value, reason } in &report.bad_lines {
        let place = if *line == 0 { String::new() } else { format!("line {line}: ") };
        let field = if column.is_empty() { String::new() } else { format!("{column} {value:?}: ") };
        writeln!(out, "{place}{field}{reason}")?;
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
    // A file that is not there has no rows. Opening it would make it.
    let store: Arc<dyn Store> = match made_file(config)? {
        Some(store) => store,
        None => open(config)?,
    };
    let out = BufWriter::new(io::stdout().lock());
    let mut rows = RowWriter::new(args.kind, args.format.into(), out)?;
    let mut written = Ok(());
    store.export(args.kind, &mut |row| {
        written = rows.write(&row);
        written.is_ok()
    })?;
    written.and_then(|()| rows.finish())?;
    Ok(ExitCode::SUCCESS)
}

fn open(config: &Config) -> anyhow::Result<Arc<dyn Store>> {
    let ShopRows { store, .. } = ShopRows::open(config).context("the store cannot be opened")?;
    store.ok_or_else(|| {
        anyhow!("no store is configured: [store] with a `path` names its file, or --set store.path=store.db")
    })
}
