//! Removes the records of users who asked to be forgotten.
//!
//! A file with such records is written again under its name, which replaces it at once, and states how many of its rows are gone.
//! Ranges of offsets stay as they are: the names still form a chain. If that is interrupted, another run does the rest.
//!
//! Meanwhile another `erase` may run on a bucket, and a `compact` may merge; on a directory the lock prevents both. So a file is
//! read with its version and replaced only if it still has that version: no run undoes what another has done. A version that was
//! read and has no such records is *clean*. The archive is listed until all that is listed is clean: also double files, and parts of
//! a merging that runs now or was killed. A `compact` that has read a file before it was written again takes back what it
//! made of it; one that compares the versions before that has published its files, which the next list has.
//! Segments after the survey's end are left: a running server would add them without an end.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sources::kafka::upstream::PartitionId;

use crate::chain::{Chain, Survey};
use crate::file::{self, FileError, FileWriter, SegmentRows};
use crate::name::{Hour, ObjectName};
use crate::row::Row;
use crate::store::{Object, Store, StoreError, Version};

/// How often files that have changed are looked at again.
const ROUNDS: u32 = 50;

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
    /// Another command does not stop to change files.
    #[error("files were changed each time they were listed: erase again when nothing else works on the archive")]
    Changing,
}

/// The kind of the events that record an erasure. They stay: a reader of older copies must know them.
const ERASURE: &str = "erasure";

/// Users to erase, each with the time up to which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsersToErase(BTreeMap<String, i64>);

impl UsersToErase {
    /// All records of one user, of whatever time.
    #[must_use]
    pub fn of(user: &str) -> UsersToErase {
        UsersToErase(BTreeMap::from([(user.to_owned(), i64::MAX)]))
    }

    /// Adds a user: the records at or before `until`, in milliseconds since the epoch, are removed.
    pub fn add(&mut self, user: &str, until: i64) {
        let known = self.0.entry(user.to_owned()).or_insert(until);
        *known = until.max(*known);
    }

    /// How many users they name.
    #[must_use]
    pub fn users(&self) -> usize {
        self.0.len()
    }

    /// The erasures that an archived topic records. The archive is listed again if a file of the survey is gone.
    ///
    /// # Errors
    /// When the store does not answer, or a file cannot be read.
    pub fn recorded(store: &dyn Store, survey: &Survey, topic: &str) -> Result<UsersToErase, EraseError> {
        let mut erasures = UsersToErase::default();
        if erasures.add_recorded(store, survey, topic)? {
            return Ok(erasures);
        }
        for _ in 0..ROUNDS {
            if erasures.add_recorded(store, &Survey::of(store.list(&format!("{topic}/"))?), topic)? {
                return Ok(erasures);
            }
        }
        Err(EraseError::Changing)
    }

    /// Adds those that the files of a survey record. Returns whether all these files are there.
    fn add_recorded(&mut self, store: &dyn Store, survey: &Survey, topic: &str) -> Result<bool, EraseError> {
        let chains = survey.chains.iter().filter(|(id, _)| *id.topic == *topic);
        for file in chains.flat_map(|(_, chain)| &chain.segments).flat_map(|segment| &segment.files) {
            let name = file.name.to_string();
            let Some((bytes, _)) = store.read(&name)? else { return Ok(false) };
            let read = file::read(file.name.format, bytes, |row| {
                if let (Some(ERASURE), Some(user), Some(at)) = (row.event_type, &row.user_id, row.event_time) {
                    self.add(user, at);
                }
                Ok::<(), FileError>(())
            });
            read.map_err(|reason| EraseError::File { name, reason })?;
        }
        Ok(true)
    }

    /// Whether a record in a file of this hour is to be removed.
    fn cover(&self, row: &Row<'_>, hour: Hour) -> bool {
        if row.event_type == Some(ERASURE) {
            return false;
        }
        // A late event happened before its record. Without any time it is dated in the hour of its file.
        let at = row.event_time.into_iter().chain(row.record_time).min().unwrap_or(hour.start_ms());
        let covers = |user: &str| self.0.get(user).is_some_and(|until| at <= *until);
        let key = row.key.and_then(|key| str::from_utf8(key).ok());
        if row.user_id.as_deref().is_some_and(covers) || key.is_some_and(covers) {
            return true;
        }
        let Some(raw) = row.raw.filter(|_| row.user_id.is_none()) else { return false };
        self.0.iter().any(|(user, until)| at <= *until && mentions(raw, user.as_bytes()))
    }
}

