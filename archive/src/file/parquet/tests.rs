//! What the writer makes is read back by the crate's own readers, which share no code with it.

use bytes::Bytes;
use parquet::basic::Compression;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::statistics::Statistics;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::file::{Columns, Origin, SegmentRows};

/// The index of the column `raw`.
const RAW: usize = 11;

fn id() -> PartitionId {
    PartitionId { topic: "views".into(), partition: 3 }
}

/// A row that owns its columns.
#[derive(Clone, Debug, Default)]
struct OwnedRow {
    offset: i64,
    times: [Option<i64>; 2],
    bytes: [Option<Vec<u8>>; 2],
    texts: [Option<String>; 5],
}

impl OwnedRow {
    fn row(&self) -> Row<'_> {
        let ([record_time, event_time], [key, raw]) = (self.times, &self.bytes);
        let [user_id, product_id, event_type, session_id, metadata] = &self.texts;
        Row {
            offset: self.offset,
            record_time,
            key: key.as_deref(),
            user_id: user_id.as_deref().map(Into::into),
            product_id: product_id.as_deref().map(Into::into),
            event_type: event_type.as_deref(),
            event_time,
            session_id: session_id.as_deref().map(Into::into),
            metadata: metadata.as_deref(),
            raw: raw.as_deref(),
        }
    }
}

fn written<'a>(rows: impl IntoIterator<Item = &'a OwnedRow>) -> Bytes {
    let mut writer = ParquetWriter::new(&id()).unwrap();
    rows.into_iter().for_each(|row| writer.push(&row.row()).unwrap());
    writer.finish(Some(SegmentRows::new(7))).unwrap()
}

/// Whether a file has exactly these rows.
fn has<'a>(file: Bytes, rows: impl IntoIterator<Item = &'a OwnedRow>) -> std::result::Result<bool, FileError> {
    let (mut rows, mut equal) = (rows.into_iter(), true);
    read(file, Columns::All, &mut |row, origin| {
        equal &= origin == Some(Origin { topic: "views", partition: 3 });
        equal &= rows.next().is_some_and(|expected| expected.row() == *row);
        Ok::<(), FileError>(())
    })?;
    Ok(equal && rows.next().is_none())
}

fn groups(file: &Bytes) -> Vec<RowGroupMetaData> {
    SerializedFileReader::new(file.clone()).unwrap().metadata().row_groups().to_vec()
}

fn pages(file: &Bytes, group: usize, column: usize) -> usize {
    let file = SerializedFileReader::new(file.clone()).unwrap();
    file.get_row_group(group).unwrap().get_column_page_reader(column).unwrap().count()
}

prop_compose! {
    /// Numbers near each other and at the ends of their range; texts that are empty, missing or of several bytes a letter.
    fn any_row()(
        offset in any::<i64>(),
        near in option::of(-9_i64..9),
        far in option::of(any::<i64>()),
        key in option::of(vec(any::<u8>(), 0..9)),
        raw in option::of(vec(any::<u8>(), 0..40)),
        texts in [option::of("\\PC{0,9}"), option::of("a?"), option::of("b"), option::of("c{0,3}"), option::of("é?")],
    ) -> OwnedRow {
        OwnedRow { offset, times: [near, far], bytes: [key, raw], texts }
    }
}

proptest! {
    #[test]
    fn any_rows_are_read_as_they_were_written(rows in vec(any_row(), 0..400)) {
        let file = written(&rows);
        prop_assert_eq!(has(file.clone(), &rows), Ok(true));
        let bounds = |numbers: Vec<i64>| numbers.iter().min().copied().zip(numbers.iter().max().copied());
        for group in groups(&file) {
            let times = |at: usize| rows.iter().filter_map(|row| row.times[at]).collect::<Vec<_>>();
            let offsets = rows.iter().map(|row| row.offset).collect();
            for (column, numbers) in [(2, offsets), (3, times(0)), (8, times(1))] {
                let Some(Statistics::Int64(stated)) = group.column(column).statistics() else { panic!("no bounds") };
                prop_assert_eq!(stated.null_count_opt(), Some((rows.len() - numbers.len()) as u64));
                prop_assert_eq!(stated.min_opt().copied().zip(stated.max_opt().copied()), bounds(numbers));
            }
        }
    }
}

