//! Features of many users as a table, by rows or by columns.
//!
//! ```json
//! {"rows":[{"user-id":"user-120","user_category_views":{"tea":3}}],"as_of":"2026-11-20T10:15:00.120Z"}
//! {"columns":{"user-id":["user-120"],"user_category_views":[{"tea":3}]},"as_of":"2026-11-20T10:15:00.120Z"}
//! ```

use serde::Serialize;

use super::super::json::{comma, string};
use super::{FeatureColumn, member};

/// Whether a table is written by rows or by columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Layout {
    #[default]
    Rows,
    Columns,
}

/// Values as JSON, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Cells {
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Cells {
    /// Adds the value that `write` writes.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.text);
        self.ends.push(self.text.len());
    }

    fn get(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start..self.ends[at]]
    }
}

/// The values of a table, in parts of some rows each.
pub(crate) struct TableParts<'a> {
    /// Row by row.
    pub(crate) parts: &'a [Cells],
    /// For each row, its part and its number there.
    pub(crate) places: &'a [(usize, usize)],
}

/// A table to be written.
pub(crate) struct Table<'a> {
    /// The columns with ids, each with its name.
    pub(crate) ids: &'a [(&'a str, &'a [String])],
    /// The other columns.
    pub(crate) columns: &'a [FeatureColumn],
    /// What the shop knows of the user of each row, as JSON.
    pub(crate) demographics: Option<&'a [String]>,
}

const DEMOGRAPHICS: &str = "demographics";

impl Table<'_> {
    /// Writes the table and `as_of`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, layout: Layout, values: &TableParts<'_>, as_of: &str) {
        match layout {
            Layout::Rows => {
                self.begin_rows(out);
                for row in 0..values.places.len() {
                    self.row(out, row, |out| {
                        for (nth, column) in self.columns.iter().enumerate() {
                            column.name(out);
                            out.extend_from_slice(self.cell(values, row, nth));
                        }
                    });
                }
                self.end_rows(out, as_of);
            }
            Layout::Columns => {
                self.all_columns(out, values);
                end(out, as_of);
            }
        }
    }

    /// Begins a table that is written row by row.
    pub(crate) fn begin_rows(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"rows\":[");
    }

    /// Writes the next row; `features` writes the names and the values of the columns that are no ids.
    pub(crate) fn row(&self, out: &mut Vec<u8>, row: usize, features: impl FnOnce(&mut Vec<u8>)) {
        comma(out);
        out.push(b'{');
        for (name, ids) in self.ids {
            member(out, name);
            string(out, &ids[row]);
        }
        features(out);
        if let Some(demographics) = self.demographics {
            member(out, DEMOGRAPHICS);
            out.extend_from_slice(demographics[row].as_bytes());
        }
        out.push(b'}');
    }

    /// Ends a table that was written row by row, with `as_of`.
    pub(crate) fn end_rows(&self, out: &mut Vec<u8>, as_of: &str) {
        out.push(b']');
        end(out, as_of);
    }

    fn all_columns(&self, out: &mut Vec<u8>, values: &TableParts<'_>) {
        out.extend_from_slice(b"{\"columns\":{");
        for (name, ids) in self.ids {
            member(out, name);
            out.push(b'[');
            for id in *ids {
                comma(out);
                string(out, id);
            }
            out.push(b']');
        }
        for (nth, column) in self.columns.iter().enumerate() {
            column.name(out);
            out.push(b'[');
            for row in 0..values.places.len() {
                comma(out);
                out.extend_from_slice(self.cell(values, row, nth));
            }
            out.push(b']');
        }
        if let Some(demographics) = self.demographics {
            member(out, DEMOGRAPHICS);
            out.push(b'[');
            for json in demographics {
                comma(out);
                out.extend_from_slice(json.as_bytes());
            }
            out.push(b']');
        }
        out.push(b'}');
    }

    fn cell<'v>(&self, values: &'v TableParts<'_>, row: usize, column: usize) -> &'v [u8] {
        let (part, nth) = values.places[row];
        values.parts[part].get(nth * self.columns.len() + column)
    }
}

fn end(out: &mut Vec<u8>, as_of: &str) {
    member(out, "as_of");
    string(out, as_of);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_hold_the_same_values_in_the_order_of_the_rows() {
        let mut parts = [Cells::default(), Cells::default()];
        for (part, value) in [(0, "1"), (0, "{}"), (1, "2"), (1, "{\"a\":7}"), (0, "3"), (0, "null")] {
            parts[part].push(|out| out.extend_from_slice(value.as_bytes()));
        }
        let users = ["u".to_owned(), "v".into(), "w\"".into()];
        let demographics = ["null", r#"{"age": 36}"#, "{}"].map(str::to_owned);
        let columns = ["user_product_views", "user_product_clicks"]
            .map(|name| FeatureColumn::of(dataflow::features::find(name).unwrap()));
        let table = Table { ids: &[("user-id", &users)], columns: &columns, demographics: Some(&demographics) };
        let values = TableParts { parts: &parts, places: &[(0, 1), (1, 0), (0, 0)] };
        let written = |layout| {
            let mut out = Vec::new();
            table.write(&mut out, layout, &values, "now");
            serde_json::from_slice::<serde_json::Value>(&out).unwrap()
        };
        assert_eq!(
            written(Layout::Rows),
            serde_json::json!({"as_of": "now", "rows": [
                {"user-id": "u", "user_product_views": 3, "user_product_clicks": null, "demographics": null},
                {"user-id": "v", "user_product_views": 2, "user_product_clicks": {"a": 7}, "demographics": {"age": 36}},
                {"user-id": "w\"", "user_product_views": 1, "user_product_clicks": {}, "demographics": {}},
            ]})
        );
        assert_eq!(
            written(Layout::Columns),
            serde_json::json!({"as_of": "now", "columns": {
                "user-id": ["u", "v", "w\""], "user_product_views": [3, 2, 1], "user_product_clicks": [null, {"a": 7}, {}],
                "demographics": [null, {"age": 36}, {}],
            }})
        );
    }
}
