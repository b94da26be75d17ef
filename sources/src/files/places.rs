//! How long the files of events were when a removal or an erasure was written: the lines that were there stay older than it.
//!
//! ```text
//! removals.jsonl   {…,"files":{"written":1795929236560,"product-views.json":{"bytes":4711,"mark":"9f21c4ab"}}}
//! ```
//! A line without a time is dated by the file's modification time at each start, and a line that states a time ahead of its
//! arrival counts at most as late as that. But the modification time moves when the file grows. So the log adds to each line of
//! `removals.jsonl` a place in each file of events: its length, and a fingerprint of the bytes before it. As long as the fingerprint
//! fits, the lines before the place had arrived by the time of the removal.

use std::fs::File;
use std::io;
use std::path::Path;

use dataflow::time::Millis;
use events::{TimeBounds, decode};
use serde_json::Value as Json;

use super::lines::{self, LineRange};
use super::{FILES, LINE_BYTES_MAX, REMOVALS};
use crate::file_position::FilePosition;
use crate::file_tail::bytes_before;
use crate::wall_clock::wall_ms;

/// What the log adds to a line, before the object.
const MEMBER: &str = ",\"files\":";

/// The files that have places: those with lines that the shop may write.
const NOTED: [&str; 2] = [FILES[0], FILES[1]];

/// A removal that is dated this much earlier than it was written is dated by its sender. Its time is no arrival time.
const LATE_MS_MAX: Millis = 60_000;

/// A place in a file, where a line begins. The lines before it had arrived by a time, and those after it came later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) bytes: u64,
    pub(super) arrived: Millis,
    /// The time of the last removal that was written here: lines after the place are later.
    pub(super) passed: Millis,
    /// The wall clock's time when the length was taken: a line that states a later time is dated ahead of its arrival.
    pub(super) written: Millis,
}

/// A place that a line of the file of removals states.
struct StatedPlace {
    place: Place,
    mark: String,
}

/// The ends of the files of events now, as a member for the lines of the file of removals.
pub struct PresentPlaces {
    /// None if there are no events.
    member: Option<String>,
}

impl PresentPlaces {
    /// Those in the files of `dir`.
    #[must_use]
    pub fn of(dir: &Path) -> PresentPlaces {
        PresentPlaces::at(dir, wall_ms())
    }

    /// Those in the files of `dir`. `written`: the wall clock's time.
    #[must_use]
    pub fn at(dir: &Path, written: Millis) -> PresentPlaces {
        let mut places = serde_json::Map::new();
        for name in NOTED {
            match present_place(&dir.join(name)) {
                Ok(Some(place)) => drop(places.insert(name.to_owned(), place)),
                Ok(None) => {}
                Err(error) => {
                    let message = "lines of this file without a time may count as newer than a removal after a restart";
                    tracing::warn!(file = name, %error, "{message}");
                }
            }
        }
        if places.is_empty() {
            return PresentPlaces { member: None };
        }
        places.insert("written".to_owned(), written.into());
        PresentPlaces { member: Some(format!("{MEMBER}{}", Json::Object(places))) }
    }

    /// Whole lines with these places. A line that is no object stays as it is, and so does one that would be too long.
    #[must_use]
    pub fn add_to(&self, lines: &[u8]) -> Vec<u8> {
        let Some(member) = &self.member else { return lines.to_vec() };
        let mut noted = Vec::with_capacity(lines.len() + member.len());
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            let text = line.trim_ascii_end();
            match text.strip_suffix(b"}") {
                Some(members) if has_members(members) && line.len() + member.len() <= LINE_BYTES_MAX => {
                    noted.extend(members);
                    noted.extend(member.as_bytes());
                    noted.extend(&line[members.len()..]);
                }
                _ => noted.extend(line),
            }
        }
        noted
    }
}

/// Whether the text of an object before its last brace has members, so that a comma can follow.
fn has_members(text: &[u8]) -> bool {
    text.trim_ascii_end().last().is_some_and(|last| !matches!(last, b'{' | b','))
}

/// The place at the end of a file; none if it is missing or empty.
fn present_place(path: &Path) -> io::Result<Option<Json>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let bytes = file.metadata()?.len();
    Ok((bytes > 0).then_some(serde_json::json!({"bytes": bytes, "mark": mark(&file, bytes)?})))
}

/// A fingerprint of the bytes before a place.
fn mark(file: &File, bytes: u64) -> io::Result<String> {
    Ok(format!("{:08x}", crc32fast::hash(&bytes_before(file, bytes)?)))
}