/// Removes all records of these users up to the end of the survey: those whose event or key names the user, and those that are no
/// event and have the id anywhere in their bytes. `seen` is called with the size of each file that has been read.
///
/// # Errors
/// When the store does not answer, a file cannot be read, or files change all the time. Whatever was done until then is whole.
pub fn erase(
    store: &dyn Store,
    survey: &Survey,
    erasures: &UsersToErase,
    mut seen: impl FnMut(u64),
) -> Result<Erased, EraseError> {
    let (mut erased, mut clean) = (Erased::default(), BTreeMap::new());
    if erasures.0.is_empty() {
        return Ok(erased);
    }
    let _lock = store.lock()?;
    for _ in 0..ROUNDS {
        let listed: BTreeMap<String, (u64, Version)> =
            store.versions("")?.into_iter().map(|(object, version)| (object.name, (object.bytes, version))).collect();
        let objects = listed.iter().map(|(name, (bytes, _))| Object { name: name.clone(), bytes: *bytes });
        let mut is_clean = true;
        for name in files(&Survey::of(objects), survey) {
            let Some((bytes, version)) = listed.get(&name).filter(|(_, version)| clean.get(&name) != Some(version))
            else {
                continue;
            };
            is_clean = false;
            let Some(parsed) = ObjectName::parse(&name) else {
                // A killed command was writing it.
                store.remove(&name)?;
                continue;
            };
            match from_file(store, &parsed, erasures)? {
                Outcome::Clean(version) => drop(clean.insert(name, version)),
                Outcome::Written(removed) => {
                    erased.records += removed;
                    erased.files += 1;
                }
                Outcome::Changed => tracing::debug!(name, ?version, "archive: changed by another command"),
            }
            seen(*bytes);
        }
        if is_clean {
            return Ok(erased);
        }
    }
    Err(EraseError::Changing)
}

/// The names of the files that begin before the end of each partition in `until`, also of those that do not count. Files that an
/// archiver is writing are not among them.
fn files(survey: &Survey, until: &Survey) -> Vec<String> {
    let mut names = BTreeSet::new();
    for (id, chain) in &survey.chains {
        let Some(end) = until.chains.get(id).and_then(Chain::next) else { continue };
        let segments = chain.segments.iter().chain(&chain.doubles).filter(|segment| segment.first < end);
        names.extend(segments.flat_map(|segment| &segment.files).map(|file| file.name.to_string()));
        names.extend(chain.unfinished_merges().cloned());
    }
    names.into_iter().collect()
}

/// What has become of a file.
enum Outcome {
    /// This version has no records to remove.
    Clean(Version),
    /// It was replaced by a file without this number of records.
    Written(u64),
    /// Another command has changed or removed it.
    Changed,
}

/// Writes a file again without the records to remove, if it has any.
fn from_file(store: &dyn Store, file: &ObjectName, erasures: &UsersToErase) -> Result<Outcome, EraseError> {
    let name = file.to_string();
    let Some((bytes, version)) = store.read(&name)? else { return Ok(Outcome::Changed) };
    let (removed, left) =
        without(&file.id, file, bytes, erasures).map_err(|reason| EraseError::File { name: name.clone(), reason })?;
    let Some(left) = left else { return Ok(Outcome::Clean(version)) };
    let is_replaced = store.replace(&name, left, &version)?;
    Ok(if is_replaced { Outcome::Written(removed) } else { Outcome::Changed })
}

