//! What is in an archive: the segments of each partition, and how they follow each other.
//!
//! A *segment* is a range of offsets of one partition. Its records are in one file for each hour that they are dated in. The
//! file written last, the *closing* file, makes it complete. The segments of a partition form a *chain* when each begins
//! after the end of the one before. From the names alone follows
//! - where to continue: after the last segment of the chain;
//! - what is *unfinished*: parts whose closing file is missing, and files that were being written. Nobody has confirmed their
//!   records, so they are removed, and the records are read again;
//! - what is *double*: a complete segment whose whole range is in other segments of the chain. Merging leaves such segments
//!   when it is killed after the merged segment has become durable. The next merging removes them, or the merged segment;
//! - what is *missing*: offsets between two segments. The topic had deleted them before they were read, or somebody removed
//!   files;
//! - what *overlaps*: segments that share offsets, and neither of which is double. Two archivers that write to one place
//!   leave such segments. Nothing is removed then, because each may hold the only copy of a record.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use sources::kafka::upstream::PartitionId;

use crate::name::{ObjectName, Role, UNFINISHED};
use crate::settings::Format;
use crate::store::Object;

/// A complete segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first offset.
    pub first: i64,
    /// Its last offset.
    pub last: i64,
    /// Its files; the closing file is the last one.
    pub files: Vec<SegmentFile>,
}

/// One file of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentFile {
    /// Its name.
    pub name: ObjectName,
    /// Its size.
    pub bytes: u64,
}

impl Segment {
    /// The size of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

/// The segments of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The segments that count, in the order of their offsets.
    pub segments: Vec<Segment>,
    /// Complete segments whose range is in others.
    pub doubles: Vec<Segment>,
    /// Names of files that belong to no complete segment.
    pub unfinished: Vec<String>,
}

impl Chain {
    /// The segment with the largest offsets; none without a segment.
    pub(crate) fn last_segment(&self) -> Option<&Segment> {
        self.segments.iter().max_by_key(|segment| segment.last)
    }

    /// The offset after the last segment; none without a segment.
    #[must_use]
    pub fn next(&self) -> Option<i64> {
        self.last_segment().map(|segment| segment.last + 1)
    }

    /// The ranges of offsets between segments that are in no segment.
    #[must_use]
    pub fn missing(&self) -> Vec<RangeInclusive<i64>> {
        let mut missing = Vec::new();
        let mut next = self.segments.first().map_or(0, |segment| segment.first);
        for segment in &self.segments {
            if segment.first > next {
                missing.push(next..=segment.first - 1);
            }
            next = next.max(segment.last + 1);
        }
        missing
    }

    /// The ranges of offsets that are in several segments of the chain.
    #[must_use]
    pub fn overlaps(&self) -> Vec<RangeInclusive<i64>> {
        let mut overlaps = Vec::new();
        let mut next = i64::MIN;
        for segment in &self.segments {
            if segment.first < next {
                overlaps.push(segment.first..=segment.last.min(next - 1));
            }
            next = next.max(segment.last + 1);
        }
        overlaps
    }

    /// The unfinished files whose whole range is in segments: an interrupted merging has left them. Others may be of an archiver
    /// that is writing now.
    pub(crate) fn unfinished_merges(&self) -> impl Iterator<Item = &String> {
        self.unfinished.iter().filter(|text| {
            let name = ObjectName::parse(text.strip_suffix(UNFINISHED).unwrap_or(text));
            name.is_some_and(|name| self.holds(name.first, name.last))
        })
    }

    /// The names of the unfinished files of an archiver that has ended. What a merging writes or has left is within segments: only
    /// a merging removes it, as it knows whether another one writes it now.
    pub(crate) fn superfluous(&self) -> Vec<String> {
        let merges: BTreeSet<&String> = self.unfinished_merges().collect();
        self.unfinished.iter().filter(|name| !merges.contains(name)).cloned().collect()
    }
}

/// What is in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// By topic and partition.
    pub chains: BTreeMap<PartitionId, Chain>,
    /// Names that the archive does not write.
    pub foreign: Vec<String>,
}

/// Files by the range of their names and their format.
type Groups = BTreeMap<(i64, i64, &'static str), Vec<SegmentFile>>;

impl Survey {
    /// Sorts the objects of an archive.
    #[must_use]
    pub fn of(objects: impl IntoIterator<Item = Object>) -> Survey {
        let mut survey = Survey::default();
        let mut found: BTreeMap<PartitionId, Groups> = BTreeMap::new();
        for Object { name: text, bytes } in objects {
            let unfinished = text.strip_suffix(UNFINISHED).and_then(ObjectName::parse);
            if let Some(name) = unfinished {
                survey.chains.entry(name.id).or_default().unfinished.push(text);
            } else if let Some(name) = ObjectName::parse(&text) {
                let key = (name.first, name.last, name.format.extension());
                let files = found.entry(name.id.clone()).or_default().entry(key).or_default();
                files.push(SegmentFile { name, bytes });
            } else {
                survey.foreign.push(text);
            }
        }
        for (id, ranges) in found {
            survey.chains.entry(id).or_default().arrange(ranges.into_values());
        }
        survey
    }
}

impl Chain {
    /// Decides what each group of files with the same range and format is.
    fn arrange(&mut self, groups: impl Iterator<Item = Vec<SegmentFile>>) {
        let mut complete = Vec::new();
        for mut files in groups {
            files.sort_by_key(|file| (file.name.role, file.name.hour));
            match files.last().map(|file| (file.name.role, file.name.first, file.name.last)) {
                Some((Role::Closing, first, last)) => complete.push(Segment { first, last, files }),
                _ => self.unfinished.extend(files.iter().map(|file| file.name.to_string())),
            }
        }
        // The longest of several segments with the same first offset comes first.
        complete.sort_by_key(|segment| (segment.first, std::cmp::Reverse(segment.last), format_of(segment)));
        let chosen = choose(&complete);
        let mut rest = Vec::new();
        for (index, segment) in complete.into_iter().enumerate() {
            if chosen.contains(&index) { self.segments.push(segment) } else { rest.push(segment) }
        }
        for segment in rest {
            if self.holds(segment.first, segment.last) {
                self.doubles.push(segment)
            } else {
                self.segments.push(segment)
            }
        }
        self.segments.sort_by_key(|segment| (segment.first, segment.last));
    }

    /// Whether all of these offsets are in segments of the chain.
    fn holds(&self, first: i64, last: i64) -> bool {
        let mut next = first;
        while next <= last {
            match self.segments.iter().find(|kept| (kept.first..=kept.last).contains(&next)) {
                Some(kept) => next = kept.last + 1,
                None => return false,
            }
        }
        true
    }
}

fn format_of(segment: &Segment) -> &'static str {
    segment.files.first().map_or(Format::Parquet.extension(), |file| file.name.format.extension())
}