/// The places in a file that fit it, up to `to`: their bytes ascend, and their times do not descend.
pub(super) fn read(dir: &Path, name: &str, file: &File, to: u64) -> io::Result<Vec<Place>> {
    if !NOTED.contains(&name) {
        return Ok(Vec::new());
    }
    let removals = match File::open(dir.join(REMOVALS)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        removals => removals?,
    };
    let mut stated = stated_places(&removals, name)?;
    stated.sort_by_key(|stated| stated.place.bytes);
    let mut places: Vec<Place> = Vec::new();
    for StatedPlace { place, mark: stated } in stated {
        if place.bytes <= to && mark(file, place.bytes)? == stated {
            // A line that had no end yet came later.
            places.push(Place { bytes: last_line_end(file, place.bytes)?, ..place });
        }
    }
    // The lines before a place are also before every later place.
    let mut earliest = Millis::MAX;
    for place in places.iter_mut().rev() {
        earliest = earliest.min(place.arrived);
        (place.arrived, place.passed) = (earliest, earliest);
    }
    places.dedup_by(|later, place| {
        let is_same = later.bytes == place.bytes;
        if is_same {
            place.passed = later.passed;
        }
        is_same
    });
    Ok(places)
}

/// The offset after the last line end of the first `bytes` of a file, or one within a line that is too long to count.
fn last_line_end(file: &File, bytes: u64) -> io::Result<u64> {
    let mut to = bytes;
    while to > 0 && bytes - to <= LINE_BYTES_MAX as u64 {
        let before = bytes_before(file, to)?;
        if before.is_empty() {
            break;
        }
        if let Some(at) = before.iter().rposition(|byte| *byte == b'\n') {
            return Ok(to - (before.len() - at - 1) as u64);
        }
        to -= before.len() as u64;
    }
    Ok(to)
}

/// The places in the file `name` that the lines of the file of removals state.
fn stated_places(removals: &File, name: &str) -> io::Result<Vec<StatedPlace>> {
    let to = removals.metadata()?.len();
    let (mut position, mut buffer, mut stated) = (FilePosition::default(), Vec::new(), Vec::new());
    loop {
        match lines::read(removals, &mut position, to, &mut buffer)? {
            LineRange::Unfinished => return Ok(stated),
            LineRange::TooLong => {}
            LineRange::Lines(bytes) => {
                stated.extend(lines::split(&buffer[..bytes]).filter_map(|(_, line)| stated_place(line, name)));
                position.offset += bytes as u64;
            }
        }
    }
}

