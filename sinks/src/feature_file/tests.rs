//! Rows of features as they are read again from both formats.

use dataflow::features::find;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::*;

fn columns(of_one_product: bool) -> FeatureColumns {
    let names = ["user_product_views", "user_product_avg_time", "user_category_views", "user_last_interaction"];
    FeatureColumns::new(names.map(|name| find(name).unwrap()).to_vec(), of_one_product)
}

fn rows() -> Vec<(Arc<str>, Vec<FeatureCell>)> {
    let map = |entries: &[(&str, FeatureValue)]| {
        FeatureCell::Map(entries.iter().map(|(id, value)| ((*id).into(), *value)).collect())
    };
    let count = FeatureValue::Count;
    vec![
        (
            "ada".into(),
            vec![
                map(&[("cup", count(2)), ("lamp \"1\"", count(1))]),
                map(&[("cup", FeatureValue::Mean(0.1))]),
                map(&[]),
                FeatureCell::One(Some(FeatureValue::Time(1_795_132_800_007))),
            ],
        ),
        ("ben".into(), vec![map(&[]), map(&[]), map(&[("tea", count(9))]), FeatureCell::One(None)]),
    ]
}

fn written(format: Format) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = FeatureWriter::new(format, &mut out, columns(false), 77).unwrap();
    rows().into_iter().for_each(|(user, cells)| writer.row(&user, cells).unwrap());
    writer.finish().unwrap();
    out
}

#[test]
fn json_has_a_line_for_each_user_with_maps_as_objects() {
    let lines = String::from_utf8(written(Format::JsonLines)).unwrap();
    let expected = [
        r#"{"user_id":"ada","as_of":77,"user_product_views":{"cup":2,"lamp \"1\"":1},"user_product_avg_time":{"cup":0.1},"user_category_views":{},"user_last_interaction":1795132800007}"#,
        r#"{"user_id":"ben","as_of":77,"user_product_views":{},"user_product_avg_time":{},"user_category_views":{"tea":9},"user_last_interaction":null}"#,
    ];
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn parquet_has_typed_columns_and_the_same_bytes_each_time() {
    let bytes = written(Format::Parquet);
    assert_eq!(bytes, written(Format::Parquet));
    let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
    let rows: Vec<String> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    assert!(rows[0].contains("user_product_views: {\"cup\" -> 2"), "{rows:?}");
    assert!(rows[1].contains("user_product_views: {}, user_product_avg_time: {}"), "{rows:?}");
    assert!(rows[1].contains("user_category_views: {\"tea\" -> 9}, user_last_interaction: null"), "{rows:?}");
}

#[test]
fn a_spool_gives_the_cells_by_row() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::new(dir.path(), 3).unwrap();
    for (row, (_, cells)) in [2, 0].into_iter().zip(rows()) {
        spool.put(row, &cells).unwrap();
    }
    let cells = spool.finish().unwrap();
    let found: Vec<_> = (0..4).map(|row| cells.get(row).unwrap()).collect();
    let mut expected = rows().into_iter().map(|(_, cells)| Some(cells));
    let [first, second] = [expected.next().unwrap(), expected.next().unwrap()];
    assert_eq!(found, [second, None, first, None]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
}

#[test]
fn the_name_says_the_format() {
    let of = |name: &str| Format::of(std::path::Path::new(name));
    assert_eq!((of("a/b.parquet"), of("b.jsonl")), (Some(Format::Parquet), Some(Format::JsonLines)));
    assert_eq!((of("b.csv"), of("parquet")), (None, None));
}
