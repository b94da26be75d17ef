//! Rows of labels in both formats: what is read of them, what becomes of their own columns, and where a bad row is.

use std::sync::Arc;

use dataflow::features::{FeatureValue, find};
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tempfile::TempDir;

use super::*;

const NOON: Millis = 1_795_176_000_000;

fn columns() -> FeatureColumns {
    FeatureColumns::new(vec![find("user_product_views").unwrap()], true)
}

/// A label, as (user, product, time).
type Found = (String, Option<String>, Millis);

/// The labels of a file.
fn labels(path: &Path) -> Result<(Vec<Found>, Scanned), LabelError> {
    let mut found = Vec::new();
    let file = LabelFile::open(path)?;
    let take = |Label { user, product, at }: Label<'_>| found.push((user.into(), product.map(Cow::into_owned), at));
    let scanned = file.scan(&columns().features, take)?;
    Ok((found, scanned))
}

/// Joins each row with its own number.
fn join(path: &Path, rows: usize) -> Result<Vec<u8>, LabelError> {
    let mut out = Vec::new();
    let cell = |row: usize| FeatureCell::One(Some(FeatureValue::Count(row as u64)));
    let mut cells = |row: usize| Ok((row < rows).then(|| vec![cell(row)]));
    LabelFile::open(path)?.join(&mut out, &columns(), &mut cells).map(|()| out)
}

