//! Writes inside the transaction of any home: conditions, rules between rows, and answers that are kept for a day.

use std::collections::HashSet;

use crate::Millis;
use crate::bounds::Bounds;
use crate::error::{FAULTS_MAX, Fault, Refusal, StoreError};
use crate::home::{Action, Condition, Repeatable, Stored, Write, WriteRequest, Written, Wrote};
use crate::kind::Kind;
use crate::row::{Purchase, Row, Status};
use crate::settings::{Settings, UnknownIds};

/// The most ancestors of a category.
const DEPTH_MAX: usize = 32;

/// How long an answer is kept for a repeated request.
const ANSWER_MS: Millis = 86_400_000;

/// The tables of a home inside a transaction that writes.
pub(crate) trait WriteTransaction {
    /// The home's own error. After it, the caller gives the request up.
    type Error;

    /// The row with this id. Until the transaction ends, no one else changes it.
    fn load(&mut self, kind: Kind, id: &str) -> Result<Option<Row>, Self::Error>;

    /// Whether there is a row with this id. If there is, no one else removes it until the transaction ends.
    fn is_there(&mut self, kind: Kind, id: &str) -> Result<bool, Self::Error>;

    /// Adds a row, or replaces the one that is there.
    fn save(&mut self, row: &Row, is_new: bool) -> Result<(), Self::Error>;

    /// Removes the row with this id.
    fn delete(&mut self, kind: Kind, id: &str) -> Result<(), Self::Error>;

    /// The parent of a category, if it has one.
    fn parent(&mut self, category: &str) -> Result<Option<String>, Self::Error>;

    /// The levels of subcategories below a category, counted up to `most`.
    fn levels_below(&mut self, category: &str, most: usize) -> Result<usize, Self::Error>;

    /// Whether a category has subcategories or products.
    fn is_used(&mut self, category: &str) -> Result<bool, Self::Error>;

    /// The number of the last change, in this transaction too; 0 if it is known after the commit only.
    fn last_change(&mut self) -> Result<i64, Self::Error>;

    /// The answer with this key, if it was kept after `since`.
    fn kept_answer(&mut self, key: &str, since: Millis) -> Result<Option<KeptAnswer>, Self::Error>;

    /// Keeps an answer, and forgets those that were kept until `until`.
    fn keep_answer(&mut self, key: &str, kept: &KeptAnswer, now: Millis, until: Millis) -> Result<(), Self::Error>;
}

/// An answer that is kept for a repeated request.
pub(crate) struct KeptAnswer {
    pub(crate) fingerprint: String,
    pub(crate) change: i64,
    /// What became of each row, as JSON.
    pub(crate) rows: String,
}

/// Why a request was not done. What it has written must be rolled back.
pub(crate) enum WriteFailure<E> {
    /// A rule does not allow it.
    Rule(StoreError),
    /// The home failed, at the write with this index if it was at a write.
    Home { index: usize, error: E },
}

impl<E> From<E> for WriteFailure<E> {
    fn from(error: E) -> Self {
        WriteFailure::Home { index: 0, error }
    }
}

/// Does all the writes of a request, or fails.
pub(crate) fn request<T: WriteTransaction>(
    tables: &mut T,
    request: &WriteRequest,
    settings: &Settings,
) -> Result<Written, WriteFailure<T::Error>> {
    if let Some(repeatable) = &request.repeatable
        && let Some(written) = answered(tables, repeatable, request.now)?
    {
        return Ok(written);
    }
    let rows = all(tables, request, settings)?;
    let written = Written { change: tables.last_change()?, rows, replayed: false };
    if let Some(Repeatable { key, fingerprint }) = &request.repeatable {
        let rows = serde_json::to_string(&written.rows).expect("rows are plain data");
        let kept = KeptAnswer { fingerprint: fingerprint.clone(), change: written.change, rows };
        tables.keep_answer(key, &kept, request.now, request.now - ANSWER_MS)?;
    }
    Ok(written)
}

