//! Imports into PostgreSQL: one transaction with a connection of its own, a few statements for each run of rows of one kind.
//! Other writes wait for it, or are told that nothing was written.
//!
//! ```text
//! rows of the file ─▶ a run for each kind ─▶ one is full ─▶ a thread, while the next rows are read:
//!   categories, users, products, purchases ─┬─ rows that are not there, in the order of ids ─▶ COPY
//!                                           └─ the others ─▶ INSERT … ON CONFLICT DO UPDATE
//! ```

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::sync::mpsc::Sender;

use postgres::Client;

use super::copy;
use super::imported::{self, Before, count};
use super::opening::LOCK;
use super::reason::PgError;
use super::references;
use super::rows::ShopSql;
use super::runs::{ImportRun, Runs, read_runs};
use super::save::{self, Present};
use super::statistics::RowCounts;
use super::write::{PgTables, durable_change};
use crate::error::{Fault, Refusal, StoreError};
use crate::import::{
    FileRows, ImportMode, ImportReport, ImportRequest, ImportRow, RefusedRow, Role, fault_of_user, unreadable,
    write_behind,
};
use crate::kind::{Kind, LINES_MAX};
use crate::row::{Purchase, Row};
use crate::settings::{Settings, UnknownIds};
use crate::write::{WriteTransaction as _, refusal_of, unknown_references};

/// Imports a file.
pub(super) fn import(
    client: &mut Client,
    sql: &ShopSql,
    request: &ImportRequest,
    file: &mut dyn BufRead,
    settings: &Settings,
) -> Result<ImportReport, StoreError> {
    let mut rows = request.rows(file, settings).map_err(unreadable)?;
    let begin = format!(
        "SET temp_buffers = '64MB'; BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({LOCK}); SET LOCAL statement_timeout = 0"
    );
    client.batch_execute(&begin).map_err(PgError::from)?;
    let counts = RowCounts::begin(client)?;
    imported::begin(client)?;
    let fields = Kind::ALL.map(|kind| rows.fields(kind));
    let mut import = PgImport { client, sql, request, settings, fields, counts };
    import.write_file(&mut rows)?;
    if request.mode == ImportMode::Replace {
        import.delete_others(&mut rows)?;
    }
    import.check_parents(&mut rows)?;
    let mut report = rows.report();
    if report.bad > 0 || request.dry_run {
        import.client.batch_execute("ROLLBACK").map_err(PgError::from)?;
        return Ok(report);
    }
    let committed = import.client.batch_execute("COMMIT").map_err(PgError::from);
    committed.map_err(|error| match error.is_of_constraint() {
        true => error.into(),
        false => StoreError::Unsure(error.to_string()),
    })?;
    report.change = durable_change(import.client)?;
    report.written = true;
    Ok(report)
}

/// The kinds, each before those that refer to it.
const BY_REFERENCES: [Kind; 4] = [Kind::Categories, Kind::Users, Kind::Products, Kind::Purchases];

/// A row that is written: of a purchase, all its parts in the run.
struct AcceptedRow {
    row: Row,
    line: u64,
    /// The lines of the purchase that the file had before the run; none if it did not have it.
    before: Option<usize>,
}

impl AcceptedRow {
    /// Its id, the lines of the purchase that the file has had so far, and its line.
    fn note(&self) -> (&str, i64, u64) {
        let own = self.row.purchase().map_or(0, |purchase| purchase.lines.len());
        (self.row.id(), count(self.before.unwrap_or_default() + own), self.line)
    }
}

/// The parts of a row that were taken so far.
struct TakenRow<'b> {
    role: Role,
    /// The purchase as the file had it before the run.
    before: Option<&'b Before>,
    /// Whether the row is there and must be new.
    is_refused: bool,
    /// The lines of the purchase in the file so far.
    total: usize,
    row: Option<(Row, u64)>,
}

impl TakenRow<'_> {
    /// What is wrong with a part beside those before.
    fn faults(&mut self, part: &Row) -> Vec<Fault> {
        if self.is_refused {
            return vec![Fault::new(part.kind().key(), "is there already")];
        }
        let Row::Purchase(purchase) = part else { return Vec::new() };
        if self.role != Role::Part {
            return Vec::new();
        }
        let first = self.row.as_ref().and_then(|(row, _)| row.purchase()).map(|first| &first.user_id);
        if self.before.map(|before| &before.user_id).or(first).is_some_and(|user| *user != purchase.user_id) {
            return vec![fault_of_user()];
        }
        self.total += purchase.lines.len();
        match self.total > LINES_MAX {
            true => vec![Fault::new("purchase_id", format!("has more than {LINES_MAX} lines"))],
            false => Vec::new(),
        }
    }

    /// Adds a part.
    fn add(&mut self, line: u64, part: Row) {
        match (&mut self.row, part) {
            (Some((Row::Purchase(first), _)), Row::Purchase(next)) => first.lines.extend(next.lines),
            (row, part) => *row = Some((part, line)),
        }
    }
}

