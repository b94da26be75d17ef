//! Arrival times of lines, and times for lines that state none.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use dataflow::time::Millis;
use events::{Event, Malformed, TimeBounds, decode};

use super::lines;
use super::places::{self, Place};

/// The clock that stamps files is coarser than the one that stamps events.
const COARSE_MS: Millis = 1000;

/// How far ahead of its arrival a line may be dated by the lines before it.
const AHEAD_MS_MAX: Millis = 60_000;

/// The times of one file's lines.
#[derive(Default)]
pub(super) struct LineTimes {
    /// The time given last.
    last: Millis,
    /// When the lines of the span had arrived.
    arrived: Millis,
    /// How many lines are left up to the next place, or else to the end of the span, including the next line; counted when
    /// first needed.
    left: Option<u64>,
    /// The directory and the name of a file whose places are read with its first line.
    unread: Option<(PathBuf, &'static str)>,
    /// The places ahead of the next line, the nearest one last.
    places: Vec<Place>,
    /// What lines after the last place are later than.
    floor: Millis,
}

impl LineTimes {
    /// Begins a span whose lines had all arrived by `arrived`.
    pub(super) fn begin(&mut self, arrived: Millis) {
        self.arrived = arrived;
        self.left = None;
    }

    /// Begins a file from its start. Its lines had all arrived by `arrived`, and those before a place by the time of the place.
    pub(super) fn begin_file(&mut self, arrived: Millis, dir: &Path, name: &'static str) {
        self.begin(arrived);
        self.floor = self.last;
        (self.unread, self.places) = (Some((dir.to_owned(), name)), Vec::new());
    }

    /// The latest time an event of these lines can have.
    pub(super) fn latest(&self) -> Millis {
        self.arrived.saturating_add(COARSE_MS)
    }