/// The place that a line states. Its time is the removal's, if the removal is dated by the clock of its writer.
fn stated_place(line: &[u8], name: &str) -> Option<StatedPlace> {
    // The log adds the member as the last one.
    let members = line.trim_ascii_end().strip_suffix(b"}")?;
    let at = members.windows(MEMBER.len()).rposition(|text| text == MEMBER.as_bytes())?;
    let files: Json = serde_json::from_slice(&members[at + MEMBER.len()..]).ok()?;
    let (written, place) = (files.get("written")?.as_u64()?, files.get(name)?);
    let (bytes, mark) = (place.get("bytes")?.as_u64()?, place.get("mark")?.as_str()?.to_owned());
    let at = decode(line, None, &TimeBounds::around(written)).ok()?.at;
    let is_by_clock = at.saturating_add(LATE_MS_MAX) >= written;
    let arrived = at.min(written);
    is_by_clock.then_some(StatedPlace { place: Place { bytes, arrived, passed: arrived, written }, mark })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use events::{erasure_json, removal_json};

    use super::*;

    const AT: Millis = 1_795_929_236_549;

    /// Appends a removal of that time, written a millisecond later, as the log does.
    fn remove(dir: &Path, at: Millis, written: Millis) {
        let line =
            PresentPlaces::at(dir, written).add_to(format!("{}\n", removal_json("ada", "lamp", at, "m")).as_bytes());
        let before = fs::read(dir.join(REMOVALS)).unwrap_or_default();
        fs::write(dir.join(REMOVALS), [before, line].concat()).unwrap();
    }

    fn places(dir: &Path) -> Vec<(u64, Millis)> {
        let file = File::open(dir.join(NOTED[1])).unwrap();
        let found = read(dir, NOTED[1], &file, file.metadata().unwrap().len()).unwrap();
        found.into_iter().map(|place| (place.bytes, place.arrived)).collect()
    }

    #[test]
    fn a_place_holds_while_the_bytes_before_it_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, views) = (dir.path(), dir.path().join(NOTED[1]));
        remove(dir, AT, AT + 1);
        fs::write(&views, "one\n").unwrap();
        assert_eq!(places(dir), [], "the file was not there at the removal");
        remove(dir, AT + 10, AT + 11);
        remove(dir, AT + 20, AT + 21);
        fs::write(&views, "one\ntwo\n").unwrap();
        remove(dir, AT + 30, AT + 29);
        assert_eq!(places(dir), [(4, AT + 10), (8, AT + 29)], "the first removal of each length, by the earlier clock");
        fs::write(&views, "one\nsix\nten\n").unwrap();
        assert_eq!(places(dir), [(4, AT + 10)]);
        fs::write(&views, "on").unwrap();
        assert_eq!(places(dir), []);
    }

    #[test]
    fn a_line_that_had_no_end_is_after_the_place_and_so_are_later_removals() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, views) = (dir.path(), dir.path().join(NOTED[1]));
        let long = "x".repeat(1000);
        fs::write(&views, "on").unwrap();
        remove(dir, AT, AT);
        fs::write(&views, format!("one\r\n{long}")).unwrap();
        remove(dir, AT + 10, AT + 10);
        fs::write(&views, format!("one\r\n{long}\n")).unwrap();
        assert_eq!(places(dir), [(0, AT), (5, AT + 10)]);
        remove(dir, AT + 20, AT + 20);
        remove(dir, AT + 30, AT + 30);
        let found = read(dir, NOTED[1], &File::open(&views).unwrap(), 1006).unwrap();
        fs::write(&views, "x".repeat(3 * LINE_BYTES_MAX)).unwrap();
        let end = last_line_end(&File::open(&views).unwrap(), 3 * LINE_BYTES_MAX as u64).unwrap();
        assert!((1..2 * LINE_BYTES_MAX as u64).contains(&end), "no line that counts is longer: {end}");
        assert_eq!(found[2], Place { bytes: 1006, arrived: AT + 20, passed: AT + 30, written: AT + 20 });
    }

    #[test]
    fn a_removal_that_its_sender_dated_has_no_place_and_an_earlier_time_holds_for_all_lines_before() {
        let dir = tempfile::tempdir().unwrap();
        let (dir, views) = (dir.path(), dir.path().join(NOTED[1]));
        fs::write(&views, "one\n").unwrap();
        remove(dir, AT - LATE_MS_MAX - 1, AT);
        assert_eq!(places(dir), []);
        remove(dir, AT, AT);
        fs::write(&views, "one\ntwo\n").unwrap();
        remove(dir, AT - 1, AT);
        assert_eq!(places(dir), [(4, AT - 1), (8, AT - 1)]);
    }

    #[test]
    fn each_line_gets_the_places_and_stays_an_event() {
        let dir = tempfile::tempdir().unwrap();
        let lines =
            format!("{} \r\n{}\nr\n{{ }}\n", erasure_json("ada", AT, "m"), removal_json("ada", "lamp", AT, "m"));
        assert_eq!(PresentPlaces::at(dir.path(), AT).add_to(lines.as_bytes()), lines.as_bytes(), "no file of events");
        fs::write(dir.path().join(NOTED[0]), "one\n").unwrap();
        fs::write(dir.path().join(NOTED[1]), "").unwrap();
        assert!(stated_place(lines.lines().next().unwrap().as_bytes(), NOTED[0]).is_none());
        let noted = String::from_utf8(PresentPlaces::at(dir.path(), AT).add_to(lines.as_bytes())).unwrap();
        let (noted, before): (Vec<_>, Vec<_>) = (noted.lines().collect(), lines.lines().collect());
        assert_eq!((noted.len(), &noted[2..]), (4, &before[2..]), "these have no members");
        let bounds = TimeBounds::around(AT);
        for (noted, before) in noted.iter().zip(&before).take(2) {
            assert_eq!(decode(noted.as_bytes(), None, &bounds), decode(before.as_bytes(), None, &bounds));
            let json: Json = serde_json::from_str(noted).unwrap();
            assert_eq!(json["files"][NOTED[0]]["bytes"], 4, "{noted}");
            assert_eq!((&json["files"]["written"], json["files"].get(NOTED[1])), (&AT.into(), None));
            let place = stated_place(noted.as_bytes(), NOTED[0]).unwrap().place;
            assert_eq!(place, Place { bytes: 4, arrived: AT, passed: AT, written: AT });
        }
        let long = format!("{{\"a\":\"{}\"}}\n", "x".repeat(LINE_BYTES_MAX - 20));
        assert_eq!(PresentPlaces::at(dir.path(), AT).add_to(long.as_bytes()), long.as_bytes());
    }
}