/// The number of records to remove, and the file without them if there are any.
fn without(
    id: &PartitionId,
    name: &ObjectName,
    bytes: Bytes,
    erasures: &UsersToErase,
) -> Result<(u64, Option<Bytes>), FileError> {
    let (mut writer, mut removed) = (FileWriter::new(name.format, id)?, 0);
    let stated = file::read(name.format, bytes, |row| {
        if erasures.cover(row, name.hour) {
            removed += 1;
            return Ok::<(), FileError>(());
        }
        writer.push(row)
    })?;
    let stated = stated.map(|stated| SegmentRows { erased: stated.erased + removed, ..stated });
    Ok((removed, if removed > 0 { Some(writer.finish(stated)?) } else { None }))
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
    use crate::settings::Format;
    use crate::store::Dir;
    use crate::verify::verify;

    const HOUR: i64 = 3_600_000;

    fn is_of(row: &Row<'_>, user: &str) -> bool {
        UsersToErase::of(user).cover(row, Hour::of(0))
    }

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

    #[test]
    fn records_after_the_erasure_stay_and_so_does_the_erasure() {
        let mut erasures = UsersToErase::default();
        erasures.add("ada", 500);
        erasures.add("ada", 1000);
        erasures.add("ada", 700);
        let of =
            |event_time, record_time| Row { user_id: Some("ada".into()), event_time, record_time, ..Row::default() };
        let covered =
            |row: &Row<'_>, hour: i64| erasures.cover(row, Hour::of(hour.unsigned_abs() * HOUR.unsigned_abs()));
        assert!(covered(&of(Some(1000), Some(9000)), 0), "it was told late");
        assert!(covered(&of(None, Some(1000)), 0) && covered(&of(None, None), 0));
        assert!(!covered(&of(Some(1001), Some(9000)), 0) && !covered(&of(None, Some(1001)), 0));
        assert!(!covered(&of(None, None), 1));
        assert!(!covered(&Row { event_type: Some(ERASURE), ..of(Some(1), Some(1)) }, 0));
        assert!(!covered(&Row { user_id: Some("bob".into()), ..Row::default() }, 0));
        let mentioned = Row { raw: Some(b"user=ada"), record_time: Some(1001), ..Row::default() };
        assert!(!covered(&mentioned, 0) && covered(&Row { record_time: Some(1000), ..mentioned.clone() }, 0));
    }

    #[test]
    fn erasures_are_read_from_the_topic_that_records_them() {
        let dir = tempfile::tempdir().unwrap();
        let store = Dir::new(dir.path());
        for (topic, user) in [("removals", "ada"), ("views", "bob")] {
            let id = PartitionId { topic: topic.into(), partition: 0 };
            let mut file = FileWriter::new(Format::Parquet, &id).unwrap();
            for (offset, event_type, event_time) in [(0, "erasure", 70), (1, "removal", 90), (2, "erasure", 80)] {
                let row = Row {
                    offset,
                    user_id: Some(user.into()),
                    event_type: Some(event_type),
                    event_time: Some(event_time),
                    ..Row::default()
                };
                file.push(&row).unwrap();
            }
            store
                .put(
                    &format!("{topic}/date=1970-01-01/hour=00/0-0-2.parquet"),
                    file.finish(Some(SegmentRows::new(3))).unwrap(),
                )
                .unwrap();
        }
        let survey = Survey::of(store.list("").unwrap());
        let mut expected = UsersToErase::default();
        expected.add("ada", 80);
        assert_eq!(UsersToErase::recorded(&store, &survey, "removals"), Ok(expected.clone()));
        let erased = erase(&store, &survey, &expected, |_| ()).unwrap();
        assert_eq!(erased, Erased::default(), "erasures stay, and what came after them");
    }

    #[test]
    fn erasures_hide_no_file_that_was_lost_also_if_they_are_interrupted() {
        for format in [Format::Parquet, Format::Json] {
            let dir = tempfile::tempdir().unwrap();
            let store = Dir::new(dir.path());
            let id = PartitionId { topic: "views".into(), partition: 0 };
            let extension = format.extension();
            // A segment of seven rows, of which a part with three is gone.
            for (number, name) in ["00/0-0-6.part", "01/0-0-6"].iter().enumerate() {
                let mut file = FileWriter::new(format, &id).unwrap();
                for (offset, user) in [(0, "ada"), (1, "bob")] {
                    let offset = offset + 2 * i64::try_from(number).unwrap();
                    file.push(&Row { offset, user_id: Some(user.into()), ..Row::default() }).unwrap();
                }
                let file = file.finish(Some(SegmentRows::new(7))).unwrap();
                store.put(&format!("views/date=1970-01-01/hour={name}.{extension}"), file).unwrap();
            }
            let survey = Survey::of(store.list("").unwrap());
            // A run that ends after the first file.
            let first = ObjectName::parse(&format!("views/date=1970-01-01/hour=00/0-0-6.part.{extension}")).unwrap();
            let written = from_file(&store, &first, &UsersToErase::of("ada")).unwrap();
            assert!(matches!(written, Outcome::Written(1)));
            for (user, records) in [("bob", 2), ("ada", 1)] {
                let erased = erase(&store, &survey, &UsersToErase::of(user), |_| ()).unwrap();
                assert_eq!(erased, Erased { records, files: records });
                let report = verify(&store, &survey, |_| ()).unwrap().remove(&id).unwrap();
                let left = report.rows;
                let expected = format!(": its segment has {left} rows, and states {}", left + 3);
                assert!(report.problems[0].ends_with(&expected), "{report:?}");
            }
        }
    }
}