/// Does the writes of a request in their order. After one whose row would be wrong, the others are tried too, to find all that is
/// wrong.
fn all<T: WriteTransaction>(
    tables: &mut T,
    request: &WriteRequest,
    settings: &Settings,
) -> Result<Vec<Wrote>, WriteFailure<T::Error>> {
    let bounds = Bounds { price_digits: settings.price_digits, now: request.now };
    let mut written = Vec::with_capacity(request.writes.len());
    let mut invalid: Vec<(usize, Vec<Fault>)> = Vec::new();
    for (index, write) in request.writes.iter().enumerate() {
        // A reference to a row that is refused is no fault of its own.
        let is_refused = |kind: Kind, id: &str| {
            invalid.iter().any(|(at, _)| request.writes[*at].kind == kind && request.writes[*at].id == id)
        };
        match one(tables, write, is_refused, &bounds, settings) {
            Ok(Ok(wrote)) => written.push(wrote),
            Ok(Err(Refusal::Invalid(faults))) => invalid.push((index, faults)),
            Ok(Err(refusal)) if invalid.is_empty() => {
                return Err(WriteFailure::Rule(StoreError::Refused { index, refusal }));
            }
            Ok(Err(_)) => {}
            Err(error) if invalid.is_empty() => return Err(WriteFailure::Home { index, error }),
            // The request is refused already, and the home may do nothing more in this transaction.
            Err(_) => break,
        }
        if invalid.iter().map(|(_, faults)| faults.len()).sum::<usize>() >= FAULTS_MAX {
            break;
        }
    }
    if invalid.len() > 1 {
        return Err(WriteFailure::Rule(StoreError::Invalid(invalid)));
    }
    match invalid.pop() {
        None => Ok(written),
        Some((index, faults)) => {
            Err(WriteFailure::Rule(StoreError::Refused { index, refusal: Refusal::Invalid(faults) }))
        }
    }
}

fn one<T: WriteTransaction>(
    tables: &mut T,
    write: &Write,
    is_refused: impl Fn(Kind, &str) -> bool,
    bounds: &Bounds,
    settings: &Settings,
) -> Result<Result<Wrote, Refusal>, T::Error> {
    let before = tables.load(write.kind, &write.id)?;
    let after = match after(write, before.as_ref(), bounds) {
        Ok(after) => after,
        Err(refusal) => return Ok(Err(refusal)),
    };
    // What the row refers to already is not checked again: the other row may have been deleted since.
    let named: HashSet<(Kind, &str)> = before.iter().flat_map(references).map(|(kind, id, _)| (kind, id)).collect();
    let refusal = match &after {
        Some(row) => refusal_of(tables, row, settings, |tables, kind, id| {
            Ok(named.contains(&(kind, id)) || is_refused(kind, id) || tables.is_there(kind, id)?)
        })?,
        None if write.kind == Kind::Categories => tables.is_used(&write.id)?.then_some(Refusal::InUse),
        None => None,
    };
    if let Some(refusal) = refusal {
        return Ok(Err(refusal));
    }
    let stored = after.as_ref().map(Stored::from);
    match (&after, &stored) {
        // Rows with equal values may differ as they are stored: 0.0 and -0.0 are equal.
        (Some(row), Some(stored)) if before.as_ref().is_none_or(|before| before.json() != stored.json) => {
            tables.save(row, before.is_none())?;
        }
        (Some(_), _) => {}
        (None, _) => tables.delete(write.kind, &write.id)?,
    }
    Ok(Ok(Wrote { created: before.is_none(), stored }))
}

/// The row after the write; none if it is removed.
fn after(write: &Write, before: Option<&Row>, bounds: &Bounds) -> Result<Option<Row>, Refusal> {
    let may_add = matches!(write.action, Action::Create(_) | Action::Put(_));
    if before.is_none() && !may_add {
        return Err(Refusal::Absent);
    }
    let holds = match &write.condition {
        Condition::Nothing => true,
        Condition::Present => before.is_some(),
        Condition::Tags(tags) => before.is_some_and(|row| tags.contains(&Stored::from(row).tag)),
    };
    if !holds {
        return Err(Refusal::Changed);
    }
    match (&write.action, before) {
        (Action::Create(_), Some(_)) => Err(Refusal::Present),
        (Action::Create(row) | Action::Put(row), _) => Ok(Some(row.clone())),
        (Action::Patch(patch), Some(row)) => row.patched(patch, bounds).map(Some).map_err(Refusal::Invalid),
        (Action::Cancel, Some(Row::Purchase(purchase))) => {
            Ok(Some(Row::Purchase(Purchase { status: Status::Cancelled, ..purchase.clone() })))
        }
        (Action::Return(line), Some(Row::Purchase(purchase))) => {
            let mut purchase = purchase.clone();
            let line = line.checked_sub(1).and_then(|at| purchase.lines.get_mut(at));
            line.ok_or(Refusal::NoLine)?.returned = true;
            Ok(Some(Row::Purchase(purchase)))
        }
        (Action::Delete, Some(_)) => Ok(None),
        _ => Err(Refusal::Absent),
    }
}

