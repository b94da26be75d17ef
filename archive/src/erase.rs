//! Removes the records of a user.
//!
//! A segment with such records is written again under the same names, which replaces each file at once. Ranges of offsets stay
//! as they are: the names still form a chain. If that is interrupted, another run does the rest.

use bytes::Bytes;
use sources::kafka::upstream::PartitionId;

use crate::chain::{Segment, Survey};
use crate::file::{self, FileError, FileWriter};
use crate::name::ObjectName;
use crate::row::Row;
use crate::store::{Store, StoreError};

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Records that were removed.
    pub records: u64,
    /// Files that were written again.
    pub files: u64,
}

/// Why erasing ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EraseError {
    /// The store does not answer, or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file cannot be read or written.
    #[error("{name}: {reason}")]
    File {
        /// Its name.
        name: String,
        /// The reason.
        reason: FileError,
    },
}

/// Removes all records of `user`: those whose event or key names the user, and those that are no event and have the id
/// anywhere in their bytes. `seen` is called with the size of each file that has been read.
///
/// # Errors
/// When the store does not answer, or a file cannot be read. Whatever was done until then is whole.
pub fn erase(store: &dyn Store, survey: &Survey, user: &str, mut seen: impl FnMut(u64)) -> Result<Erased, EraseError> {
    let mut erased = Erased::default();
    for (id, chain) in &survey.chains {
        for segment in chain.segments.iter().chain(&chain.doubles) {
            from_segment(store, id, segment, user, &mut erased)?;
            seen(segment.bytes());
        }
    }
    Ok(erased)
}

/// A file of a segment, and what is left of it.
struct Left {
    name: ObjectName,
    writer: FileWriter,
    removed: u64,
    stated: Option<u64>,
}

fn from_segment(
    store: &dyn Store,
    id: &PartitionId,
    segment: &Segment,
    user: &str,
    erased: &mut Erased,
) -> Result<(), EraseError> {
    let (mut files, mut rows) = (Vec::new(), 0);
    for stored in &segment.files {
        let bytes = store.get(&stored.name.to_string())?;
        let left = without(id, &stored.name, bytes, user, &mut rows);
        files.push(left.map_err(|reason| EraseError::File { name: stored.name.to_string(), reason })?);
    }
    for Left { name, writer, removed, stated } in files {
        // A file without records of the user is written if an interrupted run has left its number of rows behind.
        if removed > 0 || stated.is_some_and(|stated| stated != rows) {
            let bytes = writer.finish(rows).map_err(|reason| EraseError::File { name: name.to_string(), reason })?;
            store.put(&name.to_string(), bytes)?;
            erased.files += 1;
            erased.records += removed;
        }
    }
    Ok(())
}

fn without(id: &PartitionId, name: &ObjectName, bytes: Bytes, user: &str, rows: &mut u64) -> Result<Left, FileError> {
    let mut left = Left { name: name.clone(), writer: FileWriter::new(name.format, id)?, removed: 0, stated: None };
    left.stated = file::read(name.format, bytes, |row| {
        if is_of(row, user) {
            left.removed += 1;
            return Ok::<(), FileError>(());
        }
        *rows += 1;
        left.writer.push(row)
    })?;
    Ok(left)
}

/// Whether a record is of the user, or may be.
fn is_of(row: &Row<'_>, user: &str) -> bool {
    let is_named = row.user_id.as_deref() == Some(user) || row.key == Some(user.as_bytes());
    is_named || (row.user_id.is_none() && row.raw.is_some_and(|raw| mentions(raw, user.as_bytes())))
}

/// Whether bytes have the id in them, not as a part of a longer word or number.
fn mentions(bytes: &[u8], id: &[u8]) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80);
    memchr::memmem::find_iter(bytes, id).any(|start| {
        let before = start.checked_sub(1).and_then(|before| bytes.get(before));
        !is_word(before) && !is_word(bytes.get(start + id.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_of_the_user_if_it_names_the_user() {
        let named = Row { user_id: Some("12".into()), raw: Some(b"{}"), ..Row::default() };
        let other = Row { user_id: Some("123".into()), raw: Some(b"{\"seen\":12}"), ..Row::default() };
        let keyed = Row { key: Some(b"12"), ..Row::default() };
        assert!(is_of(&named, "12") && is_of(&keyed, "12") && !is_of(&other, "12"));
        for (raw, mentioned) in [
            (&b"{\"userid\":12"[..], true),
            (b"user=12", true),
            (b"\"12\"", true),
            (b"112", false),
            (b"12a", false),
            (b"\xff12", false),
            (b"", false),
        ] {
            let row = Row { raw: Some(raw), ..Row::default() };
            assert_eq!(is_of(&row, "12"), mentioned, "{raw:?}");
        }
    }
}
