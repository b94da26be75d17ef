//! A report as one HTML page with plots in SVG. It needs no other file and no network.

mod bars;
mod lines;
mod text;

pub use bars::{Bar, Bars};
pub use lines::{Lines, Series};

use self::text::escaped;

/// The colours of series, told apart also by people who see red and green alike (Okabe, Ito 2008).
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555"];

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}\
    table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .75rem;border-bottom:1px solid #ddd;text-align:right}\
    td:first-child,th:first-child{text-align:left}dt{font-weight:600}dd{margin:0 0 .5rem 0}svg{max-width:100%;height:auto}\
    small{color:#555}";

/// A page.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Its title.
    pub title: String,
    /// What the page is about: names and values.
    pub facts: Vec<(String, String)>,
    /// The table's first row.
    pub columns: Vec<String>,
    /// The table's other rows.
    pub rows: Vec<Vec<String>>,
    /// Plots of values with intervals.
    pub bars: Vec<Bars>,
    /// Plots over time.
    pub lines: Vec<Lines>,
    /// How the values are defined.
    pub notes: Vec<String>,
}

impl Report {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n\
             <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n"
        );
        let facts =
            self.facts.iter().map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>", escaped(name), escaped(value)));
        page += &format!("<dl>{}</dl>\n", facts.collect::<String>());
        let cells = |row: &[String], tag| -> String {
            row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect()
        };
        page += &format!("<table><tr>{}</tr>\n", cells(&self.columns, "th"));
        self.rows.iter().for_each(|row| page += &format!("<tr>{}</tr>\n", cells(row, "td")));
        page += "</table>\n";
        self.bars.iter().for_each(|plot| page += &plot.svg());
        self.lines.iter().for_each(|plot| page += &plot.svg());
        self.notes.iter().for_each(|note| page += &format!("<p><small>{}</small></p>\n", escaped(note)));
        page + "</body></html>\n"
    }

    /// The table as text, with aligned columns.
    #[must_use]
    pub fn table(&self) -> String {
        let rows = || std::iter::once(&self.columns).chain(&self.rows);
        let width = |column: usize| rows().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let mut text = String::new();
        for row in rows() {
            let cell = |(column, cell): (usize, &String)| {
                let width = width(column).unwrap_or(0);
                if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") }
            };
            let line: String = row.iter().enumerate().map(cell).collect();
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            title: "Lists of <shop>".into(),
            facts: vec![("From".into(), "2014-04-06".into())],
            columns: vec!["source".into(), "recall@10".into()],
            rows: vec![vec!["co_views".into(), "0.480".into()], vec!["als & more".into(), "0.3".into()]],
            bars: vec![Bars {
                title: "recall@10".into(),
                bars: vec![Bar { name: "co_views".into(), value: 0.48, bounds: Some((0.47, 0.49)) }],
            }],
            lines: vec![Lines {
                title: "by day".into(),
                places: vec!["6 April".into(), "7 April".into()],
                series: vec![Series { name: "co_views".into(), values: vec![Some(0.4), Some(0.5)] }],
            }],
            notes: vec!["a < b".into()],
        }
    }

    #[test]
    fn the_page_is_whole_escaped_and_refers_to_nothing() {
        let page = report().html();
        assert!(page.contains("<title>Lists of &lt;shop&gt;</title>") && page.contains("<td>als &amp; more</td>"));
        assert!(page.contains("a &lt; b") && page.ends_with("</body></html>\n"));
        assert_eq!((page.matches("<svg").count(), page.matches("</svg>").count()), (2, 2));
        for outside in ["src=", "href=", "http://", "https://", "@import", "url(", "<script"] {
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(outside), "{outside}");
        }
        assert!(!page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn the_table_is_aligned() {
        assert_eq!(report().table(), "source      recall@10\nco_views        0.480\nals & more        0.3\n");
    }
}