/// Why the row may not stand beside the others. `is_known` says whether it may refer to the row with this kind and id.
pub(crate) fn refusal_of<T: WriteTransaction>(
    tables: &mut T,
    row: &Row,
    settings: &Settings,
    mut is_known: impl FnMut(&mut T, Kind, &str) -> Result<bool, T::Error>,
) -> Result<Option<Refusal>, T::Error> {
    if let Row::Category(category) = row
        && let Some(refusal) = refusal_of_parent(tables, &category.category_id, category.parent_id.as_deref())?
    {
        return Ok(Some(refusal));
    }
    if settings.unknown_ids == UnknownIds::Take {
        return Ok(None);
    }
    let faults = unknown_references(row, |kind, id| is_known(tables, kind, id))?;
    Ok((!faults.is_empty()).then_some(Refusal::Invalid(faults)))
}

/// A fault for each row that a row refers to and that is not known.
pub(crate) fn unknown_references<E>(
    row: &Row,
    mut is_known: impl FnMut(Kind, &str) -> Result<bool, E>,
) -> Result<Vec<Fault>, E> {
    let mut faults = Vec::new();
    for (kind, id, field) in references(row) {
        if !is_known(kind, id)? {
            faults.push(Fault::new(field, format!("names a {} that is not in the store", kind.singular())));
        }
    }
    Ok(faults)
}

/// The rows that a row refers to, each with the field that names it.
pub(crate) fn references(row: &Row) -> Vec<(Kind, &str, String)> {
    let category = |id, field: &str| (Kind::Categories, id, field.to_owned());
    match row {
        Row::Product(row) => row.category_id.iter().map(|id| category(id.as_str(), "category_id")).collect(),
        Row::Category(row) => row.parent_id.iter().map(|id| category(id.as_str(), "parent_id")).collect(),
        Row::User(_) => Vec::new(),
        Row::Purchase(row) => {
            let user = (Kind::Users, row.user_id.as_str(), "user_id".to_owned());
            let lines = row
                .lines
                .iter()
                .enumerate()
                .map(|(at, line)| (Kind::Products, line.product_id.as_str(), format!("lines[{at}].product_id")));
            std::iter::once(user).chain(lines).collect()
        }
    }
}

/// Why a category may not have this parent. The categories below it come to lie as much deeper as it does.
fn refusal_of_parent<T: WriteTransaction>(
    tables: &mut T,
    category: &str,
    parent: Option<&str>,
) -> Result<Option<Refusal>, T::Error> {
    let mut ancestors: Vec<String> = Vec::new();
    let mut next = parent.map(str::to_owned);
    while let Some(id) = next {
        // While a file is imported, its categories may form a circle above this one.
        if id == category || ancestors.contains(&id) {
            return Ok(Some(Refusal::Cycle));
        }
        if ancestors.len() == DEPTH_MAX {
            return Ok(Some(Refusal::TooDeep(DEPTH_MAX)));
        }
        next = tables.parent(&id)?;
        ancestors.push(id);
    }
    if ancestors.is_empty() {
        return Ok(None);
    }
    let levels_max = DEPTH_MAX - ancestors.len();
    let is_too_high = tables.levels_below(category, levels_max + 1)? > levels_max;
    Ok(is_too_high.then_some(Refusal::TooDeep(DEPTH_MAX)))
}

fn answered<T: WriteTransaction>(
    tables: &mut T,
    repeatable: &Repeatable,
    now: Millis,
) -> Result<Option<Written>, WriteFailure<T::Error>> {
    let Some(kept) = tables.kept_answer(&repeatable.key, now - ANSWER_MS)? else { return Ok(None) };
    if kept.fingerprint != repeatable.fingerprint {
        return Err(WriteFailure::Rule(StoreError::KeyReused));
    }
    let unreadable = |_| WriteFailure::Rule(StoreError::Unavailable("a kept answer cannot be read".to_owned()));
    let rows = serde_json::from_str(&kept.rows).map_err(unreadable)?;
    Ok(Some(Written { change: kept.change, rows, replayed: true }))
}
