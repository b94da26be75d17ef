//! The columns of a list's row, as the list declares them.

use dataflow::graph::List;
use dataflow::graph::shape::Value;

use super::instant;
use super::json::{number, string};

/// Writes the times and counts of a row behind its product, each as `,"name":value`.
pub(crate) fn row_columns<L: List>(out: &mut Vec<u8>, row: &L::Row) {
    for (column, value) in L::COLUMNS.iter().zip(L::values(row).as_ref()) {
        if let Value::Time(_) | Value::Count(_) = value {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(column.name.as_bytes());
            out.extend_from_slice(b"\":");
        }
        match *value {
            Value::Time(at) => string(out, &instant::text(at)),
            Value::Count(count) => number(out, count),
            Value::User(_) | Value::Product(_) | Value::Category(_) => {}
        }
    }
}
