//! Query parameters of pages of the shop's rows.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use store::{Filter, ID_BYTES_MAX, Kind};

use crate::parameter::Parameter;
use crate::problem::Problem;

/// The rows of a page, unless another number is asked for.
pub(crate) const LIMIT: usize = 100;

/// The most rows of a page.
pub(crate) const LIMIT_MAX: usize = 1000;

/// The longest prefix of a name, in bytes.
const PREFIX_BYTES_MAX: usize = 256;

/// The first byte of a cursor.
const VERSION: u8 = 1;

const PAGE_LIMIT: Parameter = Parameter::number("limit", "The most rows to answer with, from 1 to 1000; 100 if absent");
const CURSOR: Parameter = Parameter::text("cursor", "`next_cursor` of the page before; the first page if absent");
const CATEGORY: Parameter = Parameter::text("category", "Only products of exactly this category");
const PARENT: Parameter = Parameter::text("parent", "Only categories directly under this one");
const PREFIX: Parameter =
    Parameter::text("prefix", "Only rows whose name starts like this; ASCII letters match in both cases");
const AVAILABLE: Parameter = Parameter::flag("available", "Only products that are available, or are not");
const USER: Parameter = Parameter::text("user", "Only purchases of this user");

/// The parameters of a kind's pages, and their names in words.
pub(crate) fn of(kind: Kind) -> (&'static [Parameter], &'static str) {
    match kind {
        Kind::Products => {
            (&[PAGE_LIMIT, CURSOR, CATEGORY, PREFIX, AVAILABLE], "limit, cursor, category, prefix and available")
        }
        Kind::Categories => (&[PAGE_LIMIT, CURSOR, PARENT, PREFIX], "limit, cursor, parent and prefix"),
        Kind::Users => (&[PAGE_LIMIT, CURSOR, PREFIX], "limit, cursor and prefix"),
        Kind::Purchases => (&[PAGE_LIMIT, CURSOR, USER], "limit, cursor and user"),
    }
}

/// Which rows a page holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowParameters {
    /// The last row of the page before.
    pub(crate) after: Option<String>,
    pub(crate) filter: Filter,
}

impl RowParameters {
    /// Takes a parameter of these.
    ///
    /// # Errors
    /// When its value is out of its bounds.
    pub(crate) fn set(&mut self, name: &'static str, value: &str) -> Result<(), Problem> {
        let bad = |must: String| Problem::BadParameter { name, must };
        let text = |bytes_max: usize| {
            let fits = (1..=bytes_max).contains(&value.len());
            fits.then(|| value.to_owned()).ok_or_else(|| bad(format!("a text of 1 to {bytes_max} bytes")))
        };
        match name {
            "cursor" => {
                self.after = Some(id_of(value).ok_or_else(|| bad("the cursor that a page ended with".into()))?);
            }
            "category" | "parent" => self.filter.category = Some(text(ID_BYTES_MAX)?),
            "user" => self.filter.user = Some(text(ID_BYTES_MAX)?),
            "prefix" => self.filter.prefix = Some(text(PREFIX_BYTES_MAX)?),
            "available" => {
                self.filter.available = Some(value.parse().map_err(|_| bad("true or false".into()))?);
            }
            _ => unreachable!("the set holds no other name"),
        }
        Ok(())
    }
}

/// The cursor after the row with this id.
pub(crate) fn cursor(id: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode([&[VERSION], id.as_bytes()].concat())
}

fn id_of(cursor: &str) -> Option<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (version, id) = bytes.split_first()?;
    let id = std::str::from_utf8(id).ok().filter(|id| *version == VERSION && id.len() <= ID_BYTES_MAX)?;
    Some(id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_row_and_nothing_else_is_one() {
        for id in ["lamp", "a/b%", "🪔", " x"] {
            assert_eq!(id_of(&cursor(id)).as_deref(), Some(id));
        }
        for wrong in ["", "zz", "=", "AmxhbXA", &cursor(&"x".repeat(257))] {
            assert_eq!(id_of(wrong), None, "{wrong}");
        }
    }
}