    /// Decodes the line at `offset` of a file that is read up to `to`. A line that states no time is given one, and an event is
    /// not later than its line arrived.
    pub(super) fn decode<'a>(
        &mut self,
        line: &'a [u8],
        file: &File,
        offset: u64,
        to: u64,
        bounds: &TimeBounds,
    ) -> io::Result<Result<Event<'a>, Malformed>> {
        self.go_to(file, offset, to)?;
        // A file may have an older time than a removal that its lines came after.
        let bounds = &TimeBounds { now: bounds.now.max(self.arrived), ..*bounds };
        let event = match decode(line, None, bounds) {
            Err(Malformed::MissingField("timestamp")) => {
                let until = self.places.last().map_or(to, |place| place.bytes);
                let time = self.give(|| lines::count(file, offset, until))?;
                decode(line, Some(time.into()), bounds)
            }
            event => event,
        };
        Ok(event.map(|event| match event.kind {
            kind if kind.keeps_its_time() => event,
            _ => Event { at: self.latest_of(event.at).min(event.at), ..event },
        }))
    }

    /// The latest time of the next line, which states a time, or was given it.
    fn latest_of(&self, stated: Millis) -> Millis {
        match self.places.last() {
            Some(place) if stated > place.written => place.arrived.min(self.latest()),
            _ => self.latest(),
        }
    }

    /// Passes the places up to the line at `offset`. The first line of a file reads them.
    fn go_to(&mut self, file: &File, offset: u64, to: u64) -> io::Result<()> {
        if let Some((dir, name)) = &self.unread {
            self.places = places::read(dir, name, file, to)?;
            self.places.reverse();
            self.unread = None;
            if !self.places.is_empty() {
                // Lines before a place have the times they had before the file was read again.
                (self.last, self.left) = (0, None);
            }
        }
        while let Some(place) = self.places.pop_if(|place| place.bytes <= offset) {
            self.left = None;
            self.last = self.last.max(place.passed);
            // Whatever time the file has: the lines that follow came after the removal.
            self.arrived = self.arrived.max(place.passed.saturating_add(1));
            if self.places.is_empty() {
                self.last = self.last.max(self.floor);
            }
        }
        Ok(())
    }

    /// Goes on to the next line.
    pub(super) fn pass(&mut self) {
        self.left = self.left.map(|left| left.saturating_sub(1));
    }

    /// The time of the next line, which states none; `count` counts the lines left, this one included.
    pub(super) fn give<E>(&mut self, count: impl FnOnce() -> Result<u64, E>) -> Result<Millis, E> {
        let left = match self.left {
            Some(left) => left,
            None => *self.left.insert(count()?),
        };
        let (arrived, ahead_max) = match self.places.last() {
            // No line before a place may be later than the removal that was written there.
            Some(place) => (place.arrived.min(self.arrived), 0),
            None => (self.arrived, AHEAD_MS_MAX),
        };
        let counted_back = arrived.saturating_sub(left.saturating_sub(1));
        self.last = counted_back.max(self.last + 1).min(arrived.saturating_add(ahead_max)).max(self.last);
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(times: &mut LineTimes, lines: u64) -> Vec<Millis> {
        let give = |_| {
            let time = times.give(|| Ok::<_, ()>(lines)).unwrap();
            times.pass();
            time
        };
        (0..lines).map(give).collect()
    }

    #[test]
    fn the_order_of_lines_is_the_order_of_times() {
        let mut times = LineTimes::default();
        times.begin(1000);
        assert_eq!(give(&mut times, 4), [997, 998, 999, 1000]);
        times.begin(1002);
        assert_eq!(give(&mut times, 3), [1001, 1002, 1003]);
        times.begin(2000);
        assert_eq!(give(&mut times, 1), [2000]);
    }

    #[test]
    fn a_flood_of_lines_is_not_dated_far_ahead() {
        let mut times = LineTimes::default();
        times.begin(1000);
        give(&mut times, 1);
        times.begin(1001);
        let last = *give(&mut times, AHEAD_MS_MAX * 2).last().unwrap();
        assert_eq!(last, 1001 + AHEAD_MS_MAX);
    }

    /// The times that a start gives to the lines of a file.
    fn dated(dir: &Path, arrived: Millis) -> Vec<Millis> {
        let path = dir.join("product-views.json");
        let (text, file) = (std::fs::read(&path).unwrap(), File::open(&path).unwrap());
        let mut times = LineTimes::default();
        times.begin_file(arrived, dir, "product-views.json");
        let (bounds, to) = (TimeBounds::around(arrived), text.len() as u64);
        let mut date = |(at, line)| {
            let event = times.decode(line, &file, at as u64, to, &bounds).unwrap().unwrap();
            times.pass();
            event.at
        };
        crate::files::lines::split(&text).map(&mut date).collect()
    }

    #[test]
    fn lines_that_were_there_at_a_removal_stay_older_than_it() {
        const AT: Millis = 1_795_929_236_549;
        let dir = tempfile::tempdir().unwrap();
        let (dir, views) = (dir.path(), dir.path().join("product-views.json"));
        let line = "{\"event\":\"ProductView\",\"userid\":\"ada\",\"properties\":{\"productid\":\"lamp\"}}\n";
        std::fs::write(&views, line.repeat(3)).unwrap();
        assert_eq!(dated(dir, AT - 500), [AT - 502, AT - 501, AT - 500]);
        let removal = events::removal_json("ada", "lamp", AT, "m") + "\n";
        let noted = places::PresentPlaces::at(dir, AT + 1).add_to(removal.as_bytes());
        std::fs::write(dir.join(crate::files::REMOVALS), noted).unwrap();
        assert_eq!(dated(dir, AT - 500), [AT - 502, AT - 501, AT - 500], "as before the removal");
        assert_eq!(dated(dir, AT + 5000), [AT - 2, AT - 1, AT], "the file was touched");
        std::fs::write(&views, line.repeat(5)).unwrap();
        assert_eq!(dated(dir, AT + 5000), [AT - 2, AT - 1, AT, AT + 4999, AT + 5000], "it has grown");
        // A flood right after the removal is later than it.
        assert_eq!(dated(dir, AT + 1), [AT - 2, AT - 1, AT, AT + 1, AT + 2]);
        // The clock that stamps files may be behind.
        assert_eq!(dated(dir, AT - 3), [AT - 5, AT - 4, AT - 3, AT + 1, AT + 2]);
        let day = 86_400_000;
        assert_eq!(dated(dir, AT - day)[3..], [AT + 1, AT + 2], "an older time was set");
        std::fs::write(&views, line.replace("lamp", "pump").repeat(3)).unwrap();
        assert_eq!(dated(dir, AT + 5000), [AT + 4998, AT + 4999, AT + 5000], "another file");
    }

    #[test]
    fn a_line_that_got_its_end_after_a_removal_is_later_than_it() {
        const AT: Millis = 1_795_929_236_549;
        let dir = tempfile::tempdir().unwrap();
        let (dir, views) = (dir.path(), dir.path().join("product-views.json"));
        let line = "{\"event\":\"ProductView\",\"userid\":\"ada\",\"properties\":{\"productid\":\"lamp\"}}\n";
        let (text, removal) = (line.repeat(3), events::removal_json("ada", "lamp", AT, "m") + "\n");
        std::fs::write(&views, &text[..text.len() - 20]).unwrap();
        let noted = places::PresentPlaces::at(dir, AT + 1).add_to(removal.as_bytes());
        std::fs::write(dir.join(crate::files::REMOVALS), noted).unwrap();
        std::fs::write(&views, &text).unwrap();
        assert_eq!(dated(dir, AT + 5000), [AT - 1, AT, AT + 5000]);
        assert_eq!(dated(dir, AT), [AT - 1, AT, AT + 1]);
    }

    #[test]
    fn lines_that_do_not_count_take_no_time() {
        let dir = tempfile::tempdir().unwrap();
        let line = "{\"event\":\"ProductView\",\"userid\":\"ada\",\"properties\":{\"productid\":\"lamp\"}}\n";
        let text = format!("\u{feff}\r\n{}{line}\n\r\n", format!("{line}\n").repeat(3));
        std::fs::write(dir.path().join("product-views.json"), text).unwrap();
        assert_eq!(dated(dir.path(), 5000), [4997, 4998, 4999, 5000]);
    }

    #[test]
    fn more_lines_than_milliseconds_between_two_removals_stay_between_them() {
        let at = |arrived, bytes| Place { bytes, arrived, passed: arrived, written: arrived };
        let mut times = LineTimes { arrived: 5000, places: vec![at(1003, 90), at(1000, 20)], ..LineTimes::default() };
        assert_eq!(give(&mut times, 2), [999, 1000]);
        let file = tempfile::tempfile().unwrap();
        times.go_to(&file, 20, 90).unwrap();
        assert_eq!(give(&mut times, 5), [1001, 1002, 1003, 1003, 1003]);
        times.go_to(&file, 90, 90).unwrap();
        assert_eq!(give(&mut times, 2), [4999, 5000]);
    }

    #[test]
    fn a_line_that_is_dated_ahead_of_a_removal_is_not_later_than_it() {
        const AT: Millis = 1_795_929_236_549;
        let dir = tempfile::tempdir().unwrap();
        let (dir, views) = (dir.path(), dir.path().join("product-views.json"));
        let view = |at| events::view_json("ada", "lamp", at, "m", "web") + "\n";
        std::fs::write(&views, view(AT - 5) + &view(AT + 1) + &view(AT + 9000)).unwrap();
        let removal = events::removal_json("ada", "lamp", AT, "m") + "\n";
        let noted = places::PresentPlaces::at(dir, AT + 1).add_to(removal.as_bytes());
        std::fs::write(dir.join(crate::files::REMOVALS), noted).unwrap();
        assert_eq!(dated(dir, AT + 60_000), [AT - 5, AT + 1, AT], "a line may be written beside the removal");
        let text = std::fs::read_to_string(&views).unwrap();
        std::fs::write(&views, text + &view(AT + 9000)).unwrap();
        assert_eq!(dated(dir, AT + 60_000), [AT - 5, AT + 1, AT, AT + 9000], "a later line");
        let older = [AT - 2000, AT - 2000, AT - 2000, AT + 1001];
        assert_eq!(dated(dir, AT - 3000), older, "the file has an older time than the removal");
    }
}