fn write(dir: &TempDir, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn lines_keep_their_text_and_get_the_features_behind() {
    let dir = tempfile::tempdir().unwrap();
    let text = "{\"user_id\": \"ada\", \"event_time\": \"2026-11-20T13:00:00.0009+01:00\", \"label\": [1.50, {}]}\r\n\n \
                {\"event_time\":1795176000001,\"user_id\":42,\"product_id\":\"lamp\"}";
    let path = write(&dir, "labels.jsonl", text);
    let (found, scanned) = labels(&path).unwrap();
    assert_eq!(found, [("ada".into(), None, NOON), ("42".into(), Some("lamp".into()), NOON + 1)]);
    assert_eq!(scanned, Scanned { rows: 2, has_products: true });
    let joined = String::from_utf8(join(&path, 2).unwrap()).unwrap();
    let expected = "{\"user_id\": \"ada\", \"event_time\": \"2026-11-20T13:00:00.0009+01:00\", \"label\": [1.50, \
                    {}],\"user_product_views\":0}\n\
                    {\"event_time\":1795176000001,\"user_id\":42,\"product_id\":\"lamp\",\"user_product_views\":1}\n";
    assert_eq!(joined, expected);
}

#[test]
fn a_bad_line_is_named_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let good = r#"{"user_id":"ada","event_time":1795176000000}"#;
    let faults = [
        ("{", RowFault::NotJson("EOF while parsing an object at line 1 column 1".into())),
        (r#"{"event_time":1795176000000}"#, RowFault::Missing(USER)),
        (r#"{"user_id":null,"event_time":1795176000000}"#, RowFault::Missing(USER)),
        (r#"{"user_id":"","event_time":1795176000000}"#, RowFault::Id(USER)),
        (r#"{"user_id":1.5,"event_time":1795176000000}"#, RowFault::Id(USER)),
        (r#"{"user_id":"a","product_id":[],"event_time":1795176000000}"#, RowFault::Id(PRODUCT)),
        (r#"{"user_id":"a"}"#, RowFault::Missing(TIME)),
        (r#"{"user_id":"a","event_time":"yesterday"}"#, RowFault::Time),
        (r#"{"user_id":"a","event_time":"1969-12-31T23:59:59Z"}"#, RowFault::Time),
        (r#"{"user_id":"a","event_time":1795176000}"#, RowFault::Seconds(1_795_176_000)),
        (r#"{"user_id":"a","event_time":999999999999999}"#, RowFault::Time),
        (r#"{"user_id":"a","event_time":1795176000000.5}"#, RowFault::Time),
    ];
    for (line, expected) in faults {
        let path = write(&dir, "labels.jsonl", format!("{good}\n\n{line}\n{good}\n"));
        match labels(&path) {
            Err(LabelError::Row { place: Place::Line(3), fault, .. }) => assert_eq!(fault, expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    let path = write(&dir, "labels.jsonl", [good.as_bytes(), b"\n\xff"].concat());
    assert!(labels(&path).unwrap_err().to_string().ends_with("labels.jsonl, line 2: it is not UTF-8"));
    let path = write(&dir, "labels.jsonl", good.replace('}', r#","user_product_views":7}"#));
    assert!(matches!(
        labels(&path),
        Err(LabelError::Row { place: Place::Line(1), fault: RowFault::Clash("user_product_views"), .. })
    ));
}

#[test]
fn a_file_that_changes_between_the_two_readings_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let good = r#"{"user_id":"ada","event_time":1795176000000}"#;
    let path = write(&dir, "labels.jsonl", format!("{good}\n{good}\n"));
    assert!(join(&path, 2).is_ok());
    for rows in [1, 3] {
        assert!(matches!(join(&path, rows), Err(LabelError::Changed(_))), "{rows}");
    }
    assert!(matches!(LabelFile::open(&dir.path().join("labels.csv")), Err(LabelError::Format(_))));
    assert!(matches!(LabelFile::open(&dir.path().join("no.jsonl")), Err(LabelError::Io { .. })));
}

/// A file of two groups of two rows each, with a nested column, compressed as other tools do by default.
fn parquet(time: &str, times: [[i64; 2]; 2]) -> Vec<u8> {
    let schema = format!(
        "message labels {{ REQUIRED BYTE_ARRAY user_id (STRING); OPTIONAL INT32 product_id; REQUIRED {time};
            OPTIONAL BOOLEAN bought; REQUIRED group tags (LIST) {{ REPEATED group list {{ REQUIRED INT64 element; }} }} }}"
    );
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let schema = Arc::new(parse_message_type(&schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    for times in times {
        let mut to = file.next_row_group().unwrap();
        let group = &mut to;
        use super::super::parquet_columns::write;
        write::<ByteArrayType>(group, &["ada".into(), "ben".into()], None, None).unwrap();
        write::<Int32Type>(group, &[7], Some(&[1, 0]), None).unwrap();
        write::<Int64Type>(group, &times, None, None).unwrap();
        write::<BoolType>(group, &[true], Some(&[0, 1]), None).unwrap();
        write::<Int64Type>(group, &[5, 6], Some(&[1, 1, 0]), Some(&[0, 1, 0])).unwrap();
        to.close().unwrap();
    }
    file.into_inner().unwrap()
}

#[test]
fn parquet_keeps_all_columns_and_gets_the_features_behind() {
    let dir = tempfile::tempdir().unwrap();
    let noon = NOON.cast_signed();
    for (time, unit) in [
        ("INT64 event_time (TIMESTAMP(MILLIS, true))", 1),
        ("INT64 event_time (TIMESTAMP(MICROS, false))", 1000),
        ("INT64 event_time (TIMESTAMP(NANOS, true))", 1_000_000),
        ("INT64 event_time", 1),
    ] {
        let times = [[noon * unit, (noon + 1) * unit], [(noon + 1) * unit - i64::from(unit > 1), noon * unit]];
        let path = write(&dir, "labels.parquet", parquet(time, times));
        let (found, scanned) = labels(&path).unwrap();
        let third = if unit > 1 { NOON } else { NOON + 1 };
        let expected =
            [("ada", Some("7"), NOON), ("ben", None, NOON + 1), ("ada", Some("7"), third), ("ben", None, NOON)];
        let expected = expected.map(|(user, product, at)| (user.to_owned(), product.map(str::to_owned), at));
        assert_eq!(found, expected, "{time}");
        assert_eq!(scanned, Scanned { rows: 4, has_products: true });
        let joined = bytes::Bytes::from(join(&path, 4).unwrap());
        let rows = |bytes: bytes::Bytes| -> Vec<String> {
            let reader = SerializedFileReader::new(bytes).unwrap();
            reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
        };
        let own = rows(std::fs::read(&path).unwrap().into());
        let expected = own
            .iter()
            .enumerate()
            .map(|(nth, row)| row.replace('}', "").replace("]", &format!("], user_product_views: {nth}")));
        let joined: Vec<String> = rows(joined).iter().map(|row| row.replace('}', "")).collect();
        assert_eq!(joined, expected.collect::<Vec<_>>());
        assert!(own[0].contains("bought: null") && own[0].contains("tags: [5, 6]"), "{own:?}");
        assert!(join(&path, 3).unwrap_err().to_string().contains("more rows than before"));
    }
}

#[test]
fn a_parquet_file_that_cannot_be_used_is_named_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let message = |name: &str, bytes: Vec<u8>| {
        let path = write(&dir, name, bytes);
        labels(&path).unwrap_err().to_string().replace(&*dir.path().to_string_lossy(), "")
    };
    let fine = "INT64 event_time (TIMESTAMP(MILLIS, true))";
    let row = message("a.parquet", parquet(fine, [[1, 2], [3, -4]]));
    assert!(row.starts_with("/a.parquet, row 4: `event_time` must be RFC 3339"), "{row}");
    let seconds = message("a.parquet", parquet("INT64 event_time", [[1_795_176_000_000, 1_795_176_000], [0, 0]]));
    assert!(seconds.starts_with("/a.parquet, row 2: `event_time` 1795176000 is too small"), "{seconds}");
    let column = message("a.parquet", parquet("INT64 at", [[1, 2], [3, 4]]));
    assert_eq!(column, "/a.parquet has no column `event_time`");
    let kind = message("a.parquet", parquet("INT64 event_time (TIME(MICROS, true))", [[1, 2], [3, 4]]));
    assert!(kind.starts_with("/a.parquet: column `event_time` is of type INT64 (TIME_MICROS); it must be"), "{kind}");
    assert!(message("b.parquet", b"user_id,event_time".to_vec()).starts_with("/b.parquet: "));
    let schema = "message m { REQUIRED BYTE_ARRAY user_id (STRING); REQUIRED INT64 event_time;
        OPTIONAL INT64 user_product_views; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let empty = SerializedFileWriter::new(Vec::new(), schema, Arc::default()).unwrap();
    let clash = message("a.parquet", empty.into_inner().unwrap());
    assert!(clash.starts_with("/a.parquet: column `user_product_views` has the name of a feature"), "{clash}");
    let mut cut = parquet(fine, [[1, 2], [3, 4]]);
    cut.truncate(cut.len() / 2);
    assert!(message("b.parquet", cut).starts_with("/b.parquet: "));
}
