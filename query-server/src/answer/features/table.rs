//! Features of many users as a table, by rows or by columns.
//!
//! ```json
//! {"rows":[{"user-id":"user-120","user_category_views":{"tea":3}}],"as_of":"2026-11-20T10:15:00.120Z"}
//! {"columns":{"user-id":["user-120"],"user_category_views":[{"tea":3}]},"as_of":"2026-11-20T10:15:00.120Z"}
//! ```

use serde::Serialize;

use super::super::json::{comma, string};
use super::member;

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

/// A table to be written.
pub(crate) struct Table<'a> {
    /// The columns with ids, each with its name.
    pub(crate) ids: &'a [(&'a str, &'a [String])],
    /// The names of the other columns.
    pub(crate) names: &'a [&'a str],
    /// The values of the other columns, in parts of some rows each, row by row.
    pub(crate) parts: &'a [Cells],
    /// For each row, its part and its number there.
    pub(crate) places: &'a [(usize, usize)],
    /// What the shop knows of the user of each row, as JSON.
    pub(crate) demographics: Option<&'a [String]>,
}

const DEMOGRAPHICS: &str = "demographics";

impl Table<'_> {
    /// Writes the table and `as_of`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, layout: Layout, as_of: &str) {
        match layout {
            Layout::Rows => self.rows(out),
            Layout::Columns => self.columns(out),
        }
        member(out, "as_of");
        string(out, as_of);
        out.push(b'}');
    }

    fn rows(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"rows\":[");
        for row in 0..self.places.len() {
            comma(out);
            out.push(b'{');
            for (name, ids) in self.ids {
                member(out, name);
                string(out, &ids[row]);
            }
            for (column, name) in self.names.iter().enumerate() {
                member(out, name);
                out.extend_from_slice(self.cell(row, column));
            }
            if let Some(demographics) = self.demographics {
                member(out, DEMOGRAPHICS);
                out.extend_from_slice(demographics[row].as_bytes());
            }
            out.push(b'}');
        }
        out.push(b']');
    }

    fn columns(&self, out: &mut Vec<u8>) {
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
        for (column, name) in self.names.iter().enumerate() {
            member(out, name);
            out.push(b'[');
            for row in 0..self.places.len() {
                comma(out);
                out.extend_from_slice(self.cell(row, column));
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

    fn cell(&self, row: usize, column: usize) -> &[u8] {
        let (part, nth) = self.places[row];
        self.parts[part].get(nth * self.names.len() + column)
    }
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
        let table = Table {
            ids: &[("user-id", &users)],
            names: &["f", "g"],
            parts: &parts,
            places: &[(0, 1), (1, 0), (0, 0)],
            demographics: Some(&demographics),
        };
        let written = |layout| {
            let mut out = Vec::new();
            table.write(&mut out, layout, "now");
            serde_json::from_slice::<serde_json::Value>(&out).unwrap()
        };
        assert_eq!(
            written(Layout::Rows),
            serde_json::json!({"as_of": "now", "rows": [
                {"user-id": "u", "f": 3, "g": null, "demographics": null},
                {"user-id": "v", "f": 2, "g": {"a": 7}, "demographics": {"age": 36}},
                {"user-id": "w\"", "f": 1, "g": {}, "demographics": {}},
            ]})
        );
        assert_eq!(
            written(Layout::Columns),
            serde_json::json!({"as_of": "now", "columns": {
                "user-id": ["u", "v", "w\""], "f": [3, 2, 1], "g": [null, {"a": 7}, {}],
                "demographics": [null, {"age": 36}, {}],
            }})
        );
    }
}