/// The indexes of the segments of a sorted list that follow each other without a gap or an overlap. From each first offset on,
/// the chain that reaches furthest is taken, and of several such chains the one with the longest segments. After its end the
/// next first offset begins another chain.
fn choose(sorted: &[Segment]) -> BTreeSet<usize> {
    let mut best: BTreeMap<i64, (i64, usize)> = BTreeMap::new();
    for (index, segment) in sorted.iter().enumerate().rev() {
        let end = best.get(&(segment.last + 1)).map_or(segment.last, |(end, _)| *end);
        // Backwards, the longest of several segments with one first offset comes last.
        if best.get(&segment.first).is_none_or(|(before, _)| end >= *before) {
            best.insert(segment.first, (end, index));
        }
    }
    let mut chosen = BTreeSet::new();
    let mut next = i64::MIN;
    while let Some((_, (_, index))) = best.range(next..).next() {
        chosen.insert(*index);
        next = sorted[*index].last + 1;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(names: &[&str]) -> Chain {
        let objects = names.iter().map(|name| Object { name: format!("views/{name}"), bytes: 1 });
        let mut survey = Survey::of(objects);
        assert!(survey.foreign.is_empty(), "{survey:?}");
        survey.chains.pop_first().expect("a partition").1
    }

    fn ranges(segments: &[Segment]) -> Vec<(i64, i64)> {
        segments.iter().map(|segment| (segment.first, segment.last)).collect()
    }

    const A: &str = "date=2026-11-29/hour=05/";

    #[test]
    fn a_segment_is_complete_with_its_closing_file() {
        let part = format!("{A}0-10-19.part.parquet");
        let chain = survey(&[&format!("{A}0-0-9.parquet"), &part]);
        assert_eq!((ranges(&chain.segments), chain.next()), (vec![(0, 9)], Some(10)));
        assert_eq!(chain.superfluous(), [format!("views/{part}")]);
        let chain = survey(&[&format!("{A}0-0-9.parquet"), &part, "date=2026-11-29/hour=06/0-10-19.parquet"]);
        assert_eq!((ranges(&chain.segments), chain.next()), (vec![(0, 9), (10, 19)], Some(20)));
        assert_eq!(chain.segments[1].files.len(), 2);
        assert!(chain.superfluous().is_empty());
        let chain = survey(&[&format!("{A}0-0-9.parquet.unfinished")]);
        assert_eq!((chain.next(), chain.superfluous().len()), (None, 1));
    }

    #[test]
    fn what_was_merged_is_double_and_a_gap_is_missing() {
        let names = ["0-0-9", "0-10-19", "0-0-19", "0-30-39"].map(|range| format!("{A}{range}.parquet"));
        let chain = survey(&names.each_ref().map(String::as_str));
        assert_eq!(ranges(&chain.segments), [(0, 19), (30, 39)]);
        assert_eq!(ranges(&chain.doubles), [(0, 9), (10, 19)]);
        assert_eq!((chain.missing(), chain.overlaps(), chain.next()), (vec![20..=29], vec![], Some(40)));
    }

    #[test]
    fn what_overlaps_is_kept_unless_all_of_it_is_in_others() {
        let names = ["0-0-49", "0-50-80", "0-50-149", "0-81-200"].map(|range| format!("{A}{range}.parquet"));
        let chain = survey(&names.each_ref().map(String::as_str));
        assert_eq!(ranges(&chain.segments), [(0, 49), (50, 80), (81, 200)]);
        assert_eq!(ranges(&chain.doubles), [(50, 149)]);
        let names = ["0-0-49", "0-50-80", "0-60-149"].map(|range| format!("{A}{range}.parquet"));
        let chain = survey(&names.each_ref().map(String::as_str));
        assert_eq!((chain.overlaps(), chain.next()), (vec![60..=80], Some(150)));
        assert!(chain.superfluous().is_empty() && chain.missing().is_empty());
    }

    #[test]
    fn foreign_names_belong_to_no_partition() {
        let objects = ["views/notes.txt", "views/date=2026-11-29/hour=05/0-0-9.csv"];
        let survey = Survey::of(objects.map(|name| Object { name: name.into(), bytes: 1 }));
        assert_eq!((survey.chains.len(), survey.foreign.len()), (0, 2));
    }
}