struct PgImport<'i> {
    client: &'i mut Client,
    sql: &'i ShopSql,
    request: &'i ImportRequest,
    settings: &'i Settings,
    /// The fields of each kind that the file has columns for; none if it gives all fields.
    fields: [Option<Vec<&'static str>>; 4],
    counts: RowCounts,
}

impl PgImport<'_> {
    /// Writes the rows of the file: each run while the rows of the next one are read.
    fn write_file<'f>(&mut self, rows: &mut FileRows<'f>) -> Result<(), StoreError> {
        let mode = self.request.mode;
        let read = |rows: &mut FileRows<'f>, take: &mut dyn FnMut(Runs, &mut FileRows<'f>) -> bool| {
            read_runs(rows, mode, take)
        };
        write_behind(rows, read, |runs, refuse| self.write_all(runs, refuse))
    }

    /// Writes the rows of all runs.
    fn write_all(&mut self, mut runs: Runs, refuse: &Sender<RefusedRow>) -> Result<(), PgError> {
        BY_REFERENCES.iter().try_for_each(|kind| self.write(std::mem::take(&mut runs[*kind as usize]), refuse))
    }

    /// Writes the rows of a run, and refuses those that are wrong.
    fn write(&mut self, run: ImportRun, refuse: &Sender<RefusedRow>) -> Result<(), PgError> {
        let Some((kind, role)) = run.of else { return Ok(()) };
        let ids: Vec<&str> = run.rows.iter().map(|parts| parts[0].1.id()).collect();
        let there = imported::present(self.client, self.sql, kind, &ids)?;
        let before = match role {
            Role::Part => {
                let ids: Vec<&str> = ids.iter().copied().filter(|id| there.contains(*id)).collect();
                imported::purchases(self.client, &ids)?
            }
            Role::Whole | Role::IfAbsent => HashMap::new(),
        };
        if (kind, role) == (Kind::Products, Role::IfAbsent) {
            self.make_categories(&run, &there, refuse)?;
        }
        let known = match self.settings.unknown_ids {
            UnknownIds::Take => None,
            UnknownIds::Refuse => references::known(self.client, self.sql, &run, &there, &before)?,
        };
        let mut accepted: Vec<AcceptedRow> = Vec::new();
        for parts in run.rows {
            let id = parts[0].1.id();
            let (before, is_there) = (before.get(id), there.contains(id));
            if role == Role::IfAbsent && is_there {
                continue;
            }
            let is_refused = before.is_none() && is_there && self.request.mode == ImportMode::Insert;
            let mut taken =
                TakenRow { role, before, is_refused, total: before.map_or(0, |before| before.lines), row: None };
            for (line, part) in parts {
                let mut faults = taken.faults(&part);
                if faults.is_empty() {
                    faults = unknown_references(&part, |kind, id| {
                        Ok::<_, PgError>(known.as_ref().is_none_or(|known| known.contains(part.id(), kind, id)))
                    })?;
                }
                if faults.is_empty() {
                    taken.add(line, part);
                } else {
                    // Who reads the file listens as long as runs are written.
                    let _ = refuse.send(RefusedRow { line, row: part, faults });
                }
            }
            let before = before.map(|before| before.lines);
            accepted.extend(taken.row.map(|(row, line)| AcceptedRow { row, line, before }));
        }
        // In the order of the index, so that neighbours are added together.
        accepted.sort_by(|a, b| a.row.id().cmp(b.row.id()));
        self.save(kind, role, &accepted, &there)
    }

    fn save(
        &mut self,
        kind: Kind,
        role: Role,
        accepted: &[AcceptedRow],
        there: &HashSet<String>,
    ) -> Result<(), PgError> {
        let (new, others): (Vec<&AcceptedRow>, Vec<_>) =
            accepted.iter().partition(|accepted| !there.contains(accepted.row.id()));
        let is_added = self.add(&new.iter().map(|accepted| &accepted.row).collect::<Vec<_>>())?;
        let changed = if is_added { others } else { accepted.iter().collect() };
        let heads: Vec<&Row> =
            changed.iter().filter(|changed| changed.before.is_none()).map(|changed| &changed.row).collect();
        let fields = self.fields[kind as usize].as_deref();
        let present = if role == Role::IfAbsent { Present::Stays } else { Present::Changes(fields) };
        save::save(self.client, &heads, present)?;
        let firsts: Vec<&Purchase> =
            heads.into_iter().filter(|row| there.contains(row.id())).filter_map(Row::purchase).collect();
        save::cut_lines(self.client, &firsts)?;
        let purchases: Vec<(&Purchase, usize)> = changed
            .iter()
            .filter_map(|changed| Some((changed.row.purchase()?, changed.before.unwrap_or_default())))
            .collect();
        save::lines(self.client, &purchases)?;
        self.note(kind, role, accepted)
    }

    /// Adds rows that were not there a moment ago. False if another tool has added one of them since; then none is added.
    fn add(&mut self, rows: &[&Row]) -> Result<bool, PgError> {
        if rows.is_empty() {
            return Ok(true);
        }
        self.client.batch_execute("SAVEPOINT added")?;
        match copy::add(self.client, rows, &mut self.counts) {
            Ok(()) => self.client.batch_execute("RELEASE added")?,
            Err(error) if error.is_overtaken() => {
                self.client.batch_execute("ROLLBACK TO added; RELEASE added")?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Remembers rows that later rows of the file, or the end of the import, will ask for.
    fn note(&mut self, kind: Kind, role: Role, accepted: &[AcceptedRow]) -> Result<(), PgError> {
        if role != Role::Part && self.request.mode != ImportMode::Replace && kind != Kind::Categories {
            return Ok(());
        }
        // Of parts it is known whether the file had the purchase before; other rows may be noted already.
        let (first, again): (Vec<&AcceptedRow>, Vec<_>) =
            accepted.iter().partition(|accepted| role == Role::Part && accepted.before.is_none());
        imported::note_first(self.client, kind, &first.into_iter().map(AcceptedRow::note).collect::<Vec<_>>())?;
        imported::note(self.client, kind, &again.into_iter().map(AcceptedRow::note).collect::<Vec<_>>())
    }

    /// Makes the categories of those products of a run that are written, if they are not there.
    fn make_categories(
        &mut self,
        run: &ImportRun,
        there: &HashSet<String>,
        refuse: &Sender<RefusedRow>,
    ) -> Result<(), PgError> {
        let mut categories = ImportRun::default();
        for (line, product) in run.rows.iter().map(|parts| &parts[0]) {
            if let Some(row) = product.category().filter(|_| !there.contains(product.id())) {
                categories.add(ImportRow { line: *line, row, role: Role::IfAbsent }, 0);
            }
        }
        self.write(categories, refuse)
    }

    /// Checks the parents of the categories in the file, when all of them are written and no others are left.
    fn check_parents(&mut self, rows: &mut FileRows<'_>) -> Result<(), PgError> {
        let mut last = (-1, String::new());
        loop {
            let page = imported::categories(self.client, &last)?;
            let Some(end) = page.last().cloned() else { return Ok(()) };
            let ids: Vec<&str> = page.iter().map(|(_, id)| &**id).collect();
            let dangling = references::dangling(self.client, Kind::Categories, &ids)?;
            for (line, id) in page {
                let Some(category) = self.sql.load(self.client, Kind::Categories, &id, false)? else { continue };
                let mut tables = PgTables { client: self.client, sql: self.sql };
                let refusal = refusal_of(&mut tables, &category, self.settings, |tables, kind, named| {
                    Ok(dangling.contains(&(id.clone(), kind, named.to_owned())) || tables.is_there(kind, named)?)
                })?;
                if let Some(refusal) = refusal {
                    rows.refuse(u64::try_from(line).unwrap_or_default(), &category, &faults_of(refusal));
                }
            }
            last = end;
        }
    }

    /// Deletes the rows that the file does not have. A category that others need is a fault.
    fn delete_others(&mut self, rows: &mut FileRows<'_>) -> Result<(), PgError> {
        for kind in self.request.content.kinds().iter().rev() {
            if *kind == Kind::Categories {
                for id in imported::needed_categories(self.client)? {
                    let fault = Fault::new("category_id", "is not in the file, and has subcategories or products");
                    rows.refuse_id(0, &id, &[fault]);
                }
            }
            imported::delete_others(self.client, self.sql, *kind)?;
        }
        Ok(())
    }
}

fn faults_of(refusal: Refusal) -> Vec<Fault> {
    match refusal {
        Refusal::Invalid(faults) => faults,
        other => vec![Fault::new("", other.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounds::Bounds;

    fn part(user: &str) -> Row {
        let cells = [("purchase_id", "1"), ("user_id", user), ("product_id", "lamp")];
        Row::of_one_line(cells.into_iter(), &Bounds { price_digits: 2, now: 0 }).unwrap()
    }

    #[test]
    fn the_user_of_a_purchase_is_the_one_of_its_first_record() {
        let before = Before { lines: 3, user_id: "bob".into() };
        for before in [None, Some(&before)] {
            let mut taken = TakenRow { role: Role::Part, before, is_refused: false, total: 0, row: None };
            if before.is_none() {
                assert!(taken.faults(&part("bob")).is_empty());
                taken.add(2, part("bob"));
            }
            assert_eq!(taken.faults(&part("ann")), [fault_of_user()]);
            assert!(taken.faults(&part("bob")).is_empty());
        }
    }
}