/// A row like those of a topic: numbers rise, every other row has a session.
fn view(number: u32) -> OwnedRow {
    let text = |name: &str, of: u32| Some(format!("{name}-{}", number % of));
    OwnedRow {
        offset: number.into(),
        times: [Some(i64::from(number) * 100), None],
        bytes: [Some(b"key".to_vec()), Some(format!("{{\"number\":{number}}}").into_bytes())],
        texts: [text("user", 997), text("product", 13), Some("view".into()), text("s", 2).filter(|s| s == "s-0"), None],
    }
}

#[test]
fn many_rows_become_pages_and_groups() {
    let rows: Vec<OwnedRow> = (0..GROUP_ROWS + 5).map(view).collect();
    let file = written(&rows);
    assert_eq!(has(file.clone(), &rows), Ok(true));
    let groups = groups(&file);
    assert_eq!(groups.iter().map(RowGroupMetaData::num_rows).collect::<Vec<_>>(), [i64::from(GROUP_ROWS), 5]);
    for (index, group) in groups.iter().enumerate() {
        for (number, column) in group.columns().iter().enumerate() {
            assert!(matches!(column.compression(), Compression::ZSTD(_)), "{}", column.column_descr().name());
            assert_eq!(
                column.dictionary_page_offset().is_some(),
                number < 2,
                "topic and partition are the same in all rows"
            );
        }
        assert_eq!(pages(&file, index, RAW) > 1, index == 0);
    }
    let Some(Statistics::Int64(offsets)) = groups[0].column(2).statistics() else { panic!("no bounds") };
    assert_eq!((offsets.min_opt(), offsets.max_opt()), (Some(&0), Some(&i64::from(GROUP_ROWS - 1))));
}

#[test]
fn keys_that_are_the_users_are_compressed_once_and_others_are_kept() {
    let of_user = |number: u32| {
        let mut row = view(number);
        row.bytes[0] = row.texts[0].clone().map(String::into_bytes);
        row
    };
    let rows: Vec<OwnedRow> = (0..40_000).map(of_user).collect();
    // The pages of keys, and of users.
    let columns = |file: &Bytes| {
        let group = groups(file).remove(0);
        [4, 5].map(|column| {
            let (start, length) = group.column(column).byte_range();
            file.slice(start as usize..(start + length) as usize)
        })
    };
    let file = written(&rows);
    assert_eq!(has(file.clone(), &rows), Ok(true));
    let [keys, users] = columns(&file);
    assert_eq!(keys, users);
    let other_keys: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"user-1"), Some(b"user-12345678")];
    for (at, key) in [0, 15_999, 16_000, 39_999].into_iter().zip(other_keys) {
        let mut rows = rows.clone();
        rows[at].bytes[0] = key.map(<[u8]>::to_vec);
        let file = written(&rows);
        assert_eq!(has(file.clone(), &rows), Ok(true), "row {at}");
        let [keys, unchanged] = columns(&file);
        assert!(keys != users && unchanged == users, "row {at}");
    }
}

#[test]
fn large_records_end_pages_and_groups_and_their_memory_is_stated() {
    const RECORD: usize = 1 << 20;
    let row = |number: u32| OwnedRow { bytes: [None, Some(vec![number as u8; RECORD])], ..view(number) };
    let rows: Vec<OwnedRow> = (0..40).map(row).collect();
    let mut writer = ParquetWriter::new(&id()).unwrap();
    for row in &rows {
        writer.push(&row.row()).unwrap();
        // A page ends with such a record.
        assert!(writer.memory() < 2 * RECORD, "{}", writer.memory());
        assert!(writer.size() < RECORD, "they compress well: {}", writer.size());
    }
    let file = writer.finish(Some(SegmentRows::new(7))).unwrap();
    assert_eq!(has(file.clone(), &rows), Ok(true));
    assert_eq!(groups(&file).iter().map(RowGroupMetaData::num_rows).collect::<Vec<_>>(), [16, 16, 8]);
    assert_eq!(pages(&file, 0, RAW), 16);
}

#[test]
fn a_flipped_bit_is_never_read_as_another_value() {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let rows: Vec<OwnedRow> = (0..100)
        .map(|number| OwnedRow { bytes: [None, Some((0..1000).map(|_| noise()).collect())], ..view(number) })
        .collect();
    let file = written(&rows);
    // Records without a pattern, which are not made smaller, are nearly the whole file.
    let raw = groups(&file)[0].column(RAW).byte_range();
    assert!(raw.1 > 100_000, "{raw:?}");
    for at in (raw.0 + 100..raw.0 + raw.1).step_by(997) {
        let mut damaged = file.to_vec();
        damaged[at as usize] ^= 1 << (at % 8);
        assert!(has(damaged.into(), &rows).is_err(), "byte {at}");
    }
}
