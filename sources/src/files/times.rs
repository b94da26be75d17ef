//! Arrival times of lines, and times for lines that state none.

use std::fs::File;
use std::io;

use dataflow::time::Millis;
use events::{Event, Malformed, TimeBounds, decode};

use crate::file_position::line_ends;

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
    /// How many lines of the span are left, including the next one; counted when first needed.
    left: Option<u64>,
}

impl LineTimes {
    /// Begins a span whose lines had all arrived by `arrived`.
    pub(super) fn begin(&mut self, arrived: Millis) {
        self.arrived = arrived;
        self.left = None;
    }

    /// The latest time an event of these lines can have.
    pub(super) fn latest(&self) -> Millis {
        self.arrived.saturating_add(COARSE_MS)
    }

    /// Decodes the line at `offset` of a file that is read up to `to`. A line that states no time is given one, and a view is
    /// not later than its line arrived.
    pub(super) fn decode<'a>(
        &mut self,
        line: &'a [u8],
        file: &File,
        offset: u64,
        to: u64,
        bounds: &TimeBounds,
    ) -> io::Result<Result<Event<'a>, Malformed>> {
        let event = match decode(line, None, bounds) {
            Err(Malformed::MissingField("timestamp")) => {
                let time = self.give(|| line_ends(file, offset, to))?;
                decode(line, Some(time.into()), bounds)
            }
            event => event,
        };
        let latest = self.latest();
        Ok(event.map(|event| match event.kind {
            kind if kind.keeps_its_time() => event,
            _ => Event { at: event.at.min(latest), ..event },
        }))
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
        let counted_back = self.arrived.saturating_sub(left.saturating_sub(1));
        self.last = counted_back.max(self.last + 1).min(self.arrived.saturating_add(AHEAD_MS_MAX)).max(self.last);
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
}
