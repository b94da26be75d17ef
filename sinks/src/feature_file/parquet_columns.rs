//! The columns of features in Parquet: their types, and writing the cells of some rows.

use std::io::Write;
use std::sync::Arc;

use dataflow::features::{Feature, FeatureCell, FeatureValue, ValueKind};
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as PhysicalType, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedRowGroupWriter;
use parquet::schema::types::{Type, TypePtr};

use super::FeatureColumns;

/// A required column of ids.
pub(super) fn id_type(name: &str) -> TypePtr {
    primitive(name, PhysicalType::BYTE_ARRAY, Some(LogicalType::String), Repetition::REQUIRED)
}

/// A required column of times.
pub(super) fn time_type(name: &str) -> TypePtr {
    primitive(name, PhysicalType::INT64, Some(millis()), Repetition::REQUIRED)
}

fn millis() -> LogicalType {
    LogicalType::timestamp(true, TimeUnit::MILLIS)
}

fn primitive(name: &str, of: PhysicalType, logical: Option<LogicalType>, repetition: Repetition) -> TypePtr {
    let kind = Type::primitive_type_builder(name, of).with_logical_type(logical).with_repetition(repetition);
    Arc::new(kind.build().expect("the type is one of a few, which are sound"))
}

/// The schema of a file with its own columns and those of the features behind them.
pub(super) fn schema(own: Vec<TypePtr>, columns: &FeatureColumns) -> Result<TypePtr> {
    let features = columns.features.iter().map(|feature| column_type(feature, columns.of_one_product));
    let all = own.into_iter().chain(features).collect();
    Ok(Arc::new(Type::group_type_builder("rows").with_fields(all).build()?))
}

/// How files are written.
pub(super) fn properties() -> WriterPropertiesPtr {
    let properties = WriterProperties::builder()
        .set_created_by(concat!("vitrine version ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()));
    Arc::new(properties.build())
}

fn column_type(feature: &Feature, of_one_product: bool) -> TypePtr {
    let value = |name, repetition| match feature.kind {
        ValueKind::Count => primitive(name, PhysicalType::INT64, None, repetition),
        ValueKind::Mean => primitive(name, PhysicalType::DOUBLE, None, repetition),
        ValueKind::Time => primitive(name, PhysicalType::INT64, Some(millis()), repetition),
    };
    if !feature.is_map(of_one_product) {
        return value(feature.name, Repetition::OPTIONAL);
    }
    let group = |name, of: Vec<TypePtr>, logical, repetition| {
        let kind =
            Type::group_type_builder(name).with_fields(of).with_logical_type(logical).with_repetition(repetition);
        Arc::new(kind.build().expect("a map of two columns is sound"))
    };
    let entry = vec![id_type("key"), value("value", Repetition::REQUIRED)];
    let entries = group("key_value", entry, None, Repetition::REPEATED);
    group(feature.name, vec![entries], Some(LogicalType::Map), Repetition::REQUIRED)
}

impl FeatureColumns {
    /// Writes the cells of some rows as the next columns of a group.
    pub(super) fn write_parquet<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        rows: &[Vec<FeatureCell>],
    ) -> Result<()> {
        for (nth, feature) in self.features.iter().enumerate() {
            let cells = rows.iter().map(|row| &row[nth]);
            let (levels, values, ids) = flat(cells);
            if !feature.is_map(self.of_one_product) {
                write_values(group, feature.kind, &values, Some(&levels.present), None)?;
                continue;
            }
            let (present, again) = (Some(&levels.present[..]), Some(&levels.again[..]));
            write::<ByteArrayType>(group, &ids, present, again)?;
            write_values(group, feature.kind, &values, present, again)?;
        }
        Ok(())
    }
}

/// For each value or missing value whether it is present, and whether it belongs to the same row as the one before.
#[derive(Default)]
struct Levels {
    present: Vec<i16>,
    again: Vec<i16>,
}

/// The values of cells one after the other, and the ids of those in maps.
fn flat<'a>(cells: impl Iterator<Item = &'a FeatureCell>) -> (Levels, Vec<FeatureValue>, Vec<ByteArray>) {
    let (mut levels, mut values, mut ids) = (Levels::default(), Vec::new(), Vec::new());
    for cell in cells {
        match cell {
            FeatureCell::One(value) => {
                levels.present.push(value.is_some().into());
                values.extend(*value);
            }
            FeatureCell::Map(entries) => {
                if entries.is_empty() {
                    levels.present.push(0);
                    levels.again.push(0);
                }
                for (nth, (id, value)) in entries.iter().enumerate() {
                    levels.present.push(1);
                    levels.again.push((nth > 0).into());
                    ids.push(id.as_bytes().to_vec().into());
                    values.push(*value);
                }
            }
        }
    }
    (levels, values, ids)
}

fn write_values<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    kind: ValueKind,
    values: &[FeatureValue],
    present: Option<&[i16]>,
    again: Option<&[i16]>,
) -> Result<()> {
    match kind {
        ValueKind::Mean => {
            let values: Vec<f64> = values.iter().map(|value| value.number()).collect();
            write::<DoubleType>(group, &values, present, again)
        }
        ValueKind::Count | ValueKind::Time => {
            let whole = |value: &FeatureValue| match value {
                FeatureValue::Count(number) | FeatureValue::Time(number) => Some(number.cast_signed()),
                FeatureValue::Mean(_) => None,
            };
            let values: Vec<i64> = values.iter().filter_map(whole).collect();
            write::<Int64Type>(group, &values, present, again)
        }
    }
}

/// Writes the values of the next column of a group.
pub(super) fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, impl Write + Send>,
    values: &[T::T],
    present: Option<&[i16]>,
    again: Option<&[i16]>,
) -> Result<()> {
    let mut column = group.next_column()?.expect("as many columns as the schema has");
    column.typed::<T>().write_batch(values, present, again)?;
    column.close()
}
