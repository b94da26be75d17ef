//! What is wrong with the tables, in words a person can act on.

use std::fmt;

use postgres::GenericClient;

use super::layout;
use super::names::Tables;

/// Something about the tables that keeps them from being read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub problem: String,
    /// The SQL or the setting that mends it.
    pub mend: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; to mend it: {}", self.problem, self.mend)
    }
}

/// Looks at the tables as the source would, and reads no rows. Nothing found: they can be read.
///
/// # Errors
/// When the server does not answer the question.
pub fn inspect(client: &mut impl GenericClient, tables: &Tables) -> Result<Vec<Finding>, postgres::Error> {
    Ok(layout::read(client, tables)?.err().unwrap_or_default())
}
