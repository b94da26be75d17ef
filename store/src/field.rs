//! The fields of rows: each declared once, for reading JSON and CSV, for the schema and for the documentation.

/// A field of a row.
#[derive(Debug)]
pub struct Field {
    /// Its name in JSON and in the header of a CSV file.
    pub name: &'static str,
    /// What it holds, with its bounds.
    pub shape: Shape,
    /// Whether a row needs it.
    pub required: bool,
    /// One sentence.
    pub sentence: &'static str,
}

impl Field {
    pub(crate) const fn required(name: &'static str, shape: Shape, sentence: &'static str) -> Field {
        Field { name, shape, required: true, sentence }
    }

    pub(crate) const fn optional(name: &'static str, shape: Shape, sentence: &'static str) -> Field {
        Field { name, shape, required: false, sentence }
    }
}

/// What a field holds.
#[derive(Debug)]
pub enum Shape {
    /// An id: 1 to 256 bytes of UTF-8 without a blank at the end and without control characters.
    Id,
    /// A text, with its largest length in bytes.
    Text(usize),
    /// An amount of money.
    Price,
    /// A truth value.
    Truth,
    /// A whole number within these bounds.
    Whole(i64, i64),
    /// A JSON object with a limit of bytes. Its stored form counts: without blanks, and with numbers as the store writes them.
    Object(usize),
    /// Finite numbers, at most so many.
    Numbers(usize),
    /// A point in time.
    Time,
    /// One of some words.
    Word(&'static [&'static str]),
    /// Objects with these fields, 1 to so many.
    Rows(&'static [Field], usize),
}

/// The known name nearest to an unknown one, if one is near.
pub(crate) fn nearest(name: &str, fields: &'static [Field]) -> Option<&'static str> {
    /// Similarity from which a name counts as near.
    const LIKENESS_MIN: f64 = 0.5;
    let rated = fields.iter().map(|field| (strsim::normalized_damerau_levenshtein(name, field.name), field.name));
    let near = rated.filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
    near.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, name)| name)
}
